-- SPDX-License-Identifier: Apache-2.0
-- Rollups against what the samples say: caught up in pieces, repaired by late
-- rows and nothing else, computed where not made yet.
BEGIN;
SELECT no_plan();

-- Writers and the job keep out of each other's way by locks that nobody else
-- can take: not the advisory ones, which anybody may hold.
SELECT dblink_connect(who, tests.here(who)) FROM unnest(ARRAY['postgres', 'pulse_writer', 'pulse_collector']) who;
SELECT dblink_exec(who, 'SET lock_timeout = ''2s''') FROM unnest(ARRAY['pulse_writer', 'pulse_collector']) who;
SELECT is((SELECT n FROM dblink('postgres', 'SELECT count(pg_advisory_lock(20517, k)) FROM generate_series(2, 3) k') d (n bigint)), 2::bigint, '(somebody holds the locks of that name)');
SELECT dblink_exec('pulse_writer', 'BEGIN');
SELECT isnt((SELECT t FROM dblink('pulse_writer', 'SELECT store.rollup_enter()') d (t timestamptz)), NULL, 'a writer is not held up');
SELECT is((SELECT n FROM dblink('pulse_collector', 'SELECT store.rollup_fill()') d (n bigint)), 0::bigint, 'nor is the job');
SELECT throws_ok('SELECT FROM dblink(''pulse_collector'', ''SELECT store.rollup_advance()'') d (t timestamptz)', '55P03', NULL, 'a writer holds up the watermark');
SELECT dblink_exec('pulse_writer', 'COMMIT');
SELECT dblink_exec('pulse_collector', 'BEGIN');
SELECT isnt((SELECT t FROM dblink('pulse_collector', 'SELECT store.rollup_advance()') d (t timestamptz)), NULL, 'until it commits');
SELECT throws_ok('SELECT FROM dblink(''pulse_writer'', ''SELECT store.rollup_enter()'') d (t timestamptz)', '55P03', NULL, 'and the other way round');
SELECT dblink_exec('pulse_collector', 'ROLLBACK');
SELECT dblink_exec('pulse_collector', 'BEGIN');
SELECT is((SELECT n FROM dblink('pulse_collector', 'SELECT store.rollup_fill()') d (n bigint)), 0::bigint, '(one fills)');
SELECT throws_ok('SELECT store.rollup_fill()', '55P03', NULL, 'a second one does not');
SELECT dblink_exec('pulse_collector', 'ROLLBACK');
SELECT dblink_disconnect(who) FROM unnest(ARRAY['postgres', 'pulse_writer', 'pulse_collector']) who;
INSERT INTO tenants (tenant_id, name) VALUES ('a', 'A'), ('b', 'B');
SELECT setseed(0.4);

CREATE FUNCTION pg_temp.job() RETURNS bigint LANGUAGE plpgsql AS $$
DECLARE
    rows bigint := 0;
BEGIN
    FOR i IN 1..500 LOOP
        PERFORM store.rollup_advance();
        rows := rows + store.rollup_fill();
        EXIT WHEN NOT store.rollup_behind();
    END LOOP;
    RETURN rows;
END
$$;
CREATE FUNCTION pg_temp.begin_at(back interval) RETURNS void LANGUAGE sql AS $$
    UPDATE store.rollup_watermark w SET upto = t, filled = t, piece = '1 hour'
    FROM (SELECT level, time_bucket(width, now() - back) AS t FROM store.rollup_levels) l WHERE l.level = w.level
$$;
-- Every row as it is now, to see which were written.
CREATE FUNCTION pg_temp.versions() RETURNS TABLE (relation text, bucket timestamptz, series_id bigint, version text) LANGUAGE sql AS $$
    SELECT '1min', bucket, series_id, ctid::text || tableoid FROM store.metrics_1min
    UNION ALL SELECT '1hour', bucket, series_id, ctid::text || tableoid FROM store.metrics_1hour
    UNION ALL SELECT '1day', bucket, series_id, ctid::text || tableoid FROM store.metrics_daily
$$;

SELECT ok(store.rollups_by_job(), 'the apache edition fills tables');
SELECT is_empty('SELECT * FROM tests.rollups_wrong()', 'nothing of nothing');

-- All computed when asked for.
SELECT pg_temp.begin_at('3 days 5 hours');
SELECT tests.write_samples(3000, '3 days');
SELECT cmp_ok((SELECT count(*) FROM store.samples), '<', 3000::bigint, '(there were repeats)');
SELECT is((SELECT count(*) FROM store.rollup_marks), 0::bigint, 'no row was late');
SELECT is_empty('SELECT * FROM tests.rollups_wrong()', 'before the job ran, all is computed');

-- A catch-up in pieces.
SELECT is(store.rollup_advance(), (SELECT time_bucket('1 minute', min(range_start) + interval '1 hour') FROM timescaledb_information.chunks
    WHERE hypertable_name = 'samples' AND range_end > time_bucket('1 minute', now() - interval '77 hours')), 'the first step is an hour from the first chunk')
WHERE (SELECT min(range_start) FROM timescaledb_information.chunks WHERE hypertable_name = 'samples') > now() - interval '77 hours';
SELECT store.rollup_fill();
SELECT is((SELECT filled FROM store.rollup_watermark WHERE level = '1min'), (SELECT upto FROM store.rollup_watermark WHERE level = '1min'), 'is filled');
SELECT is(store.rollup_behind(), true, 'more is waiting');
SELECT is_empty('SELECT * FROM tests.rollups_wrong()', 'half made, half computed');
SELECT cmp_ok(pg_temp.job(), '>', 100::bigint, 'the job goes on to the end');
SELECT is(store.rollup_behind(), false, 'nothing is waiting');
SELECT is((SELECT filled FROM store.rollup_watermark WHERE level = '1min'), time_bucket('1 minute', clock_timestamp() - interval '2 minutes'), 'two minutes are computed');
SELECT is((SELECT filled FROM store.rollup_watermark WHERE level = '1hour'), time_bucket('1 hour', clock_timestamp() - interval '2 minutes'), 'of hours, the one begun');
SELECT is((SELECT filled FROM store.rollup_watermark WHERE level = '1day'), time_bucket('1 day', clock_timestamp() - interval '2 minutes'), 'of days, the one begun');
SELECT is_empty('SELECT * FROM tests.rollups_wrong()', 'all made');
SELECT is_empty('SELECT bucket FROM store.metrics_1min WHERE bucket >= store.rollup_filled(''1min'')', 'a bucket stands in its table or is computed, not both');

-- Late rows repair their buckets and nothing else.
CREATE TEMP TABLE before AS SELECT * FROM pg_temp.versions();
SELECT tests.write_samples(50, '3 days');
CREATE TEMP TABLE marks AS SELECT * FROM store.rollup_marks;
SELECT bag_eq('SELECT bucket, series_id FROM marks',
    'SELECT DISTINCT time_bucket(''1 minute'', time), series_id FROM wrote WHERE time < store.rollup_filled(''1min'')', 'exactly the late rows are marked');
SELECT cmp_ok((SELECT count(*) FROM marks), '>', 5::bigint, '(there were some)');
SELECT cmp_ok(store.rollup_fill(), '>=', (SELECT count(*) FROM marks), 'the job');
SELECT is((SELECT count(*) FROM store.rollup_marks), 0::bigint, 'takes the marks away');
SELECT is_empty('SELECT * FROM tests.rollups_wrong()', 'and makes the buckets again');
SELECT set_eq('SELECT relation, bucket, series_id FROM (TABLE before UNION ALL SELECT * FROM pg_temp.versions()) v GROUP BY 1, 2, 3 HAVING count(DISTINCT version) > 1 OR count(*) = 1',
    'SELECT l.level, time_bucket(l.width, m.bucket), m.series_id FROM marks m, store.rollup_levels l WHERE time_bucket(l.width, m.bucket) < store.rollup_filled(l.level)',
    'of all three levels, and no other row was written');
SELECT is(store.rollup_fill(), 0::bigint, 'a second time there is nothing to do');

-- A mark too many harms nothing: of a bucket to come, of one without rows.
SELECT store.rollup_mark(array_agg(series_id), array_agg(t)) FROM store.series, unnest(ARRAY[now(), now() + interval '5 minutes', now() - interval '100 days']) t;
SELECT is(store.rollup_fill(), 0::bigint, 'marks of nothing make nothing');
SELECT is((SELECT count(*) FROM store.rollup_marks), 0::bigint, 'and are gone');
SELECT throws_ok('SELECT store.rollup_mark(''{1,2}'', ''{now}'')', '22023', 'rollup_mark: two arrays of one length', 'arrays of two lengths');
SELECT lives_ok('SELECT store.rollup_mark(NULL, NULL), store.rollup_mark(''{}'', ''{}'')', 'no rows, no marks');

-- More marks than one call takes: it goes on, the levels above wait for the end.
CREATE TEMP TABLE late AS
    SELECT series_id, date_trunc('minute', now() - interval '30 hours') AS time FROM store.series WHERE tenant_id = 'a' ORDER BY 1 LIMIT 1;
INSERT INTO store.samples SELECT time + interval '123 ms', series_id, 7 FROM late;
INSERT INTO store.rollup_marks SELECT '1min', time - interval '1 minute' * (g % 5), series_id FROM late, generate_series(1, 200000) g;
INSERT INTO store.samples SELECT time - interval '6 minutes 123 ms', series_id, 7 FROM late;
SELECT store.rollup_mark(array_agg(series_id), array_agg(time - interval '6 minutes 123 ms')) FROM late;
SELECT ok(store.rollup_behind(), 'many marks: the job is behind');
CREATE TEMP TABLE hours AS SELECT * FROM pg_temp.versions() WHERE relation <> '1min';
SELECT cmp_ok(store.rollup_fill(), '>=', 1::bigint, 'a first batch');
SELECT is((SELECT count(*) FROM store.rollup_marks WHERE level = '1min'), 1::bigint, 'leaves the rest');
SELECT is_empty('(TABLE hours) EXCEPT SELECT * FROM pg_temp.versions()', 'and the levels above');
SELECT isnt_empty('SELECT * FROM tests.rollups_wrong()', '(which are wrong so far)');
SELECT ok(NOT store.rollup_behind(), 'no longer behind');
SELECT store.rollup_fill();
SELECT is((SELECT count(*) FROM store.rollup_marks), 0::bigint, 'the next takes all');
SELECT is_empty('SELECT * FROM tests.rollups_wrong()', 'and all levels are right');

-- A fill that fails, for want of time say, leaves less for the next.
SELECT pg_temp.begin_at('20 hours');
DELETE FROM store.metrics_1min WHERE bucket >= store.rollup_filled('1min');
DELETE FROM store.metrics_1hour WHERE bucket >= store.rollup_filled('1hour');
DELETE FROM store.metrics_daily WHERE bucket >= store.rollup_filled('1day');
UPDATE store.rollup_watermark SET piece = '8 hours' WHERE level = '1min';
CREATE FUNCTION pg_temp.left_to_do() RETURNS interval LANGUAGE sql AS $$ SELECT upto - filled FROM store.rollup_watermark WHERE level = '1min' $$;
SELECT is((SELECT piece FROM store.rollup_advance(), store.rollup_watermark WHERE level = '1min'), interval '8 hours', 'a step of 8 hours');
SELECT is(pg_temp.left_to_do(), interval '8 hours', 'is to do');
SELECT store.rollup_advance();
SELECT is(pg_temp.left_to_do(), interval '4 hours', 'it was not done: half of it');
SELECT store.rollup_advance() FROM generate_series(1, 20);
SELECT is(pg_temp.left_to_do(), interval '1 minute', 'at last a minute');
SELECT is(store.rollup_batch(), 2000, 'and few marks');
SELECT tests.write_samples(400, '1 day');
SELECT pg_temp.job();
SELECT is(store.rollup_batch(), 200000, 'it grows again');
SELECT is_empty('SELECT * FROM tests.rollups_wrong()', 'and nothing was missed');

-- At random, over and over.
CREATE FUNCTION pg_temp.at_random(rounds int) RETURNS SETOF text LANGUAGE plpgsql AS $$
BEGIN
    FOR i IN 1..rounds LOOP
        PERFORM tests.write_samples(1 + floor(random() * 300)::int, interval '7 days' * random());
        CASE floor(random() * 4)::int
            WHEN 0 THEN PERFORM store.rollup_advance();
            WHEN 1 THEN PERFORM store.rollup_fill();
            WHEN 2 THEN PERFORM pg_temp.job();
            ELSE NULL;
        END CASE;
        IF i % 10 = 0 THEN
            PERFORM pg_temp.job();
            RETURN NEXT is_empty('SELECT * FROM tests.rollups_wrong()', 'round ' || i || ' at random');
        END IF;
    END LOOP;
END
$$;
SELECT pg_temp.at_random(40);

-- How it is used: old chunks are not touched, the rest goes by the index.
CREATE FUNCTION pg_temp.plan(query text) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
    line text;
    plan text := '';
BEGIN
    FOR line IN EXECUTE 'EXPLAIN (ANALYZE, COSTS OFF, TIMING OFF, SUMMARY OFF) ' || query LOOP
        plan := plan || line || E'\n';
    END LOOP;
    RETURN plan;
END
$$;
ANALYZE store.samples, store.series, store.metrics_1min;
SELECT cmp_ok((SELECT count(*) FROM show_chunks('store.samples')), '>=', 7::bigint, '(there are chunks to leave out)');
SELECT set_config('app.tenant_id', 'a', true);
CREATE TEMP TABLE plans AS
    SELECT v, pg_temp.plan(format('SELECT * FROM %s WHERE series_id = ANY (ARRAY(SELECT series_id FROM series WHERE name = ''cpu''))
        AND bucket >= now() - interval ''1 hour'' AND bucket < now()', v)) AS plan
    FROM unnest(ARRAY['metrics_1min', 'metrics_1hour', 'metrics_daily']) v;
SELECT cmp_ok((SELECT count(DISTINCT m[1]) FROM regexp_matches(plan, 'on (_hyper_\d+_\d+_chunk)', 'g') m
           WHERE m[1] IN (SELECT relname FROM pg_class WHERE oid = ANY (ARRAY(SELECT show_chunks('store.samples'))))),
          '<=', 2::bigint, v || ' reads the newest chunk of samples, and about midnight the one before') FROM plans;
SELECT unalike(plan, '%Seq Scan on _hyper%', v || ' reads no chunk through') FROM plans;

SELECT is(tests.answer('pulse_api', 'b', format('SELECT count(*) FROM %s', v)), '0', v || ': nothing of a is b''s')
FROM unnest(ARRAY['metrics_1min', 'metrics_1hour', 'metrics_daily', 'metrics_hourly']) v;
SELECT isnt(tests.answer('pulse_api', 'a', format('SELECT count(*) FROM %s', v)), '0', v || ': but a''s')
FROM unnest(ARRAY['metrics_1min', 'metrics_1hour', 'metrics_daily', 'metrics_hourly']) v;
SELECT is(tests.answer('pulse_api', NULL, format('SELECT count(*) FROM %s', v)), '0', v || ': nobody''s without a tenant')
FROM unnest(ARRAY['metrics_1min', 'metrics_1hour', 'metrics_daily', 'metrics_hourly']) v;

-- Who may.
SELECT is(tests.answer(who, 'a', format('SELECT count(*) FROM (SELECT %s) x', call)), result, who || ': ' || call)
FROM (VALUES ('pulse_writer', 'store.rollup_enter()', '1'), ('pulse_writer', 'store.rollup_mark(''{}'', ''{}'')', '1'),
             ('pulse_writer', 'store.rollup_advance()', '42501'), ('pulse_writer', 'store.rollup_fill()', '42501'),
             ('pulse_collector', 'store.rollup_advance()', '1'), ('pulse_collector', 'store.rollup_fill()', '1'),
             ('pulse_collector', 'store.rollup_behind()', '1'), ('pulse_api', 'store.rollup_enter()', '42501'),
             ('pulse_api', 'store.rollup_mark(''{}'', ''{}'')', '42501'), ('pulse_api', 'store.rollup_fill()', '42501')) t (who, call, result);

-- An old snapshot cannot tell what is late: all is.
SELECT dblink_connect('old', tests.here('pulse_writer'));
SELECT dblink_exec('old', 'BEGIN ISOLATION LEVEL REPEATABLE READ');
SELECT is((SELECT t FROM dblink('old', 'SELECT store.rollup_enter()') d (t timestamptz)), 'infinity', 'REPEATABLE READ marks all');
SELECT dblink_exec('old', 'COMMIT');
SELECT dblink_disconnect('old');

SELECT * FROM finish();
ROLLBACK;
