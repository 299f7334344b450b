-- SPDX-License-Identifier: Apache-2.0
BEGIN;
SELECT no_plan();
SELECT tests.two_tenants();

-- The view of jobs.
INSERT INTO store.maintenance_jobs (job, every, outcome, since, started_at, succeeded_at, failures) VALUES
    ('timely', '1 minute', 'done', now() - interval '1 day', now() - interval '30 seconds', now() - interval '29 seconds', 0),
    ('late', '1 minute', 'failed', now() - interval '1 day', now() - interval '10 seconds', now() - interval '5 minutes', 3),
    ('never', '1 hour', 'failed', now() - interval '3 hours', now(), NULL, 9);
SELECT results_eq($$SELECT name, outcome, late_seconds, failures FROM store.maintenance WHERE run_by = 'collector' ORDER BY name$$,
    $$VALUES ('late', 'failed', 240::float8, 3::bigint), ('never', 'failed', 7200, 9), ('timely', 'done', 0, 0)$$,
    'late is what is past the interval');
SELECT is(tests.touched('pulse_collector', NULL, $$INSERT INTO store.maintenance_jobs (job, every) VALUES ('x', '1 s')
    ON CONFLICT (job) DO UPDATE SET every = excluded.every$$), '1', 'the collector writes');
SELECT is(tests.answer('pulse_admin', NULL, 'SELECT count(*) > 3 FROM store.maintenance'), 'true', 'the command pulse reads');
SELECT is(tests.answer(login, 'a', 'SELECT count(*) FROM store.maintenance'), '42501', login || ' does not')
FROM unnest(ARRAY['pulse_api', 'pulse_writer', 'pulse_ingest']) login;

-- The outbox.
CREATE FUNCTION pg_temp.notification(age interval, status text, incident_status text, kind text DEFAULT 'firing') RETURNS uuid LANGUAGE plpgsql AS $$
DECLARE
    incident uuid;
    made uuid;
BEGIN
    IF incident_status IS NOT NULL THEN
        INSERT INTO incidents (tenant_id, title, severity, source, started_at) VALUES ('a', 'x', 'low', 'test', now()) RETURNING id INTO incident;
        IF incident_status <> 'open' THEN
            UPDATE incidents i SET status = incident_status WHERE i.id = incident;
        END IF;
    END IF;
    INSERT INTO alert_notifications (tenant_id, incident_id, channel, kind, status, created_at, lease_until)
    VALUES ('a', incident, 'pager', kind, status, now() - age, CASE status WHEN 'sending' THEN now() END) RETURNING id INTO made;
    INSERT INTO notification_attempts (notification_id, attempt, tenant_id, started_at) VALUES (made, 1, 'a', now());
    RETURN made;
END
$$;
CREATE TEMP TABLE made (what text, id uuid, kept boolean);
INSERT INTO made VALUES
    ('delivered, old, resolved', pg_temp.notification('91 days', 'delivered', 'resolved'), false),
    ('dead, old, closed', pg_temp.notification('91 days', 'dead', 'closed'), false),
    ('suppressed, old, resolved', pg_temp.notification('1 year', 'suppressed', 'resolved'), false),
    ('a test, old', pg_temp.notification('91 days', 'delivered', NULL, 'test'), false),
    ('delivered, not old', pg_temp.notification('89 days', 'delivered', 'resolved'), true),
    ('delivered, old, but open', pg_temp.notification('91 days', 'delivered', 'open'), true),
    ('delivered, old, but looked into', pg_temp.notification('91 days', 'delivered', 'investigating'), true),
    ('old, but pending', pg_temp.notification('91 days', 'pending', 'resolved'), true),
    ('old, but sending', pg_temp.notification('91 days', 'sending', 'resolved'), true);
SELECT is(tests.answer('pulse_collector', NULL, $$SELECT store.outbox_prune('90 days', 3)$$), '3', 'at most so many at once');
SELECT is(tests.answer('pulse_collector', NULL, $$SELECT store.outbox_prune('90 days', 3)$$), '1', 'then the rest');
SELECT is(tests.answer('pulse_collector', NULL, $$SELECT store.outbox_prune('90 days')$$), '0', 'then none');
SELECT is(EXISTS (SELECT FROM alert_notifications n WHERE n.id = made.id), kept, what) FROM made;
SELECT is((SELECT count(*) FROM notification_attempts WHERE notification_id IN (SELECT id FROM made)), 5::bigint, 'attempts go with them');
SELECT is(tests.answer(login, NULL, $$SELECT store.outbox_prune('90 days')$$), '42501', login || ' may not')
FROM unnest(ARRAY['pulse_writer', 'pulse_evaluator', 'pulse_admin']) login;
SELECT * FROM finish();
ROLLBACK;
