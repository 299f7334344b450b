-- SPDX-License-Identifier: Apache-2.0
-- What wakes the evaluator. Committed by another session, so cleaned up.
BEGIN;
SELECT no_plan();
SELECT dblink_connect('root', tests.here('postgres'));
SELECT dblink_connect('ear', tests.here('pulse_evaluator'));
SELECT dblink_exec('ear', 'LISTEN pulse_rules');
SELECT dblink_exec('ear', 'LISTEN pulse_outbox');
CREATE FUNCTION pg_temp.heard(statement text) RETURNS text LANGUAGE plpgsql AS $$
BEGIN
    PERFORM dblink_exec('root', statement);
    PERFORM * FROM dblink('ear', 'SELECT 1') d (one int); -- a round trip brings them
    RETURN (SELECT string_agg(notify_name || coalesce(nullif(extra, ''), ''), ',') FROM dblink_get_notify('ear'));
END
$$;
SELECT is(pg_temp.heard($$INSERT INTO tenants (tenant_id, name) VALUES ('wake', 'W')$$), NULL, 'a tenant wakes nobody');
SELECT is(pg_temp.heard(statement), 'pulse_rules', statement)
FROM unnest(ARRAY[
    $$INSERT INTO alert_rules (tenant_id, name, metric_type, threshold) VALUES ('wake', 'r1', 'm', 1), ('wake', 'r2', 'm', 1)$$,
    $$UPDATE alert_rules SET threshold = 2 WHERE tenant_id = 'wake'$$,
    $$INSERT INTO notification_channels (tenant_id, name, kind, url) VALUES ('wake', 'c', 'slack', 'https://example.org/')$$,
    $$INSERT INTO devices (tenant_id, device_id) VALUES ('wake', 'd')$$,
    $$INSERT INTO metric_definitions (tenant_id, name) VALUES ('wake', 'm')$$,
    $$DELETE FROM alert_rules WHERE tenant_id = 'wake'$$]) statement;
SELECT is(pg_temp.heard($$INSERT INTO alert_notifications (tenant_id, channel, kind) VALUES ('wake', 'c', 'test'), ('wake', 'c', 'test')$$),
          'pulse_outbox', 'notifications: once per statement');
SELECT is(pg_temp.heard($$UPDATE alert_notifications SET status = 'dead' WHERE tenant_id = 'wake'$$), NULL, 'their results wake nobody');
SELECT dblink_exec('root', format('DELETE FROM %I WHERE tenant_id = ''wake''', t))
FROM unnest(ARRAY['alert_notifications', 'devices', 'metric_definitions', 'notification_channels', 'tenants']) t;
SELECT dblink_disconnect(s) FROM unnest(ARRAY['root', 'ear']) s;
SELECT * FROM finish();
ROLLBACK;
