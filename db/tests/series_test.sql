-- SPDX-License-Identifier: Apache-2.0
-- The identity of series, and their making under the tenant's limit.
BEGIN;
SELECT no_plan();

SELECT is(octet_length(store.series_key('t', 'm', '{}')), 16, 'a key is 16 bytes');
-- The rule, spelled out once: another program can compute it.
SELECT is(store.series_key('t', 'm', '{"b": "2", "a": "é"}'),
          substring(sha256('\x00000001'::bytea || 't' || '\x00000001' || 'm' || '\x00000001' || 'a'
              || '\x00000002c3a9' || '\x00000001' || 'b' || '\x00000001' || '2') FOR 16),
          'a key is SHA-256 over length-prefixed UTF-8');
SELECT is(store.series_key('t', 'm', '{"a": "1", "b": "2"}'), store.series_key('t', 'm', '{"b": "2", "a": "1"}'),
          'the order of labels does not matter');
SELECT is(store.series_key('t', 'm', '{"aa": "1", "b": "2", "C": "3"}'),
          substring(sha256('\x00000001'::bytea || 't' || '\x00000001' || 'm'
              || '\x00000001' || 'C' || '\x00000001' || '3' || '\x00000002' || 'aa' || '\x00000001' || '1'
              || '\x00000001' || 'b' || '\x00000001' || '2') FOR 16),
          'labels are sorted bytewise, whatever jsonb and the locale do');
SELECT isnt(store.series_key(a.t, a.n, a.l), store.series_key(b.t, b.n, b.l),
            format('%s %s %s is not %s %s %s', a.t, a.n, a.l, b.t, b.n, b.l))
FROM (VALUES (1, 'ab', 'c', '{}'::jsonb), (2, 'a', 'bc', '{}'), (3, 'a', 'b', '{"c": ""}'), (4, 'a', 'b', '{"": "c"}'),
             (5, 'a', 'b', '{"c": "d"}'), (6, 'a', 'b', '{"cd": ""}'), (7, 'a', 'b', '{"c": "d", "e": "f"}'),
             (8, 'a', 'b', E'{"c": "d\\u0001e\\u0001f"}'), (9, 'a', 'b', '{"c": "d,e=f"}'),
             (10, 'A', 'b', '{"c": "d"}'), (11, 'a', 'b', '{"C": "d"}'), (12, '', 'ab', '{}')) a (i, t, n, l)
JOIN (VALUES (1, 'ab', 'c', '{}'::jsonb), (2, 'a', 'bc', '{}'), (3, 'a', 'b', '{"c": ""}'), (4, 'a', 'b', '{"": "c"}'),
             (5, 'a', 'b', '{"c": "d"}'), (6, 'a', 'b', '{"cd": ""}'), (7, 'a', 'b', '{"c": "d", "e": "f"}'),
             (8, 'a', 'b', E'{"c": "d\\u0001e\\u0001f"}'), (9, 'a', 'b', '{"c": "d,e=f"}'),
             (10, 'A', 'b', '{"c": "d"}'), (11, 'a', 'b', '{"C": "d"}'), (12, '', 'ab', '{}')) b (i, t, n, l) ON a.i < b.i;
SELECT is(store.series_key('t', NULL, '{}'), NULL, 'no key of NULL');

-- Making them.
CREATE FUNCTION pg_temp.ids(t text[], n text[], l text[]) RETURNS bigint[] LANGUAGE sql AS $$
    SELECT array_agg(series_id ORDER BY ord) FROM store.series_ids(t, n, l::jsonb[])
$$;
CREATE TEMP TABLE got AS
    SELECT pg_temp.ids('{s1,s2,s1,s1}', '{m,m,m,n}', '{"{}","{}","{}","{\"host\": \"h\", \"device_id\": \"d\"}"}') AS ids;
SELECT is(ids[1], ids[3], 'twice the same in one call is one series') FROM got;
SELECT is((SELECT count(DISTINCT i) FROM unnest(ids) i), 3::bigint, 'three series') FROM got;
SELECT is(pg_temp.ids('{s1,s2}', '{m,m}', '{"{}","{}"}'), ids[1:2], 'asked again: the same ids') FROM got;
SELECT is(pg_temp.ids('{}', '{}', '{}'), NULL, 'nothing asked, nothing answered');
SELECT results_eq($$SELECT tenant_id, name, labels, host, key = store.series_key(tenant_id, name, labels) FROM store.series
                    WHERE tenant_id = 's1' ORDER BY series_id$$,
    $$VALUES ('s1', 'm', '{}'::jsonb, NULL, true), ('s1', 'n', '{"host": "h", "device_id": "d"}', 'h', true)$$,
    'the rows made');
SELECT results_eq('SELECT tenant_id, series FROM store.series_counts WHERE tenant_id IN (''s1'', ''s2'') ORDER BY 1',
    $$VALUES ('s1' COLLATE "C", 2::bigint), ('s2', 1)$$, 'and counted');
SELECT throws_ok($$SELECT pg_temp.ids('{a,b}', '{m}', '{"{}","{}"}')$$, '22023', NULL, 'unequal arrays are refused');
SELECT throws_ok($$SELECT pg_temp.ids('{a}', '{NULL}', '{"{}"}')$$, '22023', NULL, 'NULL is refused');
SELECT throws_ok($$SELECT pg_temp.ids('{a}', '{m}', '{"{\"x\": 1}"}')$$, '23514', NULL, 'a label that is no text is refused');

-- The limit: a verdict per row, no error.
INSERT INTO tenants (tenant_id, name, limits) VALUES ('few', 'Few', '{"series": 2}');
SELECT is((SELECT array_agg(id IS NOT NULL) FROM unnest(pg_temp.ids('{few,few,few,few,s1}', '{a,b,c,a,a}', '{"{}","{}","{}","{}","{}"}')) id),
          '{t,t,f,t,t}', 'over the limit: NULL for the newest, the others and other tenants as ever');
SELECT is((SELECT array_agg(id IS NOT NULL) FROM unnest(pg_temp.ids('{few,few,few}', '{d,b,a}', '{"{}","{}","{}"}')) id),
          '{f,t,t}', 'existing ones are found at the limit');
UPDATE tenants SET limits = '{"series": 3}' WHERE tenant_id = 'few';
SELECT is((SELECT array_agg(id IS NOT NULL) FROM unnest(pg_temp.ids('{few,few}', '{c,d}', '{"{}","{}"}')) id),
          '{t,f}', 'a raised limit counts at once');
UPDATE tenants SET limits = '{"series": 1}' WHERE tenant_id = 'few';
SELECT is((SELECT array_agg(id IS NOT NULL) FROM unnest(pg_temp.ids('{few,few}', '{c,d}', '{"{}","{}"}')) id),
          '{t,f}', 'a lowered one takes nothing away');
SELECT is((SELECT series FROM store.series_counts WHERE tenant_id = 'few'),
          (SELECT count(*) FROM store.series WHERE tenant_id = 'few'), 'the counter is the count');
SELECT is(store.series_limit('nobody'), 1000000::bigint, 'default limit');
SELECT throws_ok($$INSERT INTO tenants VALUES ('x', 'X', '{"series": "many"}')$$, '23514', NULL, 'a limit is a number');

-- As the services call it.
SELECT is(tests.answer('pulse_writer', NULL, 'SELECT series_id IS NULL FROM store.series_ids(''{s1}'', ''{w}'', ARRAY[''{}''::jsonb])'),
          'false', 'the writer may');
SELECT is(tests.answer(login, NULL, 'SELECT series_id FROM store.series_ids(''{s1}'', ''{w}'', ARRAY[''{}''::jsonb])'),
          '42501', login || ' may not')
FROM unnest(ARRAY['pulse_api', 'pulse_ingest', 'pulse_evaluator', 'pulse_collector', 'pulse_admin']) login;
SELECT is(tests.touched('pulse_writer', NULL, 'INSERT INTO store.series (tenant_id, name, key) VALUES (''a'', ''b'', ''\x00'')'),
          '42501', 'nobody makes series past the limit');
SELECT * FROM finish();
ROLLBACK;
