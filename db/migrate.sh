#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# migrate.sh - brings a database to the schema of this checkout.
set -euo pipefail
export LC_ALL=C

usage() {
    cat <<'EOF'
usage: POSTGRES_URL=postgresql://user@host:port/database db/migrate.sh
           [--with-sample | --test | --status | --help]

Applies db/migrations/*.sql that the database does not have yet, in alphabetical
order, each in one transaction: one that fails leaves nothing. What was applied
stands in public.schema_migrations with its SHA-256; an applied file that was
changed since is an error. Two runs at once are safe: the second waits.

  (nothing)       apply what is pending
  --with-sample   apply what is pending and what is optional: 900_sample_data,
                  a tenant "sample" with devices, rules, hours of readings
  --test          connect, and say what is there
  --status        list the migrations: applied, pending, optional, changed, or
                  missing here
  --help          this

The user is a superuser (001 makes roles and the extension timescaledb), or an
owner of the database who may SET ROLE pulse_owner where 001 was applied before.

  POSTGRES_URL           where the database is (needed)
  PULSE_CHUNK_INTERVAL   length of a chunk of samples and telemetry when they
                         are made: an interval, 1 day by default

Exit status: 0 done; 1 failed, changed or not reachable; 2 used wrongly.
For the PostgreSQL of a container there is migrate-docker.sh.
EOF
}

cd "$(dirname "$(readlink -f "$0")")"
# shellcheck source=db/lib/connect.sh
source lib/connect.sh
# shellcheck source=db/lib/migrations.sh
source lib/migrations.sh

run_psql() {
    psql --dbname="$target" --no-psqlrc --quiet --set=ON_ERROR_STOP=1 "$@"
}
run_script() { run_psql --file=-; }

migrate_options "$@"
[[ -n ${POSTGRES_URL:-} ]] || die "POSTGRES_URL is not set (see --help)" 2
command -v psql >/dev/null || die "psql is not installed" 2
connection "$POSTGRES_URL"
migrate "$@"
