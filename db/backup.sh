#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# backup.sh - copies a whole Pulse database into a directory, while it is used.
set -euo pipefail
export LC_ALL=C

usage() {
    cat <<'EOF'
usage: POSTGRES_URL=postgresql://user@host:port/database db/backup.sh DIR
       db/backup.sh --help

Writes a backup of the database into the new directory DIR, for restore.sh:

  database.dump   everything in the database, as of one moment (pg_dump, custom
                  format)
  roles.sql       roles and rights that pg_dump leaves out; no passwords
  backup.info     what was saved: database, versions, edition, time
  SHA256SUMS      checksums of these three

Services may go on meanwhile. DIR appears when the backup is complete; one that
failed leaves nothing. The user is a superuser. pg_dump must not be older than
the server.

  POSTGRES_URL    where the database is (needed)

Exit status: 0 done; 1 failed; 2 used wrongly.
EOF
}

here=$(dirname "$(readlink -f "$0")")
# shellcheck source=db/lib/connect.sh
source "$here/lib/connect.sh"
# shellcheck source=db/lib/progress.sh
source "$here/lib/progress.sh"

ask() {
    psql --dbname="$target" --no-psqlrc --quiet --tuples-only --no-align --set=ON_ERROR_STOP=1 "$@"
}

# NAME=VALUE lines; restore.sh reads them.
describe() {
    ask --command="
        SELECT concat_ws(E'\n', 'format=1',
            'database=' || current_database(),
            'created_at=' || to_char(now() AT TIME ZONE 'UTC', 'YYYY-MM-DD\"T\"HH24:MI:SS\"Z\"'),
            'postgresql=' || current_setting('server_version_num')::int / 10000,
            'encoding=' || pg_encoding_to_char(encoding),
            'timescaledb=' || (SELECT extversion FROM pg_extension WHERE extname = 'timescaledb'),
            'edition=' || current_setting('timescaledb.license'),
            'administrator=' || (SELECT relowner::regrole FROM pg_class WHERE oid = 'public.schema_migrations'::regclass),
            'migrations=' || (SELECT count(*) FROM public.schema_migrations),
            'newest_migration=' || (SELECT max(name COLLATE \"C\") FROM public.schema_migrations))
        FROM pg_database WHERE datname = current_database()"
}

dump() {
    if ! pg_dump --dbname="$target" --format=custom --no-password --verbose --file="$1/database.dump" 2>&1 |
        progress "$1/log" 'dumping contents of table' ''; then
        complaints "$1/log" >&2
        die 'pg_dump failed: nothing was kept'
    fi
    rm "$1/log"
}

check() {
    local found
    found=$(ask --command="
        SELECT CASE WHEN NOT (SELECT rolsuper FROM pg_roles WHERE rolname = current_user)
                        THEN format('%s is no superuser: rows would be missing', current_user)
                    WHEN to_regclass('public.schema_migrations') IS NULL
                        THEN format('%s is no Pulse database: no migrations were applied', current_database())
                    ELSE 'fine' END") || die 'cannot connect'
    [[ $found == fine ]] || die "$found"
}

[[ ${1-} != --help && ${1-} != -h ]] || { usage; exit 0; }
[[ $# -eq 1 && $1 != -* ]] || { usage >&2; exit 2; }
[[ -n ${POSTGRES_URL:-} ]] || die "POSTGRES_URL is not set (see --help)" 2
for program in psql pg_dump; do
    command -v "$program" >/dev/null || die "$program is not installed" 2
done
dir=${1%/}
[[ ! -e $dir ]] || die "$dir exists already" 2

connection "$POSTGRES_URL"
check
partial=$dir.partial.$$
mkdir -m 700 "$partial" || die "cannot write here"
trap 'rm -rf "$partial"' EXIT
trap 'exit 1' INT TERM

describe >"$partial/backup.info"
echo "saving $(sed -n 's/^database=//p' "$partial/backup.info")" >&2
ask --file="$here/lib/roles.sql" >"$partial/roles.sql"
dump "$partial"
(cd "$partial" && sha256sum backup.info database.dump roles.sql >SHA256SUMS && sync -f .)
mv -T "$partial" "$dir"
echo "$dir: $(du -sh "$dir" | cut -f1)" >&2
