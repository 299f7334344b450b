-- SPDX-License-Identifier: Apache-2.0
-- Back-fill by plain SQL: what goes in, as whom, and what is refused.
BEGIN;
SELECT no_plan();

-- A sleeping transaction is ended, for others may wait for it. (First: that
-- session would wait for a chunk this one makes.)
SELECT dblink_connect('sleeper', tests.here('pulse_api'));
SELECT dblink_exec('sleeper', 'BEGIN');
SELECT is((SELECT t FROM dblink('sleeper', 'SELECT current_setting(''idle_in_transaction_session_timeout'')') d (t text)), '0', 'a session may sleep');
SELECT t FROM dblink('sleeper', 'SELECT set_config(''app.tenant_id'', ''pulse'', true)') d (t text);
SELECT dblink_exec('sleeper', 'INSERT INTO metrics (time, metric_name, value) VALUES (now(), ''x'', 1)');
SELECT is((SELECT t FROM dblink('sleeper', 'SELECT current_setting(''idle_in_transaction_session_timeout'')') d (t text)), '1min', 'not with rows that others wait for');
SELECT dblink_exec('sleeper', 'ROLLBACK');
SELECT is((SELECT t FROM dblink('sleeper', 'SELECT current_setting(''idle_in_transaction_session_timeout'')') d (t text)), '0', 'then it may again');
SELECT dblink_disconnect('sleeper');

INSERT INTO tenants (tenant_id, name, limits) VALUES ('a', 'A', '{}'), ('b', 'B', '{}'), ('small', 'S', '{"series": 2}');
CREATE ROLE sql_a LOGIN IN ROLE pulse_app;
CREATE ROLE reader_a LOGIN IN ROLE pulse_app;
CREATE ROLE nobody LOGIN IN ROLE pulse_app;
INSERT INTO store.tenant_logins VALUES ('sql_a', 'a'), ('reader_a', 'a');
GRANT INSERT ON metrics, telemetry TO sql_a, nobody;

-- The plain statement.
SELECT is(tests.touched('pulse_api', 'a', 'INSERT INTO metrics (time, host, metric_name, value) VALUES (now() - interval ''1 hour'', ''h1'', ''cpu'', 1.5)'), '1', 'the api inserts for its tenant');
SELECT is(tests.answer('pulse_api', 'a', 'SELECT row(tenant_id, name, metric_name, host, labels, value, time = now() - interval ''1 hour'')::text FROM metrics'),
          '(a,cpu,cpu,h1,"{""host"": ""h1""}",1.5,t)', 'and reads it');
SELECT is(tests.answer('pulse_api', 'b', 'SELECT count(*) FROM metrics'), '0', 'another tenant does not');
SELECT is(tests.touched('sql_a', 'b', 'INSERT INTO metrics (time, metric_name, value) VALUES (now(), ''cpu'', 2)'), '1', 'a login that was given the right inserts');
SELECT is(tests.answer('pulse_api', 'a', 'SELECT count(*) FROM metrics'), '2', 'for its tenant, whatever it sets');

-- Ways to say the same.
SELECT is(tests.answer('pulse_api', 'a', statement), result, statement)
FROM (VALUES
    ('INSERT INTO metrics (time, name, value) VALUES (now() - interval ''2 hours'', ''cpu'', 2) RETURNING labels::text', '{}'),
    ('INSERT INTO metrics (time, name, metric_name, value) VALUES (now() - interval ''3 hours'', ''cpu'', ''cpu'', 2) RETURNING metric_name', 'cpu'),
    ('INSERT INTO metrics (time, tenant_id, metric_name, value) VALUES (now() - interval ''4 hours'', ''a'', ''cpu'', 2) RETURNING tenant_id', 'a'),
    ('INSERT INTO metrics (time, metric_name, host, labels, value) VALUES (now(), ''cpu'', ''h1'', ''{"host": "h1", "core": "1"}'', 2) RETURNING host', 'h1'),
    ('INSERT INTO metrics (time, metric_name, host, labels, value) VALUES (now(), ''cpu'', ''h1'', ''{"core": "2"}'', 2) RETURNING labels ->> ''host''', 'h1'),
    ('INSERT INTO metrics (time, metric_name, host, labels, value) VALUES (now(), ''cpu'', ''d1'', ''{"device_id": "d1"}'', 2) RETURNING labels::text', '{"device_id": "d1"}'),
    ('INSERT INTO metrics SELECT time - interval ''1 second'', tenant_id, series_id, name, metric_name, host, labels, value FROM metrics WHERE host = ''d1'' RETURNING series_id = (SELECT series_id FROM series WHERE host = ''d1'')', 'true')
) t (statement, result);

-- Refused, and why.
CREATE FUNCTION pg_temp.says(login text, tenant text, statement text) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
    message text;
BEGIN
    PERFORM set_config('app.tenant_id', tenant, true);
    EXECUTE format('SET LOCAL SESSION AUTHORIZATION %I', login);
    EXECUTE statement;
    RESET SESSION AUTHORIZATION;
    RETURN 'done';
EXCEPTION WHEN OTHERS THEN
    GET STACKED DIAGNOSTICS message = MESSAGE_TEXT;
    RETURN SQLSTATE || ' ' || message;
END
$$;
SELECT matches(pg_temp.says(login, tenant, format('INSERT INTO metrics (%s) VALUES (%s)', columns, row)), '^' || message, message)
FROM (VALUES
    ('pulse_api', NULL, 'time, metric_name, value', 'now(), ''x'', 1', '42501 this session has no tenant'),
    ('pulse_api', '', 'time, metric_name, value', 'now(), ''x'', 1', '42501 this session has no tenant'),
    ('nobody', 'a', 'time, metric_name, value', 'now(), ''x'', 1', '42501 this session has no tenant'),
    ('reader_a', 'a', 'time, metric_name, value', 'now(), ''x'', 1', '42501 permission denied for view metrics'),
    ('pulse_writer', 'a', 'time, metric_name, value', 'now(), ''x'', 1', '42501 permission denied for view metrics'),
    ('pulse_api', 'a', 'time, tenant_id, metric_name, value', 'now(), ''b'', ''x'', 1', '42501 tenant_id is not the tenant of this session$'),
    ('pulse_api', 'a', 'time, tenant_id, metric_name, value', 'now(), ''no such'', ''x'', 1', '42501 tenant_id is not the tenant of this session$'),
    ('pulse_api', 'a', 'metric_name, value', '''x'', 1', '23502 time is required'),
    ('pulse_api', 'a', 'time, value', 'now(), 1', '23502 metric_name is required'),
    ('pulse_api', 'a', 'time, metric_name', 'now(), ''x''', '23502 value is required'),
    ('pulse_api', 'a', 'time, name, metric_name, value', 'now(), ''x'', ''y'', 1', '23514 name and metric_name are the same thing'),
    ('pulse_api', 'a', 'time, metric_name, value', 'now(), ''x'', ''NaN''', '23514 value must be a finite number'),
    ('pulse_api', 'a', 'time, metric_name, value', 'now(), ''x'', ''-Infinity''', '23514 value must be a finite number'),
    ('pulse_api', 'a', 'time, metric_name, value', 'now() + interval ''11 minutes'', ''x'', 1', '23514 time .* is more than 10 minutes ahead'),
    ('pulse_api', 'a', 'time, metric_name, value', '''infinity'', ''x'', 1', '23514 time infinity is more than 10 minutes ahead'),
    ('pulse_api', 'a', 'time, metric_name, value', 'now() - interval ''8 days 1 second'', ''x'', 1', '23514 time .* is further back than the late limit .8 days.'),
    ('pulse_api', 'a', 'time, metric_name, value', '''-infinity'', ''x'', 1', '23514 time -infinity is further back than the late limit'),
    ('pulse_api', 'a', 'time, metric_name, value', 'now(), '''', 1', '23514 name must not be empty'),
    ('pulse_api', 'a', 'time, metric_name, value', 'now(), repeat(''x'', 201), 1', '23514 name is 201 bytes long, at most 200 are allowed'),
    ('pulse_api', 'a', 'time, metric_name, host, value', 'now(), ''x'', '''', 1', '23514 host must not be empty'),
    ('pulse_api', 'a', 'time, metric_name, host, value', 'now(), ''x'', repeat(''x'', 1025), 1', '23514 label host is 1025 bytes long'),
    ('pulse_api', 'a', 'time, metric_name, host, labels, value', 'now(), ''x'', ''h1'', ''{"host": "h2"}'', 1', '23514 host and label host are the same thing'),
    ('pulse_api', 'a', 'time, metric_name, labels, value', 'now(), ''x'', ''[]'', 1', '23514 labels must be an object'),
    ('pulse_api', 'a', 'time, metric_name, labels, value', 'now(), ''x'', ''{"a": 1}'', 1', '23514 label a is no text'),
    ('pulse_api', 'a', 'time, metric_name, labels, value', 'now(), ''x'', ''{"a": null}'', 1', '23514 label a is no text'),
    ('pulse_api', 'a', 'time, metric_name, labels, value', 'now(), ''x'', ''{"": "1"}'', 1', '23514 a label.s name must not be empty'),
    ('pulse_api', 'a', 'time, metric_name, labels, value', 'now(), ''x'', ''{"a": ""}'', 1', '23514 label a must not be empty'),
    ('pulse_api', 'a', 'time, metric_name, labels, value', 'now(), ''x'', jsonb_build_object(repeat(''x'', 129), ''1''), 1', '23514 a label.s name is 129 bytes long'),
    ('pulse_api', 'a', 'time, metric_name, labels, value', 'now(), ''x'', (SELECT jsonb_object_agg(g, g::text) FROM generate_series(1, 33) g), 1', '23514 more than 32 labels'),
    ('pulse_api', 'a', 'time, metric_name, series_id, value', 'now(), ''x'', -1, 1', '23514 series_id -1 is not the series')
) t (login, tenant, columns, row, message);
SELECT is(pg_temp.says('pulse_api', 'a', statement), 'done', statement)
FROM unnest(ARRAY['INSERT INTO metrics (time, metric_name, value) VALUES (now() - interval ''7 days 23 hours'', ''edge'', 1)',
                  'INSERT INTO metrics (time, metric_name, value) VALUES (now() + interval ''9 minutes'', repeat(''ä'', 100), 1)']) statement;

-- Repeats: the same is left out, another value is an error; both say nothing of
-- another tenant's.
SELECT is(tests.touched('pulse_api', tenant, 'INSERT INTO metrics (time, metric_name, value) VALUES (now() - interval ''1 day'', ''again'', ' || value || ')'), outcome,
          format('%s inserts %s', tenant, value))
FROM (VALUES ('a', 1, '1'), ('a', 1, '0'), ('a', 2, '23505'), ('b', 2, '1'), ('b', 2, '0'), ('b', 1, '23505')) t (tenant, value, outcome);
SELECT matches(pg_temp.says('pulse_api', 'a', 'INSERT INTO metrics (time, metric_name, value) VALUES (now() - interval ''1 day'', ''again'', 2)'),
               '^23505 metric again has another value at .* already$', 'it says which');
SELECT is((SELECT array_agg(value ORDER BY tenant_id) FROM store.samples JOIN store.series USING (series_id) WHERE name = 'again'), '{1,2}', 'each tenant keeps its first');

-- The series limit.
SELECT is(tests.touched('pulse_api', 'small', format('INSERT INTO metrics (time, metric_name, value) VALUES (now() - interval ''%s seconds'', ''m%s'', 1)', g, g % 3)),
          CASE g % 3 WHEN 2 THEN '53400' ELSE '1' END, 'two series and no third') FROM generate_series(0, 5) g;
SELECT matches(pg_temp.says('pulse_api', 'small', 'INSERT INTO metrics (time, metric_name, value) VALUES (now(), ''m2'', 1)'), 'series limit reached: the tenant may have 2 series', 'it says so');

-- Telemetry: the message and its numbers.
SELECT is(tests.touched('pulse_api', 'a', $$INSERT INTO telemetry (time, device_id, site_id, metrics) VALUES (now(), 'dev', 'roof', '{"temp": 21.5, "on": true, "mode": "eco", "n": 3, "note": ""}')$$), '1', 'a message');
SELECT is((SELECT row(tenant_id, device_id, site_id, msg_type, seq, metrics -> 'temp')::text FROM store.telemetry), '(a,dev,roof,telemetry,0,21.5)', 'is stored');
SELECT results_eq($$SELECT s.name, p.value, s.labels FROM store.samples p JOIN store.series s USING (series_id) WHERE s.host = 'dev' ORDER BY 1$$,
    $$VALUES ('n', 3::float8, '{"device_id": "dev", "site_id": "roof"}'::jsonb), ('temp', 21.5, '{"device_id": "dev", "site_id": "roof"}')$$, 'and its numbers are samples');
SELECT is(tests.touched('pulse_api', 'a', $$INSERT INTO telemetry (time, device_id, msg_type, seq, metrics) VALUES (now(), 'dev2', 'boot', 7, '{"temp": 1}')$$), '1', 'without a site');
SELECT is((SELECT labels FROM store.series WHERE host = 'dev2'), '{"device_id": "dev2"}', 'there is no label for it');
SELECT is(tests.touched('pulse_api', tenant, format('INSERT INTO telemetry (time, device_id, msg_type, seq, metrics) VALUES (now(), ''dev2'', ''boot'', %s, %L)', seq, metrics)), outcome,
          format('%s repeats it with seq %s and %s', tenant, seq, metrics))
FROM (VALUES ('a', 7, '{"temp": 1}', '0'), ('a', 7, '{"temp": 1.0}', '0'), ('a', 8, '{"temp": 1}', '23505'), ('a', 7, '{"temp": 2}', '23505'), ('b', 8, '{"temp": 2}', '1')) t (tenant, seq, metrics, outcome);
SELECT matches(pg_temp.says(login, 'a', format('INSERT INTO telemetry (%s) VALUES (%s)', columns, row)), '^' || message, 'telemetry: ' || message)
FROM (VALUES
    ('pulse_writer', 'time, device_id, metrics', 'now(), ''d'', ''{}''', '42501 permission denied for view telemetry'),
    ('nobody', 'time, device_id, metrics', 'now(), ''d'', ''{}''', '42501 this session has no tenant'),
    ('pulse_api', 'time, tenant_id, device_id, metrics', 'now(), ''b'', ''d'', ''{}''', '42501 tenant_id is not the tenant of this session'),
    ('pulse_api', 'device_id, metrics', '''d'', ''{}''', '23502 time is required'),
    ('pulse_api', 'time, metrics', 'now(), ''{}''', '23502 device_id is required'),
    ('pulse_api', 'time, device_id', 'now(), ''d''', '23502 metrics is required'),
    ('pulse_api', 'time, device_id, metrics', 'now() - interval ''9 days'', ''d'', ''{}''', '23514 time .* is further back'),
    ('pulse_api', 'time, device_id, metrics', 'now(), '''', ''{}''', '23514 device_id must not be empty'),
    ('pulse_api', 'time, device_id, site_id, metrics', 'now(), ''d'', repeat(''x'', 129), ''{}''', '23514 site_id is 129 bytes long'),
    ('pulse_api', 'time, device_id, msg_type, metrics', 'now(), ''d'', '''', ''{}''', '23514 msg_type must not be empty'),
    ('pulse_api', 'time, device_id, metrics', 'now(), ''d'', ''[]''', '23514 metrics must be an object'),
    ('pulse_api', 'time, device_id, metrics', 'now(), ''d'', ''{"x": null}''', '23514 reading x must be a number, true, false or text'),
    ('pulse_api', 'time, device_id, metrics', 'now(), ''d'', ''{"x": {}}''', '23514 reading x must be a number, true, false or text'),
    ('pulse_api', 'time, device_id, metrics', 'now(), ''d'', ''{"": 1}''', '23514 a reading.s name must not be empty'),
    ('pulse_api', 'time, device_id, metrics', 'now(), ''d'', ''{"x": 1e999}''', '22003 '),
    ('pulse_api', 'time, device_id, metrics', 'now(), ''d'', jsonb_build_object(''x'', repeat(''x'', 8193))', '23514 reading x is 8193 bytes long'),
    ('pulse_api', 'time, device_id, metrics', 'now(), ''d'', (SELECT jsonb_object_agg(g, g) FROM generate_series(1, 257) g)', '23514 more than 256 readings')
) t (login, columns, row, message);

-- Rollups follow, though the buckets were made before.
SELECT is_empty('SELECT * FROM tests.rollups_wrong() LIMIT 0', '(the comparison runs)');
SELECT store.rollup_advance();
SELECT store.rollup_fill();
INSERT INTO store.rollup_marks SELECT '1min', time_bucket('1 minute', time), series_id FROM store.samples;
SELECT store.rollup_fill();
SELECT is_empty('SELECT * FROM tests.rollups_wrong()', 'rollups of what is there');
SELECT set_config('app.tenant_id', 'a', true);
INSERT INTO metrics (time, metric_name, host, value) SELECT now() - interval '1 hour' * g, 'roll', 'h' || g % 3, g FROM generate_series(1, 150) g;
INSERT INTO telemetry (time, device_id, metrics) SELECT now() - interval '1 hour' * g, 'dev', jsonb_build_object('roll', g) FROM generate_series(1, 150) g;
SELECT isnt_empty('SELECT * FROM tests.rollups_wrong()', '(they are behind)');
SELECT cmp_ok(store.rollup_fill(), '>=', 300::bigint, 'the job finds the marks');
SELECT is_empty('SELECT * FROM tests.rollups_wrong()', 'and all is right');

-- 60,000 rows in well under a minute: here a tenth, in a tenth of that.
CREATE TEMP TABLE took (d interval);
SELECT set_config('app.tenant_id', 'a', true);
DO $$
DECLARE
    began constant timestamptz := clock_timestamp();
BEGIN
    FOR i IN 1..6000 LOOP
        INSERT INTO metrics (time, host, metric_name, value) VALUES (now() - interval '10 seconds' * i, 'h' || i % 50, 'm' || i % 20, i);
    END LOOP;
    INSERT INTO took VALUES (clock_timestamp() - began);
END
$$;
SELECT cmp_ok((SELECT d FROM took), '<', interval '6 seconds', '6,000 rows');
SELECT is((SELECT count(*) FROM metrics WHERE name ~ '^m\d+$'), 6000::bigint, '(all there)');

SELECT * FROM finish();
ROLLBACK;
