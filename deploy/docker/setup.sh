#!/usr/bin/env bash
# Once per start of the compose file, before the services: migrations, the
# logins' passwords, topics. Safe to run again.
#   POSTGRES_URL         superuser of the database
#   PULSE_DB_PASSWORD    password given to the service logins
#   PULSE_KAFKA_BROKERS  for the topics
set -euo pipefail
: "${POSTGRES_URL:?}" "${PULSE_DB_PASSWORD:?}" "${PULSE_KAFKA_BROKERS:?}"
cd "$(dirname "$0")"

for _ in $(seq 60); do
    ./migrate.sh --test >/dev/null 2>&1 && break
    sleep 1
done
./migrate.sh

for role in ingest writer evaluator collector api admin; do
    psql "$POSTGRES_URL" -XqAt -v ON_ERROR_STOP=1 -v role="pulse_$role" \
        -v password="$PULSE_DB_PASSWORD" <<'SQL'
ALTER ROLE :"role" PASSWORD :'password';
SQL
done

for _ in $(seq 60); do
    pulse topics apply && exit 0
    sleep 1
done
echo "setup: Kafka at $PULSE_KAFKA_BROKERS did not answer for a minute" >&2
exit 1
