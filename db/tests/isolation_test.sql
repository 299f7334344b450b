-- SPDX-License-Identifier: Apache-2.0
-- A tenant sees its own rows and nothing else, whatever it tries.
BEGIN;
SELECT no_plan();
SELECT tests.two_tenants();
CREATE ROLE grafana_b LOGIN IN ROLE pulse_app;
CREATE ROLE stranger LOGIN IN ROLE pulse_app;
INSERT INTO store.tenant_logins VALUES ('grafana_b', 'b');
-- Rows of an empty tenant would belong to every session without one.
INSERT INTO store.telemetry (time, tenant_id, device_id) VALUES (now(), '', 'd1');

-- The views, for the api: rows of the tenant that is set.
SELECT is(tests.answer('pulse_api', 'a', format('SELECT string_agg(DISTINCT tenant_id, '','') || count(*) FROM %s', view)),
          'a' || n, view || ': the tenant''s rows')
FROM (VALUES ('series', 1), ('metrics', 3), ('metrics_latest', 1), ('telemetry', 1), ('raw_events', 1)) v (view, n);
SELECT is(tests.answer('pulse_api', tenant, format('SELECT count(*) FROM %s', view)),
          '0', format('%s: nothing for tenant %s', view, coalesce(quote_literal(tenant), 'not set')))
FROM unnest(ARRAY['series', 'metrics', 'metrics_latest', 'telemetry', 'raw_events']) view,
     unnest(ARRAY[NULL, '', 'c', 'A', 'a ', '%']) tenant;
SELECT is(tests.answer('pulse_api', 'a', format('SELECT count(*) FROM %s WHERE tenant_id = ''b''', view)),
          '0', view || ': not another tenant''s by name')
FROM unnest(ARRAY['series', 'metrics', 'metrics_latest', 'telemetry', 'raw_events']) view;
SELECT is(tests.answer('pulse_api', 'a', 'SELECT value FROM metrics_latest'), '1', 'metrics_latest is the newest sample');
SELECT is(tests.answer('pulse_api', 'a', 'SELECT host FROM metrics_latest'), 'd1', 'host is the device where there is no host');

-- A condition of the reader must not see another tenant's row, however cheap
-- the planner thinks it is. (An index on the tenant would hide the hole.)
SET enable_indexscan = off;
SET enable_bitmapscan = off;
CREATE FUNCTION public.peek(tenant text) RETURNS boolean LANGUAGE plpgsql COST 0.0000001 AS $$
BEGIN
    IF tenant = 'b' THEN
        RAISE 'saw b' USING ERRCODE = 'PEEK1';
    END IF;
    RETURN true;
END
$$;
SELECT is(tests.answer('pulse_api', 'a', format('SELECT count(*) > 0 FROM %s WHERE peek(tenant_id)', rel)), 'true', rel || ' hides rows from conditions')
FROM unnest(ARRAY['series', 'metrics', 'metrics_latest', 'telemetry', 'raw_events', 'incidents', 'alert_rules']) rel;
SELECT is(tests.answer('pulse_api', 'b', 'SELECT count(*) FROM telemetry WHERE peek(tenant_id)'), 'PEEK1', '(the probe does see rows it may see)');
RESET enable_indexscan;
RESET enable_bitmapscan;

-- A tenant's own SQL login: its tenant, whatever it sets.
SELECT is(tests.answer('grafana_b', tenant, 'SELECT string_agg(DISTINCT tenant_id, '','') FROM metrics'),
          'b', format('grafana_b with app.tenant_id %s sees b', coalesce(quote_literal(tenant), 'not set')))
FROM unnest(ARRAY[NULL, '', 'a', 'b']) tenant;
SELECT is(tests.answer('grafana_b', 'a', 'SET ROLE pulse_api'), '42501', 'a tenant''s login cannot become pulse_api');
SELECT is(tests.answer('stranger', 'a', 'SELECT count(*) FROM metrics'), '0', 'a login of no tenant sees nothing');
SELECT is(tests.answer('pulse_writer', 'a', 'SELECT count(*) FROM metrics'), '42501', 'the writer does not read views');
SELECT is(tests.touched('grafana_b', 'a', format('CREATE %s', what)), '42501', 'a tenant''s login makes no ' || what)
FROM unnest(ARRAY['TABLE public.x (a int)', 'TEMP TABLE x (a int)', 'SCHEMA x',
                  'FUNCTION public.f() RETURNS int LANGUAGE sql AS ''SELECT 1''']) what;

-- The store and its chunks are closed.
SELECT is(tests.answer(login, 'a', format('SELECT count(*) FROM %s', rel)), '42501', format('%s cannot read %s', login, rel))
FROM unnest(ARRAY['pulse_api', 'grafana_b', 'pulse_ingest']) login,
     (SELECT 'store.' || relname FROM pg_class WHERE relnamespace = 'store'::regnamespace AND relkind IN ('r', 'v')
      UNION ALL SELECT show_chunks('store.samples')::text
      UNION ALL SELECT show_chunks('store.telemetry')::text
      UNION ALL SELECT show_chunks('store.raw_events')::text) r (rel);
SELECT cmp_ok((SELECT count(*) FROM show_chunks('store.samples')), '>=', 1::bigint, '(there was a chunk to try)');
SELECT is(tests.touched(login, 'a', format('INSERT INTO %s DEFAULT VALUES', rel)), '42501', format('%s cannot write %s', login, rel))
FROM unnest(ARRAY['pulse_api', 'grafana_b']) login,
     unnest(ARRAY['series', 'telemetry', 'metrics', 'raw_events', 'system_metrics']) rel
WHERE (login, rel) NOT IN (('pulse_api', 'telemetry'), ('pulse_api', 'metrics')); -- see backfill_test

-- Ordinary tables, for the api.
SELECT is(tests.answer('pulse_api', 'a', format('SELECT string_agg(tenant_id, '','') FROM %s', rel)),
          'a', rel || ': the api sees its tenant''s row')
FROM unnest(ARRAY['tenants', 'api_keys', 'devices', 'metric_definitions', 'alert_rules', 'notification_channels',
                  'incidents', 'incident_events', 'alert_notifications', 'notification_attempts', 'metrics_agg',
                  'dead_letters']) rel;
SELECT is(tests.answer('pulse_api', tenant, format('SELECT count(tenant_id) FROM %s', rel)), '0',
          format('%s: nothing for tenant %s', rel, coalesce(quote_literal(tenant), 'not set')))
FROM unnest(ARRAY['tenants', 'api_keys', 'devices', 'metric_definitions', 'alert_rules', 'notification_channels',
                  'incidents', 'incident_events', 'alert_notifications', 'notification_attempts', 'metrics_agg',
                  'dead_letters']) rel,
     unnest(ARRAY[NULL, '']) tenant;
SELECT is(tests.answer('grafana_b', 'b', format('SELECT count(*) FROM %s', rel)), '42501', 'a tenant''s login cannot read ' || rel)
FROM unnest(ARRAY['tenants', 'api_keys', 'alert_rules', 'notification_channels', 'incidents', 'dead_letters']) rel;

-- It cannot touch or make another tenant's rows.
SELECT is(tests.touched('pulse_api', 'a', statement), outcome, statement)
FROM (VALUES
    ('UPDATE alert_rules SET threshold = 1 WHERE tenant_id = ''b''', '0'),
    ('UPDATE alert_rules SET threshold = 1', '1'),
    ('UPDATE alert_rules SET tenant_id = ''b''', '42501'),
    ('DELETE FROM devices WHERE tenant_id = ''b''', '0'),
    ('UPDATE incidents SET status = ''closed'' WHERE tenant_id = ''b''', '0'),
    ('UPDATE dead_letters SET status = ''dropped''', '1'),
    ('INSERT INTO devices (tenant_id, device_id) VALUES (''b'', ''x'')', '42501'),
    ('INSERT INTO devices (tenant_id, device_id) VALUES (''a'', ''x'')', '1'),
    ('INSERT INTO alert_rules (tenant_id, name, metric_type, threshold) VALUES (''b'', ''x'', ''y'', 1)', '42501'),
    ('INSERT INTO api_keys (key_id, tenant_id, scopes, secret_hash) VALUES (''forged'', ''b'', ''{admin}'', sha256(''''))', '42501'),
    ('INSERT INTO incidents (tenant_id, title, severity, source, started_at) VALUES (''a'', ''x'', ''low'', ''hand'', now())', '42501'),
    ('INSERT INTO alert_notifications (tenant_id, channel, kind) VALUES (''a'', ''pager'', ''test'')', '1'),
    ('INSERT INTO alert_notifications (tenant_id, channel, kind) VALUES (''a'', ''pager'', ''summary'')', '42501'),
    ('INSERT INTO alert_notifications (tenant_id, channel, kind) VALUES (''b'', ''pager'', ''test'')', '42501')
) t (statement, outcome);
-- Foreign keys do not look through row security: the tenant is part of them.
SELECT is(tests.touched('pulse_api', 'a', format(
        'INSERT INTO incident_events (incident_id, tenant_id, transition, actor, event_time) VALUES (%L, ''a'', ''commented'', ''x'', now())', id)),
    CASE tenant_id WHEN 'a' THEN '1' ELSE '23503' END, 'a comment on the incident of ' || tenant_id)
FROM incidents;

-- Secrets go in, never out.
SELECT is(tests.answer(login, 'a', query), '42501', format('%s: %s', login, query))
FROM unnest(ARRAY['pulse_api', 'pulse_admin']) login,
     unnest(ARRAY['SELECT secret_hash FROM api_keys', 'SELECT secrets FROM notification_channels']) query;
SELECT is(tests.answer('pulse_api', NULL, 'SELECT tenant_id || device_id IS NULL FROM api_key_find(''keyb'')'), 'true',
          'one key is found by its id, before the tenant is known');
UPDATE api_keys SET revoked_at = now() WHERE key_id = 'keyb';
SELECT is(tests.answer('pulse_api', NULL, 'SELECT count(*) FROM api_key_find(''keyb'')'), '0', 'a revoked key is not');

-- Those who serve all tenants see all.
SELECT is(tests.answer(login, NULL, format('SELECT string_agg(DISTINCT tenant_id, '','' ORDER BY tenant_id) FROM %s WHERE tenant_id <> ''''', rel)),
          'a,b' || CASE rel WHEN 'tenants' THEN ',pulse' ELSE '' END, format('%s sees all of %s', login, rel))
FROM (VALUES ('pulse_ingest', 'tenants'), ('pulse_ingest', 'api_keys'), ('pulse_evaluator', 'alert_rules'),
             ('pulse_evaluator', 'notification_channels'), ('pulse_evaluator', 'incidents'),
             ('pulse_admin', 'tenants'), ('pulse_admin', 'api_keys'), ('pulse_admin', 'dead_letters'),
             ('pulse_admin', 'incidents'), ('pulse_admin', 'store.telemetry'), ('pulse_admin', 'store.series')) t (login, rel);
SELECT is(tests.touched('pulse_admin', NULL, statement), '1', 'pulse_admin: ' || statement)
FROM unnest(ARRAY[
    'INSERT INTO tenants (tenant_id, name) VALUES (''demo'', ''Demo'') ON CONFLICT (tenant_id) DO NOTHING',
    'UPDATE tenants SET limits = ''{"series": 5}'' WHERE tenant_id = ''demo''',
    'INSERT INTO api_keys (key_id, tenant_id, scopes, secret_hash) VALUES (''demo1'', ''demo'', ''{write,read}'', sha256('''')) ON CONFLICT DO NOTHING',
    'UPDATE api_keys SET revoked_at = now() WHERE key_id = ''demo1''',
    'INSERT INTO notification_channels (tenant_id, name, kind, url, secrets) VALUES (''demo'', ''c'', ''webhook'', ''http://127.0.0.1:8090/'', ''{s}'') ON CONFLICT (tenant_id, name) DO UPDATE SET url = excluded.url, secrets = ''{s}''',
    'INSERT INTO alert_rules (tenant_id, name, metric_type, threshold) VALUES (''demo'', ''r'', ''m'', 1) ON CONFLICT (tenant_id, name) DO NOTHING',
    'DELETE FROM dead_letters WHERE tenant_id IS NULL']) statement;
SELECT is(tests.touched('pulse_ingest', NULL, statement), outcome, 'pulse_ingest: ' || statement)
FROM (VALUES ('UPDATE api_keys SET last_used_at = now() WHERE key_id = ''keya''', '1'),
             ('UPDATE api_keys SET revoked_at = NULL', '42501'),
             ('UPDATE tenants SET limits = ''{}''', '42501')) t (statement, outcome);

-- The tenant of a pooled connection ends with its transaction, also after an
-- error. (Another session: it sees the committed tenant pulse only.)
CREATE FUNCTION pg_temp.pooled() RETURNS text LANGUAGE sql AS $$
    SELECT names FROM dblink('pooled', 'SELECT coalesce(string_agg(tenant_id, '',''), ''none'') FROM tenants') d (names text)
$$;
CREATE FUNCTION pg_temp.pooled_begin() RETURNS text LANGUAGE sql AS $$
    SELECT dblink_exec('pooled', 'BEGIN');
    SELECT t FROM dblink('pooled', 'SELECT set_config(''app.tenant_id'', ''pulse'', true)') d (t text)
$$;
SELECT dblink_connect('pooled', tests.here('pulse_api'));
SELECT is(pg_temp.pooled(), 'none', 'pooled connection: nothing before a tenant is set');
SELECT pg_temp.pooled_begin();
SELECT is(pg_temp.pooled(), 'pulse', 'pooled connection: the tenant inside its transaction');
SELECT dblink_exec('pooled', 'COMMIT');
SELECT is(pg_temp.pooled(), 'none', 'pooled connection: nothing after COMMIT');
SELECT pg_temp.pooled_begin();
SELECT is(dblink_exec('pooled', 'DO $d$ BEGIN PERFORM 1 / 0; END $d$', false), 'ERROR', '(an error)');
SELECT dblink_exec('pooled', 'ROLLBACK');
SELECT is(pg_temp.pooled(), 'none', 'pooled connection: nothing after an error');
SELECT dblink_disconnect('pooled');

SELECT * FROM finish();
ROLLBACK;
