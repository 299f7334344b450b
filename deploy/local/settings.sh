# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=bash disable=SC2034 # those who source it use them
# settings.sh - sourced: where everything of `make up` is. The ports are the
# programs' own; any PULSE_*_PORT may be given to `make up`, which keeps what it was
# given in local.env, so that later calls find the same places.

local_here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
checkout=${local_here%/deploy/local}
secrets=$PULSE_STATE/secrets
logs=$PULSE_STATE/logs
# shellcheck source=/dev/null
[[ ! -f $PULSE_STATE/local.env ]] || source "$PULSE_STATE/local.env"

: "${PULSE_INGEST_PORT:=8080}" "${PULSE_API_PORT:=8000}"
: "${PULSE_WEBHOOK_PORT:=8090}" "${PULSE_POSTGRES_PORT:=5432}"
: "${PULSE_KAFKA_PORT:=9092}" "${PULSE_KAFKA_CONTROLLER_PORT:=9093}"
: "${PULSE_INGEST_ADMIN_PORT:=9101}" "${PULSE_WRITER_ADMIN_PORT:=9102}"
: "${PULSE_EVALUATOR_ADMIN_PORT:=9103}" "${PULSE_COLLECTOR_ADMIN_PORT:=9104}"
: "${PULSE_API_ADMIN_PORT:=9105}"
services=(ingest writer evaluator collector api)
ports=(
    PULSE_INGEST_PORT PULSE_API_PORT PULSE_WEBHOOK_PORT PULSE_POSTGRES_PORT
    PULSE_KAFKA_PORT PULSE_KAFKA_CONTROLLER_PORT PULSE_INGEST_ADMIN_PORT
    PULSE_WRITER_ADMIN_PORT PULSE_EVALUATOR_ADMIN_PORT
    PULSE_COLLECTOR_ADMIN_PORT PULSE_API_ADMIN_PORT
)

# What the services and the command read.
export PULSE_KAFKA_BROKERS=127.0.0.1:$PULSE_KAFKA_PORT
export PULSE_INGEST_LISTEN=127.0.0.1:$PULSE_INGEST_PORT
export PULSE_INGEST_SNAPSHOT=$PULSE_STATE/ingest-keys
export PULSE_API_LISTEN=127.0.0.1:$PULSE_API_PORT
PULSE_TARGETS=
for local_name in "${services[@]}"; do
    local_var=PULSE_${local_name^^}_ADMIN_PORT
    export "PULSE_${local_name^^}_ADMIN_LISTEN=127.0.0.1:${!local_var}"
    PULSE_TARGETS+=${PULSE_TARGETS:+,}$local_name=127.0.0.1:${!local_var}
done
export PULSE_TARGETS
# Anybody on this machine may read the demo's tenant without a key.
export PULSE_API_ANONYMOUS_TENANT=${PULSE_API_ANONYMOUS_TENANT-demo}
# The receiver of webhooks is on loopback, which is refused elsewhere.
export PULSE_WEBHOOK_ALLOW=${PULSE_WEBHOOK_ALLOW-127.0.0.0/8}
# For pulse-sim.
export PULSE_URL=http://127.0.0.1:$PULSE_INGEST_PORT

# database_url ROLE - a service's login.
database_url() {
    printf 'postgresql://pulse_%s:%s@127.0.0.1:%s/pulse' \
        "$1" "$(<"$secrets/database")" "$PULSE_POSTGRES_PORT"
}
