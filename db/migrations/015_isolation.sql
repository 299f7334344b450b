-- SPDX-License-Identifier: Apache-2.0
-- What a tenant's own SQL login could learn of others by EXPLAIN, closed; and
-- how it could have stopped what leads by an advisory lock.
--
-- 1. A join lets the planner read the samples first; the reader's condition on
--    value is leakproof, goes below the barrier, and EXPLAIN ANALYZE counts the
--    rows of any series that meet it. So samples stand in a LATERAL subquery,
--    which ORDER BY (the order of its index, so free) keeps from being joined:
--    only the tenant's series are ever looked up.
-- 2. EXPLAIN ANALYZE says whether current_tenant() was asked at all: only if
--    some row met the reader's condition before. (tenant_id, true) = (SELECT
--    …, true) makes it a condition on nothing else, asked first and once;
--    tenant_id = … stays a condition for the index.
-- 3. The planner's estimates are made from samples of everybody's values. So
--    the columns that hold tenants' values have no statistics; every plan goes
--    by the tenant's index anyway.
SET ROLE pulse_owner;

CREATE OR REPLACE VIEW public.series WITH (security_barrier) AS
    SELECT series_id, tenant_id, name, host, labels, created_at
    FROM store.series
    WHERE (tenant_id, true) = (SELECT store.current_tenant(), true);

CREATE OR REPLACE VIEW public.metrics WITH (security_barrier) AS
    SELECT p.time, s.tenant_id, s.series_id, s.name, s.name AS metric_name, s.host, s.labels, p.value
    FROM store.series s
    CROSS JOIN LATERAL (
        SELECT time, value FROM store.samples
        WHERE series_id = s.series_id ORDER BY time DESC
    ) p
    WHERE (s.tenant_id, true) = (SELECT store.current_tenant(), true);

CREATE OR REPLACE VIEW public.metrics_latest WITH (security_barrier) AS
    SELECT p.time, s.tenant_id, s.series_id, s.name, s.name AS metric_name, s.host, s.labels, p.value
    FROM store.series s
    CROSS JOIN LATERAL (
        SELECT time, value FROM store.samples
        WHERE series_id = s.series_id ORDER BY time DESC LIMIT 1
    ) p
    WHERE (s.tenant_id, true) = (SELECT store.current_tenant(), true);

CREATE OR REPLACE VIEW public.telemetry WITH (security_barrier) AS
    SELECT time, tenant_id, device_id, site_id, msg_type, seq, metrics
    FROM store.telemetry
    WHERE (tenant_id, true) = (SELECT store.current_tenant(), true);

-- topic || '': the index on topic is the operators'; in a tenant's plan it
-- would count everybody's events of a topic.
CREATE OR REPLACE VIEW public.raw_events WITH (security_barrier) AS
    SELECT id, tenant_id, topic || '' AS topic, part, off, data, time, created_at
    FROM store.raw_events
    WHERE (tenant_id, true) = (SELECT store.current_tenant(), true);

-- The rollups' views (012) are like this already.

ALTER TABLE store.series ALTER tenant_id SET STATISTICS 0, ALTER name SET STATISTICS 0,
    ALTER host SET STATISTICS 0, ALTER labels SET STATISTICS 0;
ALTER TABLE store.samples ALTER value SET STATISTICS 0;
ALTER TABLE store.telemetry ALTER tenant_id SET STATISTICS 0, ALTER device_id SET STATISTICS 0,
    ALTER site_id SET STATISTICS 0, ALTER msg_type SET STATISTICS 0, ALTER seq SET STATISTICS 0,
    ALTER metrics SET STATISTICS 0;
ALTER TABLE store.raw_events ALTER tenant_id SET STATISTICS 0, ALTER id SET STATISTICS 0,
    ALTER topic SET STATISTICS 0, ALTER part SET STATISTICS 0, ALTER off SET STATISTICS 0,
    ALTER data SET STATISTICS 0;

RESET ROLE;

-- What was gathered before: only a superuser may take it away; else it goes
-- with its chunk.
DO $$
BEGIN
    IF current_setting('is_superuser')::boolean THEN
        DELETE FROM pg_statistic s USING pg_attribute a, pg_class c
        WHERE a.attrelid = s.starelid AND a.attnum = s.staattnum AND a.attstattarget = 0
          AND c.oid = s.starelid AND c.relowner = 'pulse_owner'::regrole;
    END IF;
END
$$;

-- Advisory locks say which collector leads and which db/migrate.sh runs: they
-- are for those who need them. Only a superuser may take them from the others.
DO $$
DECLARE
    f regprocedure;
    owner text;
BEGIN
    SELECT pg_get_userbyid(d.datdba) INTO owner FROM pg_database d WHERE d.datname = current_database();
    IF current_setting('is_superuser')::boolean THEN
        FOR f IN
            SELECT p.oid FROM pg_proc p
            WHERE p.pronamespace = 'pg_catalog'::regnamespace AND p.proname ~ '^pg_(try_)?advisory_'
        LOOP
            EXECUTE format('REVOKE EXECUTE ON FUNCTION %s FROM PUBLIC', f);
            EXECUTE format('GRANT EXECUTE ON FUNCTION %s TO pulse_owner, pulse_collector, %I', f, owner);
        END LOOP;
    END IF;
END
$$;
