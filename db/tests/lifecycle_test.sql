-- SPDX-License-Identifier: Apache-2.0
-- Retention: what is old goes, what a rollup still needs stays, a metric of
-- its own retention goes earlier, chunk by chunk and once.
BEGIN;
SELECT no_plan();
INSERT INTO tenants (tenant_id, name) VALUES ('a', 'A'), ('b', 'B');

-- Somebody reads what should go: the rest goes. (Committed, so cleaned up.)
SELECT dblink_connect('reader', tests.here('postgres'));
SELECT dblink_exec('reader', 'INSERT INTO public.system_metrics (time, metric_name, value) VALUES (now() - interval ''20 days'', ''x'', 1)');
SELECT dblink_exec('reader', 'BEGIN');
SELECT n FROM dblink('reader', 'SELECT count(*) FROM public.system_metrics') d (n bigint);
INSERT INTO store.telemetry (time, tenant_id, device_id) VALUES (now() - interval '40 days', 'a', 'd');
SELECT results_eq('SELECT * FROM store.retention_run()',
    $$VALUES ('drop_chunks', 'store.telemetry', 1::bigint), ('busy', 'public.system_metrics', 0)$$, 'what is read waits, and nothing else');
SELECT dblink_exec('reader', 'COMMIT');
SELECT results_eq('SELECT * FROM store.retention_run()', $$VALUES ('drop_chunks', 'public.system_metrics', 1::bigint)$$, 'and goes the next time');
SELECT dblink_disconnect('reader');

-- Bounds of retention_days: late limit + 1 day to raw retention.
SELECT is(tests.touched('pulse_api', 'a', format('INSERT INTO metric_definitions (tenant_id, name, retention_days) VALUES (''a'', ''days %s'', %s)',
    coalesce(days::text, 'none'), coalesce(days::text, 'NULL'))), outcome, format('retention_days %s', days))
FROM (VALUES (8, '23514'), (9, '1'), (30, '1'), (31, '23514'), (NULL, '1')) t (days, outcome);
SELECT throws_ok('UPDATE metric_definitions SET retention_days = 31 WHERE name = ''days 30''', '23514',
    'retention_days 31 is longer than raw samples are kept (30 days)', 'longer than raw: the message says so');
SELECT throws_ok('UPDATE metric_definitions SET retention_days = 8 WHERE name = ''days 30''', '23514',
    'retention_days 8 does not exceed the late limit (8 days) by a day', 'too short: likewise');
SELECT throws_ok('UPDATE store.settings SET late_limit = ''9 days''', '23514',
    'late_limit 9 days: 1 metric definitions have a retention_days that does not exceed it by a day', 'nor does the late limit come too near');
SELECT lives_ok('UPDATE metric_definitions SET display_name = ''x''', 'other changes are not looked at');
DELETE FROM metric_definitions;
SELECT lives_ok('UPDATE store.settings SET late_limit = ''9 days''', 'then it may');
UPDATE store.settings SET late_limit = '8 days';

-- 40 days of two metrics of two tenants, a sample every 6 hours; events, rollups.
INSERT INTO store.samples (time, series_id, value)
SELECT t, series_id, 1 FROM store.series_ids('{a,a,b}', '{hot,cold,hot}', '{"{}","{}","{}"}'),
    generate_series(now() - interval '40 days', now(), interval '6 hours') t;
INSERT INTO store.raw_events (id, tenant_id, topic, part, off, data, time)
SELECT 'e', 'a', 'pulse.events', 0, 0, '{}', t FROM generate_series(now() - interval '40 days', now(), interval '1 day') t;
INSERT INTO store.telemetry (time, tenant_id, device_id)
SELECT t, 'a', 'd' FROM generate_series(now() - interval '40 days', now(), interval '1 day') t;
INSERT INTO system_metrics (time, metric_name, value)
SELECT t, 'x', 1 FROM generate_series(now() - interval '20 days', now(), interval '1 day') t;
INSERT INTO store.metrics_1min SELECT t, 1, 1, 1, 1, 1, 1, 1 FROM generate_series(now() - interval '100 days', now() - interval '41 days', interval '1 day') t;
INSERT INTO store.metrics_1hour SELECT t, 1, 1, 1, 1, 1, 1, 1 FROM generate_series(now() - interval '100 days', now() - interval '41 days', interval '1 day') t;
CREATE FUNCTION pg_temp.filled(t timestamptz) RETURNS void LANGUAGE sql AS $$
    UPDATE store.rollup_watermark w SET upto = time_bucket(l.width, t), filled = time_bucket(l.width, t) FROM store.rollup_levels l WHERE l.level = w.level
$$;
CREATE FUNCTION pg_temp.chunks(rel text) RETURNS TABLE (oldest interval, n bigint) LANGUAGE sql AS $$
    SELECT now() - min(range_end), count(*) FROM timescaledb_information.chunks WHERE hypertable_schema || '.' || hypertable_name = rel
$$;

-- A job that stood still for 40 days loses nothing.
SELECT pg_temp.filled(now() - interval '41 days');
SELECT set_eq('SELECT action, relation FROM store.retention_run()',
    $$VALUES ('drop_chunks', 'store.raw_events'), ('drop_chunks', 'store.telemetry'), ('drop_chunks', 'store.metrics_1min'), ('drop_chunks', 'public.system_metrics')$$,
    'samples that no rollup has seen yet stay');
SELECT ok((SELECT oldest FROM pg_temp.chunks('store.samples')) > interval '38 days', '(all)');
SELECT ok((SELECT oldest FROM pg_temp.chunks(rel)) BETWEEN kept - interval '1 day' AND kept, format('%s: what is older than %s is gone', rel, kept))
FROM (VALUES ('store.raw_events', interval '30 days'), ('store.telemetry', '30 days'), ('store.metrics_1min', '90 days'), ('public.system_metrics', '14 days')) t (rel, kept);
SELECT is((SELECT count(*) FROM store.metrics_1hour), 60::bigint, 'hourly rollups are kept for ever');

SELECT pg_temp.filled(now() - interval '2 minutes');
INSERT INTO store.rollup_marks VALUES ('1min', time_bucket('1 minute', now() - interval '35 days'), 1);
SELECT results_eq('SELECT action, relation FROM store.retention_run()', $$VALUES ('drop_chunks', 'store.samples')$$, 'once they are in');
SELECT ok((SELECT oldest FROM pg_temp.chunks('store.samples')) BETWEEN interval '34 days' AND interval '35 days', 'but what a mark needs stays');
DELETE FROM store.rollup_marks;
SELECT is((SELECT n FROM store.retention_run()), 5::bigint, 'then five more days go');
SELECT ok((SELECT oldest FROM pg_temp.chunks('store.samples')) BETWEEN interval '29 days' AND interval '30 days', 'to 30 days');
SELECT is_empty('SELECT * FROM store.retention_run()', 'and nothing more is due');
UPDATE store.settings SET raw_retention = '20 days';
SELECT is((SELECT sum(n) FROM store.retention_run()), 30::numeric, 'a changed setting is in force at once');

-- The late limit never reaches rollups whose raw samples are gone.
UPDATE store.settings SET raw_retention = '60 days';
SELECT throws_ok('UPDATE store.settings SET late_limit = ''50 days''', '23514',
    format('late_limit 50 days: raw samples before %s are gone, their rollups would be lost',
        (SELECT min(range_start) FROM timescaledb_information.chunks WHERE hypertable_schema || '.' || hypertable_name = 'store.samples')), 'a late limit that reaches rollups without samples');
SELECT lives_ok('UPDATE store.settings SET late_limit = ''39 days''', 'one that reaches none may be longer than samples are there');
UPDATE store.settings SET late_limit = '8 days';
SAVEPOINT rollups;
INSERT INTO store.metrics_1hour VALUES (time_bucket('1 hour', now() - interval '25 days'), 1, 1, 1, 1, 1, 1, 1);
SELECT throws_ok('UPDATE store.settings SET late_limit = ''39 days''', '23514', NULL, 'an hour that would be lost');
SELECT throws_ok('UPDATE store.settings SET late_limit = ''24 days 12 hours''', '23514', NULL, 'or lies within the day that is added');
SELECT lives_ok('UPDATE store.settings SET late_limit = ''23 days''', 'up to there it may');
ROLLBACK TO rollups;
INSERT INTO store.metrics_1min VALUES (time_bucket('1 minute', now() - interval '25 days'), 1, 1, 1, 1, 1, 1, 1);
SELECT throws_ok('UPDATE store.settings SET late_limit = ''39 days''', '23514', NULL, 'or a minute');
SELECT lives_ok('UPDATE store.settings SET minute_retention = ''100 days''', '(other settings change)');
SELECT drop_chunks('store.samples', older_than => now() + interval '1 day');
SELECT throws_like('UPDATE store.settings SET late_limit = ''39 days''', '%raw samples before infinity are gone%', 'where no sample is left at all');
ROLLBACK TO rollups;
UPDATE store.settings SET raw_retention = '30 days';

-- A metric of its own.
INSERT INTO metric_definitions (tenant_id, name, retention_days) VALUES ('a', 'hot', 10), ('a', 'cold', NULL), ('b', 'nothing', 10);
CREATE TEMP VIEW oldest AS
    SELECT s.tenant_id, s.name, now() - min(time) AS age, count(*) AS n FROM store.samples JOIN store.series s USING (series_id) GROUP BY 1, 2;
CREATE TEMP TABLE before AS TABLE oldest;
CREATE TEMP TABLE did AS SELECT * FROM store.retention_run();
SELECT results_eq('SELECT action, relation, n FROM did',
    'SELECT ''delete'', ''store.samples'', b.n - o.n FROM before b JOIN oldest o USING (tenant_id, name) WHERE tenant_id = ''a'' AND name = ''hot''', 'it says what it deleted');
SELECT ok((SELECT age FROM oldest WHERE tenant_id = 'a' AND name = 'hot') BETWEEN interval '10 days' AND interval '11 days', 'by whole chunks');
SELECT results_eq('SELECT * FROM oldest WHERE (tenant_id, name) <> (''a'', ''hot'') ORDER BY 1, 2', 'SELECT * FROM before WHERE (tenant_id, name) <> (''a'', ''hot'') ORDER BY 1, 2',
    'other metrics and tenants are as before');
SELECT is_empty('SELECT * FROM store.retention_run()', 'once');
INSERT INTO store.samples SELECT now() - interval '15 days 1 second', series_id, 1 FROM store.series WHERE tenant_id = 'a' AND name = 'hot';
SELECT is_empty('SELECT * FROM store.retention_run()', 'a chunk gone through is not gone through again');
SELECT is((SELECT count(*) FROM store.samples JOIN store.series USING (series_id) WHERE tenant_id = 'a' AND name = 'hot' AND time < now() - interval '12 days'), 1::bigint, '(or that row would be gone)');
DELETE FROM metric_definitions WHERE name IN ('hot', 'nothing');
SELECT is((SELECT count(*) FROM store.metric_retention WHERE name = 'hot'), 1::bigint, 'how far it went is known without the definition');
SELECT throws_like('UPDATE store.settings SET late_limit = ''12 days''', 'late_limit 12 days: raw samples before % are gone%', 'the late limit does not reach what was deleted of a metric');
SELECT lives_ok('UPDATE store.settings SET late_limit = ''8 days 12 hours''', 'but up to there');
UPDATE store.settings SET late_limit = '8 days';

-- Who, and what is seen.
SELECT is(tests.answer(who, NULL, 'SELECT count(*) FROM store.retention_run()'), result, who || ' and retention_run')
FROM (VALUES ('pulse_collector', '0'), ('pulse_writer', '42501'), ('pulse_api', '42501'), ('pulse_admin', '42501')) t (who, result);
SELECT is(tests.answer(who, NULL, 'SELECT string_agg(DISTINCT compression, '','') FROM store.lifecycle'), result, who || ' and lifecycle')
FROM (VALUES ('pulse_collector', 'unavailable (apache edition)'), ('pulse_admin', 'unavailable (apache edition)'), ('pulse_api', '42501')) t (who, result);
SELECT results_eq('SELECT relation, chunks, oldest, bytes > 8192, kept, compress_after, ratio FROM store.lifecycle',
    $$SELECT relation, (SELECT count(*) FROM show_chunks(relation::regclass)),
             (SELECT min(range_start) FROM timescaledb_information.chunks WHERE hypertable_schema || '.' || hypertable_name = relation),
             true, kept, NULL::interval, NULL::double precision
      FROM (VALUES ('store.samples', interval '30 days'), ('store.telemetry', '30 days'), ('store.raw_events', '30 days'), ('store.metrics_1min', '90 days'),
                   ('store.metrics_1hour', NULL), ('store.metrics_daily', NULL), ('public.system_metrics', '14 days')) t (relation, kept)$$, 'lifecycle: every hypertable');

SELECT * FROM finish();
ROLLBACK;
DO $$ BEGIN PERFORM drop_chunks('public.system_metrics', older_than => interval '14 days'); END $$;
