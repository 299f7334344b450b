-- SPDX-License-Identifier: Apache-2.0
-- Two sessions at once want the same new series and their own, in opposite
-- order; the limit is below what both want. A third keeps both from inserting
-- until they have looked, so only the lock on the tenant's counter can order
-- them. Committed, so cleaned up.
BEGIN;
SELECT no_plan();
SELECT dblink_connect(s, tests.here('pulse_writer')) FROM unnest(ARRAY['one', 'two']) s;
SELECT dblink_connect(s, tests.here('postgres')) FROM unnest(ARRAY['root', 'gate']) s;
-- Waits until so many sessions of the writer wait for a lock.
CREATE FUNCTION pg_temp.waiting(wanted int) RETURNS int LANGUAGE plpgsql AS $$
DECLARE
    n int;
BEGIN
    FOR i IN 1..200 LOOP
        SELECT waiters INTO n FROM dblink('root', $q$SELECT count(*) FROM pg_stat_activity
            WHERE usename = 'pulse_writer' AND wait_event_type = 'Lock'$q$) d (waiters int);
        EXIT WHEN n = wanted;
        PERFORM pg_sleep(0.02);
    END LOOP;
    RETURN n;
END
$$;

SELECT dblink_exec('root', $$INSERT INTO tenants (tenant_id, name, limits) VALUES ('rush1', 'R', '{"series": 4}'), ('rush2', 'R', '{}')$$);
-- Both sessions have run the function, both tenants have a counter.
SELECT * FROM unnest(ARRAY['one', 'two']) s, LATERAL dblink(s, format(
    $$SELECT series_id FROM store.series_ids('{rush1,rush2}', '{before,before%s}', ARRAY['{}', '{}']::jsonb[])$$, s)) d (id bigint);

SELECT dblink_exec('gate', 'BEGIN');
SELECT dblink_exec('gate', 'LOCK TABLE store.series IN SHARE MODE');
SELECT is(dblink_send_query('one',
    $$SELECT * FROM store.series_ids('{rush1,rush1,rush2}', '{same,one,same}', ARRAY['{}', '{}', '{}']::jsonb[])$$), 1, 'the first asks');
SELECT is(pg_temp.waiting(1), 1, '(and stands at the gate)');
SELECT is(dblink_send_query('two',
    $$SELECT * FROM store.series_ids('{rush2,rush1,rush1,rush1}', '{same,two,same,three}', ARRAY['{}', '{}', '{}', '{}']::jsonb[])$$), 1, 'the second asks');
SELECT is(pg_temp.waiting(2), 2, 'and waits');
SELECT is((SELECT events FROM dblink('root', $$SELECT string_agg(wait_event, ',' ORDER BY wait_event) FROM pg_stat_activity
               WHERE usename = 'pulse_writer' AND wait_event_type = 'Lock'$$) d (events text)),
          'relation,transactionid', 'not at the gate, but for the first');
SELECT dblink_exec('gate', 'COMMIT');
CREATE TEMP TABLE first AS SELECT * FROM dblink_get_result('one') d (ord bigint, id bigint);
CREATE TEMP TABLE second AS SELECT * FROM dblink_get_result('two') d (ord bigint, id bigint);
SELECT is((SELECT count(id) FROM first), 3::bigint, 'the first made its three');
SELECT is((SELECT id FROM second WHERE ord = 3), (SELECT id FROM first WHERE ord = 1), 'the second finds the first''s series');
SELECT is((SELECT id FROM second WHERE ord = 1), (SELECT id FROM first WHERE ord = 3), 'of each tenant');
SELECT is((SELECT array_agg(id IS NOT NULL ORDER BY ord) FROM second), '{t,t,t,f}', 'and the limit holds over both');
SELECT is((SELECT t FROM dblink('root', $$SELECT string_agg(tenant_id || series, ',' ORDER BY tenant_id) FROM store.series_counts WHERE tenant_id LIKE 'rush%'$$) d (t text)),
          'rush14,rush23', 'all are counted');
SELECT dblink_exec('root', $$DELETE FROM store.series WHERE tenant_id LIKE 'rush%'; DELETE FROM store.series_counts WHERE tenant_id LIKE 'rush%'; DELETE FROM tenants WHERE tenant_id LIKE 'rush%'$$);
SELECT dblink_disconnect(s) FROM unnest(ARRAY['one', 'two', 'root', 'gate']) s;
SELECT * FROM finish();
ROLLBACK;
