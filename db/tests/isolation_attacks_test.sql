-- SPDX-License-Identifier: Apache-2.0
-- The attacks of isolation_attacks.sql on the apache edition, each by several
-- kinds of plan.
BEGIN;
SELECT no_plan();
\ir isolation_attacks.sql
SELECT tests.hostile_world();
SELECT tests.list_attacks();
ANALYZE;

SELECT is(gap, NULL, 'no gap') FROM (SELECT string_agg(gap, E'\n') AS gap FROM tests.isolation_gaps()) g;
SELECT cmp_ok(count(*), '>', 500::bigint, '(attacks were found)') FROM tests.attacks;
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

SELECT * FROM finish();
ROLLBACK;
