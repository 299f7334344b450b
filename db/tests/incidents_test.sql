-- SPDX-License-Identifier: Apache-2.0
-- Incidents: their life, one open at a time, and the outbox.
BEGIN;
SELECT no_plan();
INSERT INTO tenants (tenant_id, name) VALUES ('a', 'A'), ('b', 'B');

CREATE FUNCTION pg_temp.change(start text, goal text) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
    i uuid;
BEGIN
    INSERT INTO incidents (tenant_id, title, severity, source, status, started_at)
    VALUES ('a', 'x', 'low', 'hand', start, now()) RETURNING id INTO i;
    UPDATE incidents SET status = goal WHERE id = i;
    RETURN 'ok';
EXCEPTION WHEN check_violation THEN
    RETURN SQLERRM;
END
$$;
SELECT is(pg_temp.change(start, goal),
    CASE WHEN start = goal OR start || '>' || goal = ANY ('{open>investigating,open>resolved,open>closed,investigating>resolved,investigating>closed,resolved>closed,resolved>open}')
         THEN 'ok' ELSE format('an incident cannot go from %s to %s', start, goal) END,
    format('%s to %s', start, goal))
FROM unnest('{open,investigating,resolved,closed}'::text[]) start, unnest('{open,investigating,resolved,closed}'::text[]) goal;

-- The times that go with it.
INSERT INTO incidents (tenant_id, title, severity, source, rule_id, rule_version, fingerprint, started_at)
VALUES ('a', 'hot', 'high', 'threshold', '00000000-0000-0000-0000-000000000001', 1, 'f1', '2026-01-01 00:00+00');
CREATE FUNCTION pg_temp.after(change text) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
    r text;
BEGIN
    EXECUTE format('UPDATE incidents SET %s WHERE fingerprint = ''f1'' RETURNING concat_ws('' '', status,
        CASE WHEN acknowledged_at = now() THEN ''acknowledged'' WHEN acknowledged_at IS NOT NULL THEN ''acknowledged then'' END,
        CASE WHEN resolved_at = now() THEN ''ended'' WHEN resolved_at IS NOT NULL THEN ''ended then'' END)', change) INTO r;
    RETURN r;
END
$$;
SELECT is(pg_temp.after(change), seen, change)
FROM (VALUES ('assignee = ''me''', 'open'), ('status = ''investigating''', 'investigating acknowledged'),
             ('status = ''resolved'', resolved_at = ''2026-01-01 01:00+00''', 'resolved acknowledged ended then'),
             ('status = ''open''', 'open'),
             ('status = ''investigating'', acknowledged_at = ''2026-01-01 01:00+00''', 'investigating acknowledged then'),
             ('status = ''closed''', 'closed acknowledged then ended')) c (change, seen);
SELECT cmp_ok(updated_at, '>', created_at, 'updated_at follows') FROM incidents WHERE fingerprint = 'f1';

-- One open incident per tenant, rule and fingerprint.
CREATE FUNCTION pg_temp.open(tenant text, rule int, print text) RETURNS text LANGUAGE sql AS $$
    SELECT tests.touched('pulse_evaluator', NULL, format(
        'INSERT INTO incidents (tenant_id, title, severity, source, rule_id, rule_version, fingerprint, started_at)
         VALUES (%L, ''x'', ''high'', ''threshold'', %L, 1, %L, now())
         ON CONFLICT (tenant_id, rule_id, fingerprint) WHERE status IN (''open'', ''investigating'') DO NOTHING',
        tenant, lpad(rule::text, 32, '0')::uuid, print))
$$;
SELECT is(pg_temp.open('a', 1, 'f1'), '1', 'after a closed one, another opens');
SELECT is(pg_temp.open('a', 1, 'f1'), '0', 'not beside an open one');
UPDATE incidents SET status = 'investigating' WHERE fingerprint = 'f1' AND status = 'open';
SELECT is(pg_temp.open('a', 1, 'f1'), '0', 'nor beside one under investigation');
SELECT is(pg_temp.open('a', 1, 'f2'), '1', 'but for another series');
SELECT is(pg_temp.open('a', 2, 'f1'), '1', 'another rule');
SELECT is(pg_temp.open('b', 1, 'f1'), '1', 'another tenant');
UPDATE incidents SET status = 'resolved' WHERE fingerprint = 'f2';
SELECT is(pg_temp.open('a', 1, 'f2'), '1', 'and after a resolved one');
SELECT throws_ok('UPDATE incidents SET status = ''open'' WHERE fingerprint = ''f2'' AND status = ''resolved''', '23505', NULL,
    'a resolved one is not reopened beside it');
SELECT is(tests.touched('pulse_evaluator', NULL,
    'INSERT INTO incidents (tenant_id, title, severity, source, started_at) VALUES (''a'', ''x'', ''low'', ''threshold'', now())'),
    '42501', 'the evaluator''s incidents have a rule: NULLs would slip through the index');
SELECT throws_ok('INSERT INTO incidents (tenant_id, title, severity, source, started_at, rule_id, rule_version) VALUES (''a'', ''x'', ''low'', ''threshold'', now(), gen_random_uuid(), 1)',
    '23514', NULL, 'a rule has a fingerprint');

-- Timeline and outbox belong to the incident's tenant.
CREATE TEMP TABLE one AS SELECT id FROM incidents WHERE tenant_id = 'b';
SELECT throws_ok(format('INSERT INTO incident_events (incident_id, tenant_id, transition, actor, event_time) VALUES (%L, ''a'', ''opened'', ''x'', now())', id),
    '23503', NULL, 'no event of another tenant') FROM one;
SELECT throws_ok(format('INSERT INTO alert_notifications (incident_id, tenant_id, channel, kind) VALUES (%L, ''a'', ''c'', ''firing'')', id),
    '23503', NULL, 'no notification of another tenant') FROM one;
SELECT throws_ok('INSERT INTO alert_notifications (tenant_id, channel, kind) VALUES (''a'', ''c'', ''firing'')', '23514', NULL, 'a firing has an incident');
SELECT throws_ok(format('INSERT INTO incident_events (incident_id, tenant_id, transition, actor, event_time) VALUES (%L, ''b'', ''exploded'', ''x'', now())', id),
    '23514', NULL, 'transitions are known') FROM one;

INSERT INTO alert_notifications (incident_id, tenant_id, channel, kind, next_attempt_at)
    SELECT id, 'b', 'c', kind, now() + delay FROM one, (VALUES ('firing', interval '0'), ('resolved', interval '1 hour')) k (kind, delay);
SELECT results_eq('SELECT kind FROM alert_notifications ORDER BY seq', $$VALUES ('firing'), ('resolved')$$, 'seq keeps the order within a transaction');
SELECT is(tests.answer('pulse_evaluator', NULL, $$
    WITH mine AS (SELECT id FROM alert_notifications WHERE status = 'pending' AND next_attempt_at <= now()
                       OR status = 'sending' AND lease_until < now() ORDER BY next_attempt_at LIMIT 10 FOR UPDATE SKIP LOCKED)
    UPDATE alert_notifications n SET status = 'sending', attempts = attempts + 1, lease_until = now() + interval '1 minute'
    FROM mine WHERE n.id = mine.id RETURNING kind || attempts$$), 'firing1', 'a claim takes what is due');
SELECT is(tests.touched('pulse_evaluator', NULL,
    format('UPDATE alert_notifications SET status = %L, lease_until = NULL WHERE kind = ''firing'' AND attempts = %s', 'delivered', attempt)), n,
    'the result of attempt ' || attempt)
FROM (VALUES (0, '0'), (1, '1')) a (attempt, n);
SELECT throws_ok('UPDATE alert_notifications SET status = ''sending''', '23514', NULL, 'sending needs a lease');
SELECT throws_ok('UPDATE alert_notifications SET lease_until = now()', '23514', NULL, 'and only sending has one');
SELECT is(tests.touched('pulse_evaluator', NULL,
    'INSERT INTO notification_attempts (notification_id, attempt, tenant_id, started_at, status) SELECT id, 1, tenant_id, now(), 200 FROM alert_notifications WHERE kind = ''firing'''),
    '1', 'each attempt is recorded');
SET enable_seqscan = off;
CREATE FUNCTION pg_temp.plan(query text) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
    line text;
    lines text := '';
BEGIN
    FOR line IN EXECUTE 'EXPLAIN (COSTS OFF) ' || query LOOP
        lines := lines || line;
    END LOOP;
    RETURN lines;
END
$$;
SELECT matches(pg_temp.plan('SELECT id FROM alert_notifications WHERE status = ''pending'' AND next_attempt_at <= now() ORDER BY next_attempt_at LIMIT 10'),
    'alert_notifications_due', 'what is due is found by its index');

SELECT * FROM finish();
ROLLBACK;
