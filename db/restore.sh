#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# restore.sh - makes a database of what backup.sh wrote.
set -euo pipefail
export LC_ALL=C

usage() {
    cat <<'EOF'
usage: POSTGRES_URL=postgresql://user@host:port/database db/restore.sh [--replace] DIR
       db/restore.sh --help

Restores the backup in DIR into the database of POSTGRES_URL, which is made, or
made anew if it is empty. One with anything in it is refused, unless told so:

  --replace       drop the database first, with all that is in it; refused while
                  somebody is connected. The edge (pulse_ingest) may be: it is
                  put out and goes on with the keys it knows

Before anything is touched: the checksums, the versions (the same TimescaleDB as
the backup's, exactly; PostgreSQL not older; an edition that can do what the
backup's could) and the target. Then roles that are missing are made, without
passwords, and the data is loaded. Stop Pulse's services before, give the roles
their passwords after; docs/backup.md says what happens to the offsets.

  POSTGRES_URL    where to; the user is a superuser (needed)

Exit status: 0 done; 1 failed; 2 used wrongly.
EOF
}

here=$(dirname "$(readlink -f "$0")")
# shellcheck source=db/lib/connect.sh
source "$here/lib/connect.sh"
# shellcheck source=db/lib/progress.sh
source "$here/lib/progress.sh"

run_psql() { # run_psql URL ARG...
    psql --dbname="$1" --no-psqlrc --quiet --tuples-only --no-align --set=ON_ERROR_STOP=1 "${@:2}"
}

info() { sed -n "s/^$1=//p" "$dir/backup.info"; }

check_backup() {
    local file
    for file in backup.info database.dump roles.sql SHA256SUMS; do
        [[ -r $dir/$file ]] || die "$dir is no backup: no $file"
    done
    (cd "$dir" && sha256sum --check --quiet --strict SHA256SUMS) ||
        die "$dir is damaged: a checksum differs"
    [[ $(info format) == 1 ]] || die "$dir has a format unknown here: $(info format)"
}

# Splits the URL: the database is dropped and made from another one.
split_target() {
    [[ $target =~ ^(postgres(ql)?://[^/?]*)/([^?]+)(\?.*)?$ ]] ||
        die "POSTGRES_URL does not name a database: …://user@host:port/DATABASE" 2
    database=${BASH_REMATCH[3]//\\/\\\\}
    printf -v database '%b' "${database//%/\\x}"
    maintenance=${BASH_REMATCH[1]}/postgres${BASH_REMATCH[4]}
    [[ $database != postgres ]] || die "the database postgres is the server's own" 2
}

# One line: what is wrong with the server, or fine.
check_server() {
    local found
    found=$(run_psql "$maintenance" --set=version="$(info timescaledb)" --set=edition="$(info edition)" \
        --set=major="$(info postgresql)" --set=administrator="$(info administrator)" <<'EOF'
SELECT CASE
    WHEN NOT (SELECT rolsuper FROM pg_roles WHERE rolname = current_user)
        THEN format('%s is no superuser', current_user)
    WHEN current_setting('server_version_num')::int / 10000 < :'major'::int
        THEN format('PostgreSQL %s is older than the backup''s %s',
                    current_setting('server_version_num')::int / 10000, :'major')
    WHEN NOT EXISTS (SELECT FROM pg_available_extension_versions WHERE name = 'timescaledb' AND version = :'version')
        THEN format('the backup needs exactly TimescaleDB %s; this server has %s. Install that version, restore, then update',
                    :'version', coalesce((SELECT string_agg(version, ', ') FROM pg_available_extension_versions
                                          WHERE name = 'timescaledb'), 'none'))
    WHEN :'edition' = 'timescale' AND current_setting('timescaledb.license', true) IS DISTINCT FROM 'timescale'
        THEN 'the backup is of the timescale edition (compression, continuous aggregates); timescaledb.license here is '
             || coalesce(current_setting('timescaledb.license', true), 'not there: timescaledb is not preloaded')
    WHEN NOT EXISTS (SELECT FROM pg_roles WHERE rolname = :'administrator')
        THEN format('the backup has tables of the role %s: CREATE ROLE %1$I first', :'administrator')
    ELSE 'fine' END
EOF
    ) || die 'cannot connect'
    [[ $found == fine ]] || die "$found"
}

# none, empty or used. What extensions brought with them does not count.
target_state() {
    local there
    there=$(run_psql "$maintenance" --set=name="$database" <<'EOF'
SELECT EXISTS (SELECT FROM pg_database WHERE datname = :'name')
EOF
    )
    [[ $there == t ]] || { echo none; return; }
    run_psql "$target" --command="
        SELECT CASE WHEN
            EXISTS (SELECT FROM pg_class c JOIN pg_namespace n ON n.oid = relnamespace
                    WHERE nspname <> ALL ('{pg_catalog,information_schema,pg_toast}') AND nspname NOT LIKE 'pg\_temp%'
                      AND NOT EXISTS (SELECT FROM pg_depend d WHERE d.objid = c.oid AND d.deptype = 'e')
                      AND NOT EXISTS (SELECT FROM pg_index i JOIN pg_depend d ON d.objid = i.indrelid AND d.deptype = 'e'
                                      WHERE i.indexrelid = c.oid))
            OR EXISTS (SELECT FROM pg_namespace n
                       WHERE nspname NOT LIKE 'pg\_%' AND nspname NOT IN ('public', 'information_schema')
                         AND NOT EXISTS (SELECT FROM pg_depend d WHERE d.objid = n.oid AND d.deptype = 'e'))
            THEN 'used' ELSE 'empty' END"
}

# An empty database is made anew too: its template may have put another
# version of the extension into it.
prepare_target() {
    local state
    state=$(target_state)
    [[ $state != used || $replace == yes ]] ||
        die "the database $database is not empty: name another one, or --replace it"
    [[ $state == none ]] || drop_target
    run_psql "$maintenance" --set=name="$database" --set=encoding="$(info encoding)" <<'EOF'
CREATE DATABASE :"name" TEMPLATE template0 ENCODING :'encoding' CONNECTION LIMIT 0;
EOF
}

# Services see the old database or the whole new one: an edge that found no keys
# yet would refuse everybody. A limit of 0 keeps all but superusers out.
admit() { # admit CONNECTIONS
    run_psql "$maintenance" --set=name="$database" --set=connections="$1" <<'EOF'
ALTER DATABASE :"name" CONNECTION LIMIT :connections;
EOF
}

drop_target() {
    admit 0
    if ! run_psql "$maintenance" --set=name="$database" >/dev/null <<'EOF'; then
SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity
WHERE datname = :'name' AND usename = 'pulse_ingest';
DROP DATABASE :"name";
EOF
        admit -1
        die 'could not drop the database: nothing was changed'
    fi
}

failed() {
    [[ ! -s $log ]] || complaints "$log" >&2
    die "failed: $database is incomplete; after the repair run again with --replace"
}

load() {
    local tables
    tables=$(pg_restore --list "$dir/database.dump" | grep -c ' TABLE DATA ')
    pg_restore --dbname="$target" --no-password --exit-on-error --verbose "$dir/database.dump" 2>&1 |
        progress "$log" 'processing data for table' "$tables"
}

restore() {
    run_psql "$target" --set=database="$database" --single-transaction --file="$dir/roles.sql" >/dev/null &&
        run_psql "$target" --set=version="$(info timescaledb)" <<<"CREATE EXTENSION timescaledb VERSION :'version';" &&
        run_psql "$target" --command='SELECT public.timescaledb_pre_restore()' >/dev/null &&
        load &&
        run_psql "$target" --command='SELECT public.timescaledb_post_restore()' >/dev/null &&
        run_psql "$target" --command='ANALYZE' &&
        admit -1
}

replace=no
case ${1-} in
    --help | -h) usage; exit 0 ;;
    --replace) replace=yes; shift ;;
esac
[[ $# -eq 1 && $1 != -* ]] || { usage >&2; exit 2; }
[[ -n ${POSTGRES_URL:-} ]] || die "POSTGRES_URL is not set (see --help)" 2
for program in psql pg_restore sha256sum; do
    command -v "$program" >/dev/null || die "$program is not installed" 2
done
dir=${1%/}
export PGOPTIONS="${PGOPTIONS:-} -c client_min_messages=warning"

connection "$POSTGRES_URL"
split_target
check_backup
check_server
prepare_target
log=$(mktemp)
trap 'rm -f "$log"' EXIT
trap 'exit 1' INT TERM
echo "restoring $(info database) of $(info created_at) into $database" >&2
restore || failed
echo "restored: $(run_psql "$target" --command='SELECT count(*) FROM public.schema_migrations') migrations, newest $(info newest_migration)" >&2
