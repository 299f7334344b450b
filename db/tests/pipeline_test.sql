-- SPDX-License-Identifier: Apache-2.0
-- What the writer does: COPY, repeats, the ledger, dead letters.
BEGIN;
SELECT no_plan();

SET SESSION AUTHORIZATION pulse_writer;
COPY store.samples (time, series_id, value) FROM STDIN;
2026-01-01 00:00:00+00	1	1.5
2026-01-01 00:00:01+00	1	2.5
\.
COPY store.telemetry (time, tenant_id, device_id, site_id, msg_type, seq, metrics) FROM STDIN;
2026-01-01 00:00:00+00	a	d1	\N	telemetry	7	{"temp": 1.5}
\.
COPY store.raw_events (id, tenant_id, topic, part, off, data, time) FROM STDIN;
e1	a	pulse.events	0	0	{"level": "info", "msg": "hello"}	2026-01-01 00:00:00+00
\.
SET SESSION AUTHORIZATION pulse_collector;
COPY system_metrics (time, metric_name, service, tags, value) FROM STDIN;
2026-01-01 00:00:00+00	up	writer	{}	1
\.
RESET SESSION AUTHORIZATION;
SELECT pass('the writer and the collector COPY into hypertables');

-- A repeat is refused by name of the index, or skipped.
SELECT is(tests.touched('pulse_writer', NULL, statement), '23505', 'a repeat is refused: ' || statement)
FROM unnest(ARRAY[
    'INSERT INTO store.samples VALUES (''2026-01-01 00:00:00+00'', 1, 9)',
    'INSERT INTO store.telemetry (time, tenant_id, device_id) VALUES (''2026-01-01 00:00:00+00'', ''a'', ''d1'')',
    'INSERT INTO store.raw_events (id, tenant_id, topic, part, off, data, time) VALUES (''e1'', ''a'', ''t'', 0, 1, ''{}'', ''2026-01-01 00:00:00+00'')']) statement;
SELECT is(tests.touched('pulse_writer', NULL,
    'CREATE TEMP TABLE staging (topic text, part int, off bigint, time timestamptz, series_id bigint, value float8) ON COMMIT DELETE ROWS'), '0', 'the writer has its staging table');
SELECT is(tests.touched('pulse_writer', NULL,
    'INSERT INTO store.samples VALUES (''2026-01-01 00:00:00+00'', 1, 9), (''2026-01-01 00:00:02+00'', 1, 9) ON CONFLICT DO NOTHING'), '1', 'a repeat is skipped, its neighbour stored');
SELECT is((SELECT value FROM store.samples WHERE series_id = 1 ORDER BY time LIMIT 1), 1.5::float8, 'the first stays');
SELECT is(tests.touched('pulse_writer', NULL, statement), '42501', 'the writer does not ' || statement)
FROM unnest(ARRAY['UPDATE store.samples SET value = 0', 'DELETE FROM store.samples', 'TRUNCATE store.telemetry', 'DELETE FROM store.consumer_offset']) statement;

-- The ledger.
INSERT INTO store.consumer_offset (consumer, topic, part, topic_id, first_off, next_off, replay_from)
VALUES ('pulse-writer', 't', 0, 'x', 10, 110, 110), ('pulse-writer', 't', 1, 'x', 0, 0, 0),
       ('pulse-writer', 't', 2, 'x', 0, 5, 5), ('pulse-evaluator', 't', 0, 'x', 0, 50, 20);
CREATE FUNCTION pg_temp.add(part int, hour timestamptz, s int, d int, x int, g int) RETURNS void LANGUAGE sql AS $$
    INSERT INTO store.ingest_ledger VALUES ('t', 'x', part, hour, s, d, x, g)
    ON CONFLICT (topic, topic_id, part, hour) DO UPDATE SET
        stored = ingest_ledger.stored + excluded.stored, duplicate = ingest_ledger.duplicate + excluded.duplicate,
        dead = ingest_ledger.dead + excluded.dead, gap = ingest_ledger.gap + excluded.gap
$$;
SELECT pg_temp.add(0, '2026-01-01 10:00+00', 40, 5, 3, 2), pg_temp.add(0, '2026-01-01 10:00+00', 30, 0, 0, 0),
       pg_temp.add(0, '2026-01-01 11:00+00', 20, 0, 0, 0), pg_temp.add(2, '2026-01-01 10:00+00', 4, 0, 0, 0);
-- An earlier topic of this name, re-created since.
INSERT INTO store.ingest_ledger VALUES ('t', 'before', 0, '2026-01-01 09:00+00', 1000, 0, 0, 0);
SELECT results_eq('SELECT part, consumed, stored, duplicate, dead, gap, unaccounted FROM store.ledger ORDER BY part',
    'VALUES (0, 100::bigint, 90::bigint, 5::bigint, 3::bigint, 2::bigint, 0::bigint), (1, 0, 0, 0, 0, 0, 0), (2, 5, 4, 0, 0, 0, 1)',
    'consumed = stored + duplicate + dead + gap; a message lost shows');
SELECT throws_ok('INSERT INTO store.ingest_ledger VALUES (''t'', ''x'', 0, ''2026-01-01 10:30+00'')', '23514', NULL, 'only full hours');
SET timezone = 'Asia/Kolkata';
SELECT lives_ok('INSERT INTO store.ingest_ledger VALUES (''t'', ''x'', 9, date_trunc(''hour'', now(), ''UTC''))', 'full hours of UTC, whatever the session''s zone');
SET timezone = 'UTC';
SELECT throws_ok('UPDATE store.ingest_ledger SET gap = -1', '23514', NULL, 'counts are not negative');
SELECT throws_ok('UPDATE store.consumer_offset SET next_off = first_off - 1, replay_from = 0 WHERE consumer = ''pulse-writer'' AND part = 0', '23514', NULL, 'no position before the start');
SELECT throws_ok('UPDATE store.consumer_offset SET replay_from = next_off + 1', '23514', NULL, 'no replay from the future');

-- Dead letters go in by unnest and are not read back.
SELECT is(tests.touched('pulse_writer', NULL,
    $$INSERT INTO dead_letters (tenant_id, stage, reason, detail, content_type, payload, topic, part, off, failed_at)
      SELECT * FROM unnest(ARRAY['a', NULL], ARRAY['writer', 'writer'], ARRAY['conflict', 'undecodable'], ARRAY['', ''],
          ARRAY['avro/binary', 'avro/binary'], ARRAY['\x01', '\x02']::bytea[], ARRAY['pulse.metrics', 'pulse.metrics'], ARRAY[0, 0],
          ARRAY[1, 2]::bigint[], ARRAY[now(), now()])$$), '2', 'the writer adds dead letters');
SELECT is(tests.answer('pulse_writer', NULL, 'SELECT count(*) FROM dead_letters'), '42501', 'and does not read them');
SELECT throws_ok('INSERT INTO dead_letters (stage, reason, payload, failed_at, topic) VALUES (''writer'', ''x'', '''', now(), ''t'')', '23514', NULL, 'a place in Kafka is whole or absent');
SELECT throws_ok('INSERT INTO dead_letters (stage, reason, payload, failed_at) VALUES (''api'', ''x'', '''', now())', '23514', NULL, 'stages are known');

-- A letter's history is kept by the table, whoever changes the row.
SELECT is(tests.touched('pulse_api', tenant, 'UPDATE dead_letters SET payload = ''\x03'', edited_by = ''ann'' WHERE tenant_id = ''a'' AND reason = ''conflict'''), n, name)
FROM (VALUES ('b', '0', 'another tenant edits nothing'), ('a', '1', 'the api edits its tenant''s letter')) t (tenant, n, name);
SELECT is(tests.touched('pulse_admin', NULL, 'UPDATE dead_letters SET payload = ''\x04'' WHERE reason IN (''conflict'', ''undecodable'')'), '2', 'the command all');
SELECT results_eq('SELECT payload, original_payload, edited_at = now(), edited_by, redrives FROM dead_letters WHERE reason IN (''conflict'', ''undecodable'') ORDER BY off',
    $$VALUES ('\x04'::bytea, '\x01'::bytea, true, 'ann', 0), ('\x04', '\x02', true, 'pulse_admin', 0)$$, 'the first bytes stay, the editor is known');
SELECT is(tests.touched(login, 'a', format('UPDATE dead_letters SET %s', change)), '42501', format('%s cannot rewrite history: %s', login, change))
FROM unnest(ARRAY['pulse_api', 'pulse_admin']) login,
     unnest(ARRAY['original_payload = NULL', 'edited_at = NULL', 'redrives = 0', 'tenant_id = ''b''', 'reason = ''''']) change;
SELECT is(tests.touched('pulse_admin', NULL, 'UPDATE dead_letters SET status = ''redriven'', redriven_at = now(), last_error = NULL WHERE reason = ''conflict'''), '1', 'a redrive is noted');
SELECT is(tests.touched('pulse_admin', NULL, 'UPDATE dead_letters SET last_error = ''x'' WHERE reason = ''conflict'''), '1', 'and another that failed');
SELECT is((SELECT redrives FROM dead_letters WHERE reason = 'conflict'), 1, 'only the first is counted');
SELECT is((SELECT original_payload FROM dead_letters WHERE reason = 'conflict'), '\x01'::bytea, 'a redrive edits nothing');

SELECT * FROM finish();
ROLLBACK;
