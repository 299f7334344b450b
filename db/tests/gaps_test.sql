-- SPDX-License-Identifier: Apache-2.0
-- Gaps of offsets: what the table refuses, and who may write what.
BEGIN;
SELECT no_plan();

CREATE FUNCTION pg_temp.gap(login text, kind text, from_off bigint, to_off bigint, messages bigint) RETURNS text LANGUAGE sql AS $$
    SELECT tests.touched(login, NULL, format(
        'INSERT INTO store.offset_gaps (consumer, topic, part, topic_id, kind, from_off, to_off, messages)
         VALUES (''pulse-writer'', ''t'', 0, ''A'', %L, %s, %s, %L)', kind, from_off, to_off, messages))
$$;
SELECT is(pg_temp.gap('pulse_writer', 'expired', 10, 20, 10), '1', 'the writer notes one');
SELECT is(pg_temp.gap('pulse_evaluator', 'truncated', 10, 20, 10), '1', 'so does the evaluator');
SELECT is(pg_temp.gap('pulse_writer', 'recreated', 20, 0, NULL), '1', 'a re-created topic may begin before');
SELECT is(pg_temp.gap(login, 'recreated', 1, 2, NULL), '42501', login || ' notes none')
FROM unnest(ARRAY['pulse_admin', 'pulse_collector', 'pulse_api', 'pulse_ingest']) login;
SELECT is(pg_temp.gap('pulse_writer', 'expired', 10, 30, 20), '23505', 'the same gap is one row');
SELECT is(pg_temp.gap('pulse_writer', 'truncated', 10, 30, 20), '1', 'the tail may be lost twice');
SELECT is(pg_temp.gap('pulse_writer', 'expired', 30, 40, 11), '23514', 'messages are to_off - from_off');
SELECT is(pg_temp.gap('pulse_writer', 'expired', 30, 30, 0), '23514', 'an empty gap is none');
SELECT is(pg_temp.gap('pulse_writer', 'truncated', 30, 40, NULL), '23514', 'only of another topic the number is unknown');
SELECT is(pg_temp.gap('pulse_writer', 'strange', 30, 40, 10), '23514', 'three kinds');

SELECT is(tests.touched('pulse_writer', NULL, 'UPDATE store.offset_gaps SET to_off = 25, messages = 15 WHERE kind = ''expired'''),
    '1', 'a gap grows with the log');
SELECT is(tests.touched(login, NULL, 'UPDATE store.offset_gaps SET accepted_at = now(), accepted_by = ''x'''), '42501',
    login || ' accepts none')
FROM unnest(ARRAY['pulse_writer', 'pulse_evaluator', 'pulse_collector', 'pulse_api']) login;
SELECT is(tests.touched('pulse_admin', NULL, 'UPDATE store.offset_gaps SET accepted_at = now() WHERE kind = ''expired'''), '23514',
    'who accepts has a name');
SELECT is(tests.touched('pulse_admin', NULL,
    'UPDATE store.offset_gaps SET accepted_at = now(), accepted_by = ''ann'', note = ''known'' WHERE kind = ''expired'''),
    '1', 'an operator accepts');
SELECT is(tests.touched('pulse_admin', NULL, 'UPDATE store.offset_gaps SET to_off = 99'), '42501', 'and changes nothing else');
SELECT is(tests.touched(login, NULL, 'DELETE FROM store.offset_gaps'), '42501', login || ' deletes none')
FROM unnest(ARRAY['pulse_writer', 'pulse_admin']) login;
SELECT is(tests.answer(login, NULL, 'SELECT count(*) FROM store.offset_gaps WHERE accepted_at IS NULL'), '3', login || ' sees them')
FROM unnest(ARRAY['pulse_collector', 'pulse_admin', 'pulse_evaluator']) login;
SELECT is(tests.answer('pulse_api', 'a', 'SELECT count(*) FROM store.offset_gaps'), '42501', 'a tenant sees none');

SELECT * FROM finish();
ROLLBACK;
