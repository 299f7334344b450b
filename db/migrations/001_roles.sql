-- SPDX-License-Identifier: Apache-2.0
-- Roles, extension, schema. The only migration that needs a superuser; all
-- others work as pulse_owner. Roles belong to the whole server: they may exist
-- already when a second database is migrated.

CREATE EXTENSION IF NOT EXISTS timescaledb;

DO $$
DECLARE
    wanted record;
BEGIN
    FOR wanted IN
        SELECT * FROM (VALUES
            ('pulse_owner', true, 'Pulse: owns every table, view and function; no service logs in as it. LOGIN because TimescaleDB runs policies only for an owner that may log in'),
            ('pulse_ingest', true, 'Pulse: service ingest; keys and limits'),
            ('pulse_writer', true, 'Pulse: service writer; adds readings, moves offsets'),
            ('pulse_evaluator', true, 'Pulse: service evaluator; rules, incidents, outbox'),
            ('pulse_collector', true, 'Pulse: service collector; system_metrics, maintenance'),
            ('pulse_api', true, 'Pulse: service api; one tenant at a time, the one of the setting app.tenant_id'),
            ('pulse_admin', true, 'Pulse: the command pulse; manages tenants, keys, rules, channels, devices, dead letters'),
            ('pulse_app', false, 'Pulse: group of all who read one tenant through the views'),
            ('pulse_operator', false, 'Pulse: group of operators; reads everything but secrets')
        ) AS r (name, login, what)
    LOOP
        IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = wanted.name) THEN
            EXECUTE format('CREATE ROLE %I %s', wanted.name,
                           CASE WHEN wanted.login THEN 'LOGIN' ELSE 'NOLOGIN' END);
        END IF;
        EXECUTE format('COMMENT ON ROLE %I IS %L', wanted.name, wanted.what);
    END LOOP;

    -- Temporary objects are for the writer's staging table, not for tenants.
    EXECUTE format('REVOKE TEMPORARY ON DATABASE %I FROM PUBLIC', current_database());
    EXECUTE format('GRANT TEMPORARY ON DATABASE %I TO pulse_writer', current_database());
END
$$;

GRANT pulse_app TO pulse_api;
GRANT pulse_operator TO pulse_admin;
GRANT pg_monitor TO pulse_collector;
GRANT pg_read_all_stats TO pulse_operator;

CREATE SCHEMA store AUTHORIZATION pulse_owner;
COMMENT ON SCHEMA store IS
    'Pulse: hypertables and what belongs to the pipeline; tenants read it only through the views in public';
GRANT CREATE ON SCHEMA public TO pulse_owner;

SET ROLE pulse_owner;
-- Every function says who may call it.
ALTER DEFAULT PRIVILEGES REVOKE EXECUTE ON FUNCTIONS FROM PUBLIC;
RESET ROLE;
