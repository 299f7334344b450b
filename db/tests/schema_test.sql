-- SPDX-License-Identifier: Apache-2.0
-- Every table and view, column by column: services are written against this.
BEGIN;
SELECT no_plan();

-- name type, with ? where NULL may be, = where there is a default.
CREATE TEMP TABLE wanted (relation text, columns text);
INSERT INTO wanted VALUES
    ('store.series', 'series_id bigint=, tenant_id text, name text, labels jsonb=, host text?=, key bytea, created_at ts='),
    ('store.series_counts', 'tenant_id text, series bigint='),
    ('store.samples', 'time ts, series_id bigint, value float8'),
    ('store.telemetry', 'time ts, tenant_id text, device_id text, site_id text?, msg_type text=, seq bigint=, metrics jsonb='),
    ('store.raw_events', 'id text, tenant_id text, topic text, part integer, off bigint, data jsonb, time ts, created_at ts='),
    ('store.consumer_offset', 'consumer text, topic text, part integer, topic_id text, first_off bigint, next_off bigint, replay_from bigint, epoch bigint=, owner text=, backend_pid integer?, backend_start ts?'),
    ('store.offset_gaps', 'id bigint=, consumer text, topic text, topic_id text, part integer, kind text, from_off bigint, to_off bigint, messages bigint?, found_at ts=, accepted_at ts?, accepted_by text?, note text='),
    ('store.ingest_ledger', 'topic text, topic_id text, part integer, hour ts, stored bigint=, duplicate bigint=, dead bigint=, gap bigint='),
    ('store.ledger', 'topic text, part integer, topic_id text, first_off bigint, next_off bigint, consumed bigint, stored bigint, duplicate bigint, dead bigint, gap bigint, unaccounted bigint'),
    ('store.rule_state', 'topic text, part integer, tenant_id text, rule_id uuid, version bigint, fingerprint text, phase text, since ts?, event_max ts?, last_received ts?, cause_off bigint?'),
    ('store.rule_activations', 'topic text, part integer, rule_id uuid, version bigint, off bigint, tenant_id text, activated_at ts='),
    ('store.tenant_logins', 'login name, tenant_id text'),
    ('store.settings', 'one boolean=, late_limit interval=, raw_retention interval=, minute_retention interval=, compress_after interval='),
    ('store.metric_retention', 'tenant_id text, name text, upto ts'),
    ('store.lifecycle', 'relation text, edition text, compression text, chunks bigint, oldest ts, newest ts, bytes bigint, kept interval, compress_after interval, compressed_chunks bigint, bytes_before bigint, bytes_after bigint, ratio float8'),
    ('store.rollup_levels', 'level text, nth integer, width interval, relation name, source name, chunk interval'),
    ('store.rollup_watermark', 'level text, upto ts, filled ts, piece interval='),
    ('store.rollup_marks', 'level text, bucket ts, series_id bigint'),
    ('store.rollup_gate', NULL),
    ('store.rollup_turn', NULL),
    ('store.metrics_1min', 'bucket ts, series_id bigint, count bigint, sum float8, min float8, max float8, first float8, last float8'),
    ('store.metrics_1hour', 'bucket ts, series_id bigint, count bigint, sum float8, min float8, max float8, first float8, last float8'),
    ('store.metrics_daily', 'bucket ts, series_id bigint, count bigint, sum float8, min float8, max float8, first float8, last float8'),
    ('store.maintenance_jobs', 'job text, every interval, outcome text=, since ts=, started_at ts=, succeeded_at ts?, duration_ms bigint?, failures bigint=, detail text='),
    ('store.maintenance', 'name text, run_by text, outcome text, started_at ts, duration_ms bigint, late_seconds float8, failures bigint, detail text'),
    ('public.system_metrics', 'time ts, metric_name text?, service text?, tags jsonb=, value float8'),
    ('public.system_metrics_latest', 'metric_name text, service text, time ts, tags jsonb, value float8'),
    ('public.system_metrics_recent', 'metric_name text, service text, avg_value float8, max_value float8, min_value float8, sample_count bigint'),
    ('public.tenants', 'tenant_id text, name text, limits jsonb=, created_at ts='),
    ('public.api_keys', 'key_id text, tenant_id text, device_id text?, scopes text[], secret_hash bytea, description text=, created_at ts=, expires_at ts?, revoked_at ts?, last_used_at ts?'),
    ('public.devices', 'tenant_id text, device_id text, site_id text?, description text=, attributes jsonb=, thresholds jsonb=, created_at ts=, updated_at ts='),
    ('public.metric_definitions', 'tenant_id text, name text, display_name text?, description text?, unit text?, type text=, aggregation text=, retention_days integer?, warning float8?, critical float8?, created_at ts=, updated_at ts='),
    ('public.notification_channels', 'tenant_id text, name text, kind text, url text, secrets text[]=, settings jsonb=, enabled boolean=, disabled_reason text?, created_at ts=, updated_at ts='),
    ('public.alert_rules', 'id uuid=, tenant_id text, name text, description text=, metric_type text, threshold float8?, condition jsonb=, severity text=, channels text[]=, enabled boolean=, origin text=, version bigint=, created_at ts=, updated_at ts='),
    ('public.incidents', 'id uuid=, tenant_id text, title text, description text=, severity text, status text=, source text, rule_id uuid?, rule_version bigint?, fingerprint text?, metadata jsonb=, started_at ts, created_at ts=, updated_at ts=, acknowledged_at ts?, resolved_at ts?, assignee text?'),
    ('public.incident_events', 'id bigint=, incident_id uuid, tenant_id text, transition text, actor text, event_time ts, note text=, evidence jsonb=, created_at ts='),
    ('public.alert_notifications', 'id uuid=, seq bigint=, tenant_id text, incident_id uuid?, rule_id uuid?, channel text, kind text, status text=, payload jsonb=, attempts integer=, next_attempt_at ts=, lease_until ts?, last_status integer?, last_error text?, created_at ts=, delivered_at ts?'),
    ('public.notification_attempts', 'notification_id uuid, attempt integer, tenant_id text, started_at ts, duration_ms integer?, status integer?, error text?, response text?'),
    ('public.metrics_agg', 'tenant_id text, window_key text, metric_type text, value float8?, count bigint=, window_start ts, window_end ts, created_at ts=, updated_at ts='),
    ('public.dead_letters', 'id bigint=, tenant_id text?, stage text, endpoint text?, key_id text?, device_id text?, reason text, detail text=, content_type text=, payload bytea, topic text?, part integer?, off bigint?, received_at ts?, failed_at ts, created_at ts=, status text=, redriven_at ts?, original_payload bytea?, edited_at ts?, edited_by text?, redrives integer=, last_error text?'),
    ('public.series', 'series_id bigint, tenant_id text, name text, host text, labels jsonb, created_at ts'),
    ('public.metrics', 'time ts, tenant_id text, series_id bigint, name text, metric_name text, host text, labels jsonb, value float8'),
    ('public.metrics_latest', 'time ts, tenant_id text, series_id bigint, name text, metric_name text, host text, labels jsonb, value float8'),
    ('public.metrics_1min', 'bucket ts, tenant_id text, series_id bigint, name text, metric_name text, host text, labels jsonb, count bigint, sum float8, avg float8, min float8, max float8, first float8, last float8'),
    ('public.metrics_1hour', 'bucket ts, tenant_id text, series_id bigint, name text, metric_name text, host text, labels jsonb, count bigint, sum float8, avg float8, min float8, max float8, first float8, last float8'),
    ('public.metrics_daily', 'bucket ts, tenant_id text, series_id bigint, name text, metric_name text, host text, labels jsonb, count bigint, sum float8, avg float8, min float8, max float8, first float8, last float8'),
    ('public.metrics_hourly', 'bucket ts, tenant_id text, name text, count bigint, avg float8, min float8, max float8, sum float8'),
    ('public.telemetry', 'time ts, tenant_id text, device_id text, site_id text, msg_type text, seq bigint, metrics jsonb'),
    ('public.raw_events', 'id text, tenant_id text, topic text, part integer, off bigint, data jsonb, time ts, created_at ts');
SELECT is(
    (SELECT string_agg(a.attname || ' ' ||
            CASE format_type(a.atttypid, a.atttypmod)
                WHEN 'timestamp with time zone' THEN 'ts'
                WHEN 'double precision' THEN 'float8'
                ELSE format_type(a.atttypid, a.atttypmod) END ||
            CASE WHEN a.attnotnull OR c.relkind = 'v' THEN '' ELSE '?' END ||
            CASE WHEN a.atthasdef OR a.attidentity <> '' THEN '=' ELSE '' END, ', ' ORDER BY a.attnum)
     FROM pg_class c JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped
     WHERE c.oid = to_regclass(wanted.relation)),
    wanted.columns, wanted.relation)
FROM wanted;

CREATE TEMP VIEW ours AS
    SELECT c.oid, c.oid::regclass::text AS name, c.relkind, c.relowner::regrole::text AS owner, c.relnamespace::regnamespace::text AS schema
    FROM pg_class c
    WHERE c.relnamespace IN ('store'::regnamespace, 'public'::regnamespace) AND c.relkind IN ('r', 'v', 'm', 'p')
          AND c.relname <> 'schema_migrations'
          AND NOT EXISTS (SELECT FROM pg_depend d WHERE d.objid = c.oid AND d.deptype = 'e');
SELECT is_empty('SELECT oid::regclass FROM ours WHERE oid NOT IN (SELECT to_regclass(relation) FROM wanted)', 'and there are no others');
SELECT is_empty('SELECT name, owner FROM ours WHERE owner <> ''pulse_owner''', 'pulse_owner owns all');
SELECT is_empty('SELECT name FROM ours WHERE obj_description(oid) IS NULL', 'each has a comment');
SELECT is_empty('SELECT o.name, a.attname FROM ours o JOIN pg_attribute a ON a.attrelid = o.oid AND a.attnum > 0 AND NOT a.attisdropped
                 WHERE col_description(o.oid, a.attnum) IS NULL', 'each column has a comment');
SELECT is_empty('SELECT indexrelid::regclass FROM pg_index JOIN ours ON oid = indrelid WHERE obj_description(indexrelid) IS NULL
                 AND NOT EXISTS (SELECT FROM pg_constraint WHERE conindid = indexrelid)', 'each index');
SELECT is_empty('SELECT tgname, tgrelid::regclass FROM pg_trigger t JOIN ours o ON o.oid = tgrelid JOIN pg_proc p ON p.oid = tgfoid
                 WHERE NOT tgisinternal AND p.proowner = ''pulse_owner''::regrole AND obj_description(t.oid, ''pg_trigger'') IS NULL', 'each trigger');
SELECT is_empty('SELECT polname, polrelid::regclass FROM pg_policy WHERE obj_description(oid) IS NULL', 'each policy');
SELECT is_empty('SELECT oid::regprocedure FROM pg_proc WHERE proowner = ''pulse_owner''::regrole AND obj_description(oid) IS NULL',
                'each function has a comment');

-- Hypertables.
SELECT bag_eq(
    'SELECT hypertable_schema || ''.'' || hypertable_name, time_interval FROM timescaledb_information.dimensions
     WHERE column_name IN (''time'', ''bucket'')',
    $$VALUES ('public.system_metrics', interval '1 hour'), ('store.raw_events', '1 day'),
             ('store.samples', '1 day'), ('store.telemetry', '1 day'), ('store.metrics_1min', '1 day'),
             ('store.metrics_1hour', '30 days'), ('store.metrics_daily', '365 days')$$, 'hypertables and the length of their chunks');
SELECT bag_eq(
    'SELECT regexp_replace(replace(indexdef, ''store.'', ''''), ''^CREATE (UNIQUE )?INDEX \S+ ON (?:public\.)?'', ''\1'') FROM pg_indexes
     WHERE schemaname || ''.'' || tablename IN (''store.samples'', ''store.telemetry'', ''store.raw_events'', ''store.series'', ''public.system_metrics'', ''store.metrics_1min'', ''store.metrics_1hour'', ''store.metrics_daily'')
    ',
    $$VALUES
        ('UNIQUE raw_events USING btree (tenant_id, id, "time")'),
        ('UNIQUE samples USING btree (series_id, "time" DESC)'),
        ('UNIQUE series USING btree (key)'),
        ('UNIQUE series USING btree (series_id)'),
        ('UNIQUE telemetry USING btree (tenant_id, device_id, "time")'),
        ('UNIQUE metrics_1min USING btree (series_id, bucket DESC)'),
        ('UNIQUE metrics_1hour USING btree (series_id, bucket DESC)'),
        ('UNIQUE metrics_daily USING btree (series_id, bucket DESC)'),
        ('metrics_1min USING brin (bucket) WITH (pages_per_range=''32'')'),
        ('metrics_1hour USING brin (bucket) WITH (pages_per_range=''32'')'),
        ('metrics_daily USING brin (bucket) WITH (pages_per_range=''32'')'),
        ('raw_events USING btree (((data ->> ''level''::text)), created_at)'),
        ('raw_events USING btree (tenant_id, "time" DESC)'),
        ('raw_events USING btree (topic, "time" DESC)'),
        ('raw_events USING gin (((data -> ''level''::text)))'),
        ('samples USING brin ("time") WITH (pages_per_range=''32'')'),
        ('series USING btree (tenant_id, name, host)'),
        ('system_metrics USING btree (metric_name, "time" DESC)'),
        ('system_metrics USING btree (metric_name, service, "time" DESC)'),
        ('system_metrics USING btree (service, "time" DESC) WHERE (service IS NOT NULL)'),
        ('telemetry USING btree (tenant_id, "time" DESC)')$$, 'their indexes, and no default time index');

-- The keys.
SELECT is((SELECT string_agg(a.attname, ', ' ORDER BY k.n)
           FROM pg_index i, unnest(i.indkey) WITH ORDINALITY k (attnum, n) JOIN pg_attribute a ON a.attnum = k.attnum
           WHERE i.indrelid = relation::regclass AND i.indisprimary AND a.attrelid = i.indrelid),
          key, 'primary key of ' || relation)
FROM (VALUES ('store.consumer_offset', 'consumer, topic, part'), ('store.ingest_ledger', 'topic, topic_id, part, hour'),
             ('store.rule_state', 'topic, part, rule_id, fingerprint'),
             ('store.rule_activations', 'topic, part, rule_id, version'),
             ('store.settings', 'one'), ('store.metric_retention', 'tenant_id, name'), ('store.rollup_levels', 'level'), ('store.rollup_watermark', 'level'),
             ('store.tenant_logins', 'login'), ('store.series_counts', 'tenant_id'),
             ('tenants', 'tenant_id'), ('api_keys', 'key_id'), ('devices', 'tenant_id, device_id'),
             ('metric_definitions', 'tenant_id, name'), ('notification_channels', 'tenant_id, name'),
             ('alert_rules', 'id'), ('incidents', 'id'), ('incident_events', 'id'), ('alert_notifications', 'id'),
             ('notification_attempts', 'notification_id, attempt'), ('dead_letters', 'id')) t (relation, key);
SELECT col_is_unique('public', 'metrics_agg', ARRAY['tenant_id', 'window_key', 'metric_type', 'window_start'], 'metrics_agg');
SELECT col_is_unique('public', 'alert_rules', ARRAY['tenant_id', 'name'], 'rule names are unique within a tenant');

-- Barrier views.
SELECT is((SELECT reloptions::text FROM pg_class WHERE oid = ('public.' || v)::regclass), '{security_barrier=true}', v || ' is a barrier')
FROM unnest(ARRAY['series', 'metrics', 'metrics_latest', 'telemetry', 'raw_events', 'metrics_1min', 'metrics_1hour', 'metrics_daily', 'metrics_hourly']) v;

SELECT results_eq('SELECT tenant_id FROM tenants', $$VALUES ('pulse')$$, 'a fresh system has the tenant pulse only');

SELECT * FROM finish();
ROLLBACK;
