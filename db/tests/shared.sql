-- SPDX-License-Identifier: Apache-2.0
-- What the tests share, in schema tests of the migrated database; on both
-- editions, so without pgTAP.

-- Runs a query as a login would, with app.tenant_id set (NULL: not set), and
-- returns the first column of its first row, or the SQLSTATE it failed with.
-- session_user is the login: that is what store.current_tenant() asks.
CREATE FUNCTION tests.answer(login text, tenant text, query text) RETURNS text
LANGUAGE plpgsql AS $$
DECLARE
    me constant text := session_user; -- PGlite cannot RESET to it
    result text;
BEGIN
    PERFORM set_config('app.tenant_id', tenant, true);
    EXECUTE format('SET LOCAL SESSION AUTHORIZATION %I', login);
    EXECUTE query INTO result;
    EXECUTE format('SET LOCAL SESSION AUTHORIZATION %I', me);
    PERFORM set_config('app.tenant_id', '', true);
    RETURN result;
EXCEPTION WHEN OTHERS THEN
    RETURN SQLSTATE;
END
$$;

-- The same for a statement that returns no rows: how many it touched.
CREATE FUNCTION tests.touched(login text, tenant text, statement text) RETURNS text
LANGUAGE plpgsql AS $$
DECLARE
    me constant text := session_user;
    n bigint;
BEGIN
    PERFORM set_config('app.tenant_id', tenant, true);
    EXECUTE format('SET LOCAL SESSION AUTHORIZATION %I', login);
    EXECUTE statement;
    GET DIAGNOSTICS n = ROW_COUNT;
    EXECUTE format('SET LOCAL SESSION AUTHORIZATION %I', me);
    PERFORM set_config('app.tenant_id', '', true);
    RETURN n;
EXCEPTION WHEN OTHERS THEN
    RETURN SQLSTATE;
END
$$;

-- Where a second session reaches this database.
CREATE FUNCTION tests.here(login text) RETURNS text LANGUAGE sql AS $$
    SELECT format('host=%s port=%s dbname=%s user=%s', current_setting('unix_socket_directories'),
                  current_setting('port'), current_database(), login)
$$;

-- Two tenants with a series and three samples each, the same device and rule.
CREATE FUNCTION tests.two_tenants() RETURNS void LANGUAGE plpgsql AS $$
DECLARE
    t text;
    id bigint;
    rule uuid;
    incident uuid;
    note uuid;
BEGIN
    FOREACH t IN ARRAY ARRAY['a', 'b'] LOOP
        INSERT INTO tenants (tenant_id, name) VALUES (t, 'Tenant ' || t);
        INSERT INTO api_keys (key_id, tenant_id, scopes, secret_hash)
            VALUES ('key' || t, t, '{write}', sha256(t::bytea));
        INSERT INTO devices (tenant_id, device_id) VALUES (t, 'd1');
        INSERT INTO metric_definitions (tenant_id, name) VALUES (t, 'temp');
        INSERT INTO notification_channels (tenant_id, name, kind, url, secrets)
            VALUES (t, 'pager', 'webhook', 'https://example.org/', ARRAY['whsec_' || t]);
        INSERT INTO alert_rules (tenant_id, name, metric_type, threshold)
            VALUES (t, 'hot', 'temp', 40) RETURNING alert_rules.id INTO rule;
        INSERT INTO incidents (tenant_id, title, severity, source, rule_id, rule_version, fingerprint, started_at)
            VALUES (t, 'hot', 'high', 'threshold', rule, 1, 'f', now()) RETURNING incidents.id INTO incident;
        INSERT INTO incident_events (incident_id, tenant_id, transition, actor, event_time)
            VALUES (incident, t, 'opened', 'evaluator', now());
        INSERT INTO alert_notifications (tenant_id, incident_id, rule_id, channel, kind)
            VALUES (t, incident, rule, 'pager', 'firing') RETURNING alert_notifications.id INTO note;
        INSERT INTO notification_attempts (notification_id, attempt, tenant_id, started_at)
            VALUES (note, 1, t, now());
        INSERT INTO metrics_agg (tenant_id, window_key, metric_type, window_start, window_end)
            VALUES (t, 'w', 'temp', now() - interval '1 minute', now());
        INSERT INTO dead_letters (tenant_id, stage, reason, payload, failed_at)
            VALUES (t, 'ingest', 'invalid_value', '\x00', now());
        SELECT series_id INTO id FROM store.series_ids(ARRAY[t], ARRAY['temp'],
            ARRAY[jsonb_build_object('device_id', 'd1')]);
        INSERT INTO store.samples
            SELECT now() - g * interval '1 minute', id, CASE t WHEN 'a' THEN g ELSE 42 END
            FROM generate_series(1, 3) g;
        INSERT INTO store.telemetry (time, tenant_id, device_id, metrics) VALUES (now(), t, 'd1', '{"temp": 1}');
        INSERT INTO store.raw_events (id, tenant_id, topic, part, off, data, time)
            VALUES ('e1', t, 'pulse.events', 0, 0, '{"level": "error"}', now());
    END LOOP;
    INSERT INTO dead_letters (tenant_id, stage, reason, payload, failed_at)
        VALUES (NULL, 'writer', 'undecodable', '\x00', now());
END
$$;

-- Random samples of tenant a, seeded by the caller, stored as the writer does:
-- repeats left out, late ones marked. Whole values, so that sums are exact.
CREATE FUNCTION tests.write_samples(n int, oldest interval) RETURNS void LANGUAGE plpgsql AS $$
DECLARE
    ids bigint[];
    upto timestamptz;
    late_series bigint[];
    late_times timestamptz[];
BEGIN
    SELECT array_agg(series_id ORDER BY ord) INTO ids FROM store.series_ids(
        array_fill('a'::text, ARRAY[7]), ARRAY['cpu', 'cpu', 'cpu', 'mem', 'mem', 'disk', 'net'],
        ARRAY['{"host": "h1"}', '{"host": "h2"}', '{}', '{"host": "h1"}', '{"host": "h2"}', '{}', '{}']::jsonb[]);
    CREATE TEMP TABLE IF NOT EXISTS wrote (series_id bigint, time timestamptz);
    TRUNCATE wrote;
    -- Most are of the last minutes; whole seconds, so that some are repeats.
    WITH added AS (
        INSERT INTO store.samples (time, series_id, value)
        SELECT date_trunc('second', clock_timestamp() - oldest * power(random(), 6)),
               ids[1 + floor(random() * 7)::int], floor(random() * 1000 - 500)
        FROM generate_series(1, n)
        ON CONFLICT DO NOTHING RETURNING series_id, time
    )
    INSERT INTO wrote SELECT series_id, time FROM added;
    upto := store.rollup_enter();
    SELECT array_agg(w.series_id), array_agg(w.time) INTO late_series, late_times FROM wrote w WHERE w.time < upto;
    PERFORM store.rollup_mark(late_series, late_times);
END
$$;

-- What tenant a's rollups say otherwise than the samples do: no rows is right.
CREATE FUNCTION tests.rollups_wrong() RETURNS TABLE (view_name text, bucket timestamptz, series text, said text)
LANGUAGE plpgsql AS $$
DECLARE
    v record;
BEGIN
    PERFORM set_config('app.tenant_id', 'a', true);
    FOR v IN SELECT * FROM (VALUES ('metrics_1min', 'minute'), ('metrics_1hour', 'hour'), ('metrics_daily', 'day')) v (name, unit) LOOP
        RETURN QUERY EXECUTE format($q$
            WITH told AS (
                SELECT bucket, tenant_id, series_id, name, metric_name, host, labels, count, sum, avg, min, max, first, last FROM public.%1$I
            ), truth AS (
                SELECT date_trunc(%2$L, p.time, 'UTC') AS bucket, s.tenant_id, s.series_id, s.name, s.name AS metric_name, s.host, s.labels,
                       count(*) AS count, sum(p.value) AS sum, sum(p.value) / count(*) AS avg, min(p.value), max(p.value),
                       (array_agg(p.value ORDER BY p.time))[1] AS first, (array_agg(p.value ORDER BY p.time DESC))[1] AS last
                FROM store.samples p JOIN store.series s USING (series_id) WHERE s.tenant_id = 'a' GROUP BY 1, s.series_id
            )
            (SELECT %1$L, t.bucket, t.series_id::text, 'wrong or too much: ' || t::text FROM (TABLE told EXCEPT ALL TABLE truth) t)
            UNION ALL
            (SELECT %1$L, t.bucket, t.series_id::text, 'missing: ' || t::text FROM (TABLE truth EXCEPT ALL TABLE told) t)
            $q$, v.name, v.unit);
    END LOOP;
    RETURN QUERY
        WITH told AS (
            SELECT h.bucket, h.tenant_id, h.name, h.count, h.avg, h.min, h.max, h.sum FROM public.metrics_hourly h
        ), truth AS (
            SELECT date_trunc('hour', p.time, 'UTC'), s.tenant_id, s.name, count(*), sum(p.value) / count(*), min(p.value), max(p.value), sum(p.value)
            FROM store.samples p JOIN store.series s USING (series_id) WHERE s.tenant_id = 'a' GROUP BY 1, 2, 3
        )
        (SELECT 'metrics_hourly', t.bucket, t.name, 'wrong or too much: ' || t::text FROM (TABLE told EXCEPT ALL TABLE truth) t)
        UNION ALL
        (SELECT 'metrics_hourly', t.bucket, t.name, 'missing: ' || t::text FROM (TABLE truth EXCEPT ALL TABLE told) t (bucket, tenant_id, name, count, avg, min, max, sum));
    PERFORM set_config('app.tenant_id', '', true);
END
$$;
