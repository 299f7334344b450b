-- SPDX-License-Identifier: Apache-2.0
-- The store's settings: one row, and no combination that loses rollups.
BEGIN;
SELECT no_plan();

SELECT results_eq('SELECT * FROM store.settings',
    $$VALUES (true, interval '8 days', interval '30 days', interval '90 days', interval '7 days')$$, 'what a fresh system has');
SELECT throws_ok('INSERT INTO store.settings DEFAULT VALUES', '23505', NULL, 'a second row is refused');
SELECT throws_ok('INSERT INTO store.settings (one) VALUES (false)', '23514', NULL, 'also by another name');
SELECT throws_ok('DELETE FROM store.settings', '23001', NULL, 'the row is not deleted');
SELECT throws_ok('TRUNCATE store.settings', '23001', NULL, 'nor truncated');
SELECT throws_ok(format('UPDATE store.settings SET %s', change), '23514', NULL, change || ' is refused')
FROM unnest(ARRAY['late_limit = ''2 days''', 'late_limit = ''2 years''', 'late_limit = ''29 days 1 second''', 'raw_retention = ''8 days 23 hours''',
                  'raw_retention = ''91 days''', 'minute_retention = ''29 days''', 'compress_after = ''1 hour''']) change;
SELECT lives_ok(format('UPDATE store.settings SET %s', change), change)
FROM unnest(ARRAY['late_limit = ''29 days''', 'late_limit = ''8 days'', raw_retention = ''9 days''', 'minute_retention = ''9 days''']) change;

SELECT is(tests.answer(login, NULL, 'SELECT store.late_limit()'), '8 days', login || ' asks for the late limit')
FROM unnest(ARRAY['pulse_ingest', 'pulse_writer', 'pulse_evaluator', 'pulse_api', 'pulse_collector', 'pulse_admin']) login;
SELECT is(tests.answer(login, NULL, 'SELECT late_limit FROM store.settings'), '42501', login || ' does not read the settings')
FROM unnest(ARRAY['pulse_ingest', 'pulse_writer', 'pulse_evaluator', 'pulse_api']) login;
SELECT is(tests.touched('pulse_admin', NULL, 'UPDATE store.settings SET late_limit = ''7 days'''), '1', 'pulse_admin changes them');
SELECT is(tests.answer('pulse_writer', NULL, 'SELECT store.late_limit()'), '7 days', 'it is in force at once');
SELECT is(tests.touched('pulse_collector', NULL, 'UPDATE store.settings SET late_limit = ''7 days'''), '42501', 'a service does not change them');

SELECT * FROM finish();
ROLLBACK;
