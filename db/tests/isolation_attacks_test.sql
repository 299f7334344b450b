-- SPDX-License-Identifier: Apache-2.0
-- The attacks of isolation_attacks.sql on the apache edition, each by several
-- kinds of plan.
BEGIN;
SELECT no_plan();
\ir isolation_attacks.sql
SELECT tests.hostile_world();
SELECT tests.list_attacks();
-- The rollups: partly made, partly computed when asked for.
UPDATE store.rollup_watermark w SET upto = t, filled = t, piece = '1 day'
FROM (SELECT level, time_bucket(width, now() - interval '11 days') AS t FROM store.rollup_levels) l WHERE l.level = w.level;
DO $$
BEGIN
    FOR i IN 1..100 LOOP
        PERFORM store.rollup_advance();
        PERFORM store.rollup_fill();
        EXIT WHEN NOT store.rollup_behind();
    END LOOP;
END
$$;
ANALYZE;

SELECT is(gap, NULL, 'no gap') FROM (SELECT string_agg(gap, E'\n') AS gap FROM tests.isolation_gaps()) g;
SELECT cmp_ok(count(*), '>', 500::bigint, '(attacks were found)') FROM tests.attacks;
SELECT is(tests.observed('hostile_a', NULL, 'SELECT sum(count) FROM ' || view), '(403)', '(a sees its own in ' || view || ')')
FROM unnest(ARRAY['metrics_1min', 'metrics_1hour', 'metrics_daily', 'metrics_hourly']) view;
SELECT ok(tests.shows_b(tests.observed('hostile_b', NULL, 'SELECT * FROM metrics')), '(b sees its own)');

SELECT ok(good, what) || CASE WHEN good THEN '' ELSE E'\n' || diag(seen) END FROM tests.attack();
SELECT ok(good, what) || CASE WHEN good THEN '' ELSE E'\n' || diag(seen) END FROM tests.guess();

SET enable_indexscan = off;
SET enable_indexonlyscan = off;
SET enable_bitmapscan = off;
SET enable_material = off;
SELECT ok(good, 'whole tables: ' || what) || CASE WHEN good THEN '' ELSE E'\n' || diag(seen) END FROM tests.attack(true);
SELECT ok(good, 'whole tables: ' || what) || CASE WHEN good THEN '' ELSE E'\n' || diag(seen) END FROM tests.guess();
RESET ALL;
SET enable_nestloop = off;
SET enable_seqscan = off;
SELECT ok(good, 'merged and hashed: ' || what) || CASE WHEN good THEN '' ELSE E'\n' || diag(seen) END FROM tests.attack(true);
SELECT ok(good, 'merged and hashed: ' || what) || CASE WHEN good THEN '' ELSE E'\n' || diag(seen) END FROM tests.guess();

RESET ALL;

-- The tests would find the holes there were.
CREATE VIEW public.leak WITH (security_barrier) AS
    SELECT s.tenant_id, s.series_id, s.name, s.host, p.time, p.value
    FROM store.samples p JOIN store.series s USING (series_id) WHERE s.tenant_id = (SELECT store.current_tenant());
ALTER VIEW public.leak OWNER TO pulse_owner;
GRANT SELECT ON public.leak TO pulse_app;
SET enable_nestloop = off;
SELECT cmp_ok(count(*), '>', 0::bigint, 'a join of samples and series would be found') FROM tests.guess() WHERE NOT good AND what ~ 'leak.*value';
SET enable_indexscan = off;
SET enable_bitmapscan = off;
SELECT cmp_ok(count(*), '>', 0::bigint, 'and a tenant that is asked for late') FROM tests.guess() WHERE NOT good AND what ~ 'leak.*name';
ALTER VIEW public.leak RESET (security_barrier);
SELECT is(gap, 'view leak is no barrier', 'a view that is no barrier is a gap') FROM tests.isolation_gaps() gap;
CREATE TABLE public.bare (tenant_id text);
SELECT set_has('SELECT gap FROM tests.isolation_gaps()', $$VALUES ('table bare has tenant_id but no forced row security')$$, 'a table without row security is one');
GRANT SELECT (value) ON store.samples TO pulse_api;
SELECT set_has('SELECT gap FROM tests.isolation_gaps()', $$VALUES ('pulse_api may SELECT store.samples')$$, 'a right on the store is one');

SELECT * FROM finish();
ROLLBACK;
