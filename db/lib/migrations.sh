#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# migrations.sh - sourced by migrate.sh and migrate-docker.sh, which stand in
# the directory db and say how psql is run:
#   run_psql ARG...      psql with these arguments
#   run_script FILE...   psql with the script on our stdin, which reads the
#                        FILEs by these names
# Files from 900 on are optional: applied only when asked for.

# Plain SQL only, so that other clients can run the files too, and so that
# nothing ends the transaction early.
check_plain() {
    local bad
    if bad=$(grep -inE '^[[:space:]]*(\\|(begin|commit|rollback|start +transaction)[^;]*;)' \
        /dev/null "$@"); then
        echo "$bad" >&2
        die "no psql commands and no transaction commands in migrations"
    fi
}

is_optional() { [[ $1 == migrations/9* ]]; }

# ('001_roles.sql', 'sha256', optional?), … of this checkout.
files_values() {
    local file sum optional separator=
    for file in "${files[@]}"; do
        sum=$(sha256sum <"$file")
        optional=false
        ! is_optional "$file" || optional=true
        printf "%s('%s', '%s', %s)" "$separator" "${file##*/}" "${sum%% *}" "$optional"
        separator=', '
    done
}

# Everything happens in one session, since the lock is the session's.
apply_script() {
    local values file sum
    values=$(files_values)
    cat <<EOF
SELECT pg_try_advisory_lock(20517, 1) AS locked \gset
\if :locked
\else
\echo waiting for another run
SELECT FROM pg_advisory_lock(20517, 1);
\endif
CREATE TABLE IF NOT EXISTS public.schema_migrations (
    name text PRIMARY KEY,
    checksum text NOT NULL,
    applied_at timestamptz NOT NULL DEFAULT now(),
    duration_ms bigint NOT NULL
);
COMMENT ON TABLE public.schema_migrations IS 'Migrations applied by db/migrate.sh';
COMMENT ON COLUMN public.schema_migrations.name IS 'File name in db/migrations';
COMMENT ON COLUMN public.schema_migrations.checksum IS 'SHA-256 of the file as it was applied, hexadecimal';
COMMENT ON COLUMN public.schema_migrations.applied_at IS 'When, UTC';
COMMENT ON COLUMN public.schema_migrations.duration_ms IS 'How long it took, milliseconds';
DO \$\$
DECLARE
    changed text;
BEGIN
    SELECT string_agg(m.name, ', ' ORDER BY m.name) INTO changed
    FROM public.schema_migrations m JOIN (VALUES $values) f (name, checksum, optional) USING (name)
    WHERE m.checksum <> f.checksum;
    IF changed IS NOT NULL THEN
        RAISE 'changed after it was applied: %', changed
            USING HINT = 'Undo the change and write a new migration.';
    END IF;
END
\$\$;
EOF
    for file in "$@"; do
        sum=$(sha256sum <"$file")
        cat <<EOF
SELECT NOT EXISTS (SELECT FROM public.schema_migrations WHERE name = '${file##*/}') AS pending,
       clock_timestamp() AS begun \gset
\if :pending
\echo applying ${file##*/}
\o /dev/null
BEGIN;
\i '$file'
RESET ROLE;
RESET ALL;
\o
INSERT INTO public.schema_migrations (name, checksum, duration_ms)
    VALUES ('${file##*/}', '${sum%% *}',
            extract(epoch FROM clock_timestamp() - :'begun'::timestamptz) * 1000);
COMMIT;
\endif
EOF
    done
    cat <<'EOF'
SELECT count(*) AS n FROM public.schema_migrations \gset
\echo up to date: :n migrations applied
EOF
}

# apply [--with-sample]
apply() {
    local file chosen=()
    for file in "${files[@]}"; do
        if ! is_optional "$file" || [[ ${1-} == --with-sample ]]; then
            chosen+=("$file")
        fi
    done
    check_plain "${chosen[@]}"
    apply_script "${chosen[@]}" | run_script "${chosen[@]}" ||
        die "stopped; of the migration that failed nothing was kept"
}

status() {
    local known changed
    known=$(run_psql --tuples-only --no-align \
        --command="SELECT to_regclass('public.schema_migrations') IS NOT NULL")
    local applied="SELECT NULL::text AS name, NULL::text AS checksum, NULL::timestamptz AS applied_at WHERE false"
    [[ $known == f ]] || applied="SELECT name, checksum, applied_at FROM public.schema_migrations"
    changed=$(run_psql --tuples-only --no-align --field-separator='  ' --command="
        SELECT CASE WHEN m.name IS NULL AND f.optional THEN 'optional'
                    WHEN m.name IS NULL THEN 'pending'
                    WHEN f.name IS NULL THEN 'missing'
                    WHEN m.checksum <> f.checksum THEN 'changed'
                    ELSE 'applied' END, name, date_trunc('second', m.applied_at)
        FROM ($applied) m FULL JOIN (VALUES $(files_values)) f (name, checksum, optional) USING (name)
        ORDER BY name COLLATE \"C\"")
    echo "$changed"
    ! grep -q '^changed' <<<"$changed" || die "a file was changed after it was applied"
}

test_connection() {
    run_psql --tuples-only --no-align --command="
        SELECT format('connected to database %s as %s, PostgreSQL %s, %s', current_database(), current_user,
                      split_part(current_setting('server_version'), ' ', 1),
                      coalesce('timescaledb ' || installed_version || ' installed',
                               'timescaledb ' || default_version || ' available',
                               'no timescaledb on this server'))
        FROM (VALUES (1)) one LEFT JOIN pg_available_extensions ON name = 'timescaledb'"
}

# Ends here if the options ask nothing of a database.
migrate_options() {
    [[ $# -le 1 ]] || { usage >&2; exit 2; }
    case ${1-} in
        --help | -h) usage; exit 0 ;;
        '' | --test | --status | --with-sample) ;;
        *) usage >&2; exit 2 ;;
    esac
}

# Sets files. Relative names: errors then read migrations/003_series.sql:41.
migrate_files() {
    local file
    files=(migrations/[0-9][0-9][0-9]_*.sql)
    [[ -e ${files[0]} ]] || die "no migrations beside this script"
    for file in "${files[@]}"; do
        [[ $file =~ ^migrations/[0-9a-z_]+\.sql$ ]] || die "$file: names are NNN_name.sql, of a-z 0-9 _"
    done
}

migrate() {
    local options="${PGOPTIONS:-} -c client_min_messages=warning"
    if [[ -n ${PULSE_CHUNK_INTERVAL:-} ]]; then
        options+=" -c pulse.chunk_interval=${PULSE_CHUNK_INTERVAL// /\\ }"
    fi
    export PGOPTIONS=$options
    migrate_files
    case ${1-} in
        --test) test_connection || die "cannot connect" ;;
        --status) status ;;
        *) apply "$@" ;;
    esac
}
