#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# migrate-docker.sh - migrate.sh for a PostgreSQL in a container: psql runs in
# there, by docker exec.
set -euo pipefail
export LC_ALL=C

usage() {
    cat <<'EOF'
usage: db/migrate-docker.sh [--with-sample | --test | --status | --help]

Does what db/migrate.sh does (see its --help), with the psql of a running
container: nothing but docker is needed here, and no port of the database has
to be published. The files go in through a pipe; the container needs psql, sh
and tar, as the images postgres and timescale/timescaledb have them.

  POSTGRES_CONTAINER     name or id of the container; pulse-postgres-1 by
                         default, as docker-compose.yml makes it
  POSTGRES_USER          the user, postgres by default
  POSTGRES_DB            the database, pulse by default
  PGPASSWORD             the password, if the container asks its own psql for one
  PULSE_CHUNK_INTERVAL   as for migrate.sh

Exit status: 0 done; 1 failed, changed or not reachable; 2 used wrongly.
EOF
}

cd "$(dirname "$(readlink -f "$0")")"
# shellcheck source=db/lib/connect.sh
source lib/connect.sh
# shellcheck source=db/lib/migrations.sh
source lib/migrations.sh

in_container() {
    local env=(--env PGOPTIONS)
    [[ -z ${PGPASSWORD+set} ]] || env+=(--env PGPASSWORD)
    docker exec --interactive "${env[@]}" "${POSTGRES_CONTAINER:-pulse-postgres-1}" "$@"
}

run_psql() {
    in_container psql --username="${POSTGRES_USER:-postgres}" --dbname="${POSTGRES_DB:-pulse}" \
        --no-psqlrc --quiet --set=ON_ERROR_STOP=1 "$@" </dev/null
}

# The container does not see the checkout: script and files travel together,
# so errors name them as at home.
run_script() {
    local script code=0
    script=$(mktemp -d)
    cat >"$script/apply.sql"
    # shellcheck disable=SC2016 # for the container's shell
    tar -cf - "$@" -C "$script" apply.sql | in_container sh -c '
        dir=$(mktemp -d) || exit
        trap "rm -rf $dir" EXIT
        cd "$dir" && tar -xf - &&
        psql --username="$1" --dbname="$2" --no-psqlrc --quiet --set=ON_ERROR_STOP=1 --file=apply.sql
        ' migrate "${POSTGRES_USER:-postgres}" "${POSTGRES_DB:-pulse}" || code=$?
    rm -rf "$script"
    return "$code"
}

migrate_options "$@"
command -v docker >/dev/null || die "docker is not installed" 2
migrate "$@"
