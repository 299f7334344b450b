-- SPDX-License-Identifier: Apache-2.0
-- What tenants.limits may hold.
BEGIN;
SELECT no_plan();

INSERT INTO tenants (tenant_id, name) VALUES ('acme', 'Acme');
CREATE FUNCTION pg_temp.put(value text) RETURNS text
LANGUAGE sql RETURN format('UPDATE tenants SET limits = %L WHERE tenant_id = ''acme''', value);

-- Every limit, at the ends of its range and beyond them.
SELECT lives_ok(pg_temp.put(jsonb_build_object(name, value)::text), name || ' = ' || value)
FROM store.limit_ranges(), unnest(ARRAY[lowest, highest]) value;
SELECT throws_ok(pg_temp.put(jsonb_build_object(name, value)::text), '23514',
    format('limit %s must be a whole number from %s to %s, not %s', name, lowest, highest, value), name || ' = ' || value)
FROM store.limit_ranges(), unnest(ARRAY[lowest - 1, highest + 1]) value;
SELECT throws_ok(pg_temp.put(format('{"labels": %s}', value)), '23514', NULL, 'labels = ' || value)
FROM unnest(ARRAY['"5"', 'true', '[5]', '{}', '5.5', '1e300', '-1e300']) value;
SELECT throws_ok(pg_temp.put('{"labels": null}'), '23514', 'limit labels must be a whole number from 1 to 256, not null', 'null is no number');
SELECT throws_ok(pg_temp.put('{"labels": "' || repeat('x', 1000) || '"}'), '23514', NULL, 'a long text is cut in the message');
SELECT lives_ok(pg_temp.put('{"labels": 5.0}'), '5.0 is whole');
SELECT lives_ok(pg_temp.put('{"colour": "red"}'), 'a name that means nothing is let be');
SELECT throws_ok(pg_temp.put('{"colour": "red", "labels": 0}'), '23514', NULL, 'but does not hide another');
SELECT throws_ok(pg_temp.put('[]'), '23514', NULL, 'a list is none');
SELECT throws_ok($$INSERT INTO tenants (tenant_id, name, limits) VALUES ('beta', 'B', '{"fields": 0}')$$, '23514', NULL, 'also in a new row');
SELECT is(store.series_limit('acme'), 1000000::bigint, 'series has its default');

-- What stood there before is let be until it is changed.
ALTER TABLE tenants DISABLE TRIGGER limits;
UPDATE tenants SET limits = '{"labels": "many"}' WHERE tenant_id = 'acme';
ALTER TABLE tenants ENABLE TRIGGER limits;
SELECT lives_ok('UPDATE tenants SET name = ''A'' WHERE tenant_id = ''acme''', 'another column can change');

SELECT is(tests.touched('pulse_admin', NULL, 'UPDATE tenants SET limits = ''{"labels": 5}'' WHERE tenant_id = ''pulse'''), '1', 'pulse_admin sets limits');
SELECT is(tests.touched('pulse_admin', NULL, 'UPDATE tenants SET limits = ''{"labels": 0}'' WHERE tenant_id = ''pulse'''), '23514', 'and meets the check');
SELECT is(tests.touched(login, NULL, 'UPDATE tenants SET limits = ''{}'''), '42501', login || ' does not')
FROM unnest(ARRAY['pulse_ingest', 'pulse_writer', 'pulse_api', 'pulse_collector', 'pulse_evaluator']) login;

SELECT * FROM finish();
ROLLBACK;
