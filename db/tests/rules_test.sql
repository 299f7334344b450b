-- SPDX-License-Identifier: Apache-2.0
-- Rules and channels: versions, checks, wake-ups.
BEGIN;
SELECT no_plan();
SELECT tests.two_tenants();

CREATE FUNCTION pg_temp.version_after(change text) RETURNS bigint LANGUAGE plpgsql AS $$
DECLARE
    v bigint;
BEGIN
    EXECUTE format('UPDATE alert_rules SET %s WHERE tenant_id = ''a'' RETURNING version', change) INTO v;
    RETURN v;
END
$$;
SELECT is(pg_temp.version_after(change), version, change)
FROM (VALUES ('description = ''x''', 1::bigint), ('name = ''other''', 1), ('severity = ''low''', 1), ('channels = ''{x}''', 1),
             ('threshold = 40', 1), ('version = 77', 1),
             ('threshold = 41', 2), ('condition = ''{"for": "30s"}''', 3), ('condition = ''{"for":  "30s"}''', 3),
             ('metric_type = ''load''', 4), ('enabled = false', 5), ('enabled = true, threshold = 1', 6)) c (change, version);
INSERT INTO alert_rules (tenant_id, name, metric_type, threshold, version) VALUES ('a', 'new', 'm', 1, 9);
SELECT is((SELECT version FROM alert_rules WHERE name = 'new'), 1::bigint, 'a new rule is version 1, whatever was written');
SELECT cmp_ok(updated_at, '>', created_at, 'updated_at follows') FROM alert_rules WHERE name = 'other';
SELECT is((SELECT version FROM alert_rules WHERE tenant_id = 'b'), 1::bigint, 'other rules keep theirs');

SELECT throws_ok('UPDATE alert_rules SET ' || change || ' WHERE tenant_id = ''a''', '23514', NULL, 'refused: ' || change)
FROM unnest(ARRAY['threshold = NULL', 'threshold = ''NaN''', 'threshold = ''-Infinity''', 'condition = ''[]''', 'condition = ''{"aggregation": "mode"}''',
                  'severity = ''urgent''', 'origin = ''magic''', 'channels = ''{NULL}''', 'name = ''''']) change;
SELECT throws_ok('UPDATE alert_rules SET name = ''other'' WHERE tenant_id = ''a''', '23505', NULL, 'names are unique within a tenant');
SELECT lives_ok('UPDATE alert_rules SET threshold = NULL, condition = ''{"aggregation": "absent"}'' WHERE tenant_id = ''b''', 'absent needs no threshold');
SELECT throws_ok('UPDATE notification_channels SET ' || change || ' WHERE tenant_id = ''a''', '23514', NULL, 'refused: ' || change)
FROM unnest(ARRAY['kind = ''fax''', 'url = ''ftp://x/''', 'secrets = ''{a,b,c}''', 'secrets = ''{NULL}''', 'settings = ''1''']) change;
SELECT lives_ok('UPDATE notification_channels SET secrets = ''{new,old}''', 'two secrets, for a rotation');
SELECT throws_ok('UPDATE api_keys SET ' || change || ' WHERE tenant_id = ''a''', '23514', NULL, 'refused: ' || change)
FROM unnest(ARRAY['scopes = ''{}''', 'scopes = ''{root}''', 'secret_hash = ''\x00''', 'key_id = ''a_b_c''']) change;
SELECT throws_ok('INSERT INTO tenants (tenant_id, name) VALUES (' || quote_literal(id) || ', '''')', '23514', NULL, 'no tenant ' || quote_literal(id))
FROM unnest(ARRAY['', 'A', 'a b', '-a', 'ü', repeat('a', 64)]) id;
SELECT throws_ok('INSERT INTO api_keys (key_id, tenant_id, scopes, secret_hash) VALUES (''none1'', ''none'', ''{read}'', sha256(''''))',
    '23503', NULL, 'no key of a tenant that is not');
SELECT throws_ok($$INSERT INTO metrics_agg (tenant_id, window_key, metric_type, window_start, window_end) VALUES ('a', 'w', 'm', now(), now())$$,
    '23514', NULL, 'a window has a length');
SELECT is(tests.touched('pulse_evaluator', NULL, statement), outcome, 'pulse_evaluator: ' || statement)
FROM (VALUES ('UPDATE notification_channels SET enabled = false, disabled_reason = ''410''', '2'),
             ('UPDATE notification_channels SET url = ''https://evil/''', '42501'),
             ('UPDATE alert_rules SET enabled = false', '42501'),
             ('INSERT INTO store.rule_state (topic, part, tenant_id, rule_id, version, fingerprint, phase) VALUES (''t'', 0, ''a'', gen_random_uuid(), 1, ''f'', ''firing'')', '1'),
             ('INSERT INTO store.rule_activations (topic, part, rule_id, version, off, tenant_id) VALUES (''t'', 0, gen_random_uuid(), 1, 0, ''a'')', '1'),
             ('DELETE FROM store.rule_state', '1')) t (statement, outcome);
SELECT * FROM finish();
ROLLBACK;
