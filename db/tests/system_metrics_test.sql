-- SPDX-License-Identifier: Apache-2.0
BEGIN;
SELECT no_plan();
INSERT INTO system_metrics (time, metric_name, service, tags, value) VALUES
    (now() - interval '1 minute', 'lag', 'writer', '{"topic": "x"}', 10),
    (now() - interval '2 minutes', 'lag', 'writer', '{}', 30),
    (now() - interval '6 minutes', 'lag', 'writer', '{}', 1000),
    (now() - interval '3 minutes', 'lag', 'evaluator', '{}', 5),
    (now() - interval '23 hours', 'disk', NULL, '{}', 70),
    (now() - interval '25 hours', 'gone', 'api', '{}', 1);
SELECT results_eq('SELECT metric_name, service, value, tags FROM system_metrics_latest ORDER BY 1, 2',
    $$VALUES ('disk', NULL, 70::float8, '{}'::jsonb), ('lag', 'evaluator', 5, '{}'), ('lag', 'writer', 10, '{"topic": "x"}')$$,
    'latest: the newest per name and service within 24 hours');
SELECT results_eq('SELECT metric_name, service, avg_value, max_value, min_value, sample_count FROM system_metrics_recent ORDER BY 1, 2',
    $$VALUES ('lag', 'evaluator', 5::float8, 5::float8, 5::float8, 1::bigint), ('lag', 'writer', 20, 30, 10, 2)$$,
    'recent: five minutes');
SELECT throws_ok('INSERT INTO system_metrics (time, value) VALUES (now(), 1)', '23514', NULL, 'a reading has a name');
INSERT INTO system_metrics (time, metric_name, value) VALUES (now(), 'x', 1);
SELECT is((SELECT tags FROM system_metrics WHERE metric_name = 'x'), '{}'::jsonb, 'tags are {} unless told');
SELECT cmp_ok((SELECT count(*) FROM show_chunks('system_metrics')), '>=', 3::bigint, 'an hour is a chunk');
SELECT is(tests.answer('pulse_app', NULL, 'SELECT count(*) FROM system_metrics_recent'), '3', 'pulse_app reads');
SELECT is(tests.touched(login, NULL, 'INSERT INTO system_metrics (time, metric_name, value) VALUES (now(), ''y'', 1)'), outcome, login || ' writes')
FROM (VALUES ('pulse_operator', '1'), ('pulse_admin', '1'), ('pulse_collector', '1'), ('pulse_app', '42501'), ('pulse_api', '42501'), ('pulse_writer', '42501')) l (login, outcome);
SELECT * FROM finish();
ROLLBACK;
