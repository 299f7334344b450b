-- SPDX-License-Identifier: Apache-2.0
-- What the tests share, in schema tests of the migrated database; on both
-- editions, so without pgTAP.

-- Runs a query as a login would, with app.tenant_id set (NULL: not set), and
-- returns the first column of its first row, or the SQLSTATE it failed with.
-- session_user is the login: that is what store.current_tenant() asks.
CREATE FUNCTION tests.answer(login text, tenant text, query text) RETURNS text
LANGUAGE plpgsql AS $$
DECLARE
    result text;
BEGIN
    PERFORM set_config('app.tenant_id', tenant, true);
    EXECUTE format('SET LOCAL SESSION AUTHORIZATION %I', login);
    EXECUTE query INTO result;
    RESET SESSION AUTHORIZATION;
    PERFORM set_config('app.tenant_id', '', true);
    RETURN result;
EXCEPTION WHEN OTHERS THEN
    RETURN SQLSTATE;
END
$$;

-- The same for a statement that returns no rows: how many it touched.
CREATE FUNCTION tests.touched(login text, tenant text, statement text) RETURNS text
LANGUAGE plpgsql AS $$
DECLARE
    n bigint;
BEGIN
    PERFORM set_config('app.tenant_id', tenant, true);
    EXECUTE format('SET LOCAL SESSION AUTHORIZATION %I', login);
    EXECUTE statement;
    GET DIAGNOSTICS n = ROW_COUNT;
    RESET SESSION AUTHORIZATION;
    PERFORM set_config('app.tenant_id', '', true);
    RETURN n;
EXCEPTION WHEN OTHERS THEN
    RETURN SQLSTATE;
END
$$;

-- Where a second session reaches this database.
CREATE FUNCTION tests.here(login text) RETURNS text LANGUAGE sql AS $$
    SELECT format('host=%s port=%s dbname=%s user=%s', current_setting('unix_socket_directories'),
                  current_setting('port'), current_database(), login)
$$;

-- Two tenants with a series and three samples each, the same device and rule.
CREATE FUNCTION tests.two_tenants() RETURNS void LANGUAGE plpgsql AS $$
DECLARE
    t text;
    id bigint;
    rule uuid;
    incident uuid;
    note uuid;
BEGIN
    FOREACH t IN ARRAY ARRAY['a', 'b'] LOOP
        INSERT INTO tenants (tenant_id, name) VALUES (t, 'Tenant ' || t);
        INSERT INTO api_keys (key_id, tenant_id, scopes, secret_hash)
            VALUES ('key' || t, t, '{write}', sha256(t::bytea));
        INSERT INTO devices (tenant_id, device_id) VALUES (t, 'd1');
        INSERT INTO metric_definitions (tenant_id, name) VALUES (t, 'temp');
        INSERT INTO notification_channels (tenant_id, name, kind, url, secrets)
            VALUES (t, 'pager', 'webhook', 'https://example.org/', ARRAY['whsec_' || t]);
        INSERT INTO alert_rules (tenant_id, name, metric_type, threshold)
            VALUES (t, 'hot', 'temp', 40) RETURNING alert_rules.id INTO rule;
        INSERT INTO incidents (tenant_id, title, severity, source, rule_id, rule_version, fingerprint, started_at)
            VALUES (t, 'hot', 'high', 'threshold', rule, 1, 'f', now()) RETURNING incidents.id INTO incident;
        INSERT INTO incident_events (incident_id, tenant_id, transition, actor, event_time)
            VALUES (incident, t, 'opened', 'evaluator', now());
        INSERT INTO alert_notifications (tenant_id, incident_id, rule_id, channel, kind)
            VALUES (t, incident, rule, 'pager', 'firing') RETURNING alert_notifications.id INTO note;
        INSERT INTO notification_attempts (notification_id, attempt, tenant_id, started_at)
            VALUES (note, 1, t, now());
        INSERT INTO metrics_agg (tenant_id, window_key, metric_type, window_start, window_end)
            VALUES (t, 'w', 'temp', now() - interval '1 minute', now());
        INSERT INTO dead_letters (tenant_id, stage, reason, payload, failed_at)
            VALUES (t, 'ingest', 'invalid_value', '\x00', now());
        SELECT series_id INTO id FROM store.series_ids(ARRAY[t], ARRAY['temp'],
            ARRAY[jsonb_build_object('device_id', 'd1')]);
        INSERT INTO store.samples
            SELECT now() - g * interval '1 minute', id, CASE t WHEN 'a' THEN g ELSE 42 END
            FROM generate_series(1, 3) g;
        INSERT INTO store.telemetry (time, tenant_id, device_id, metrics) VALUES (now(), t, 'd1', '{"temp": 1}');
        INSERT INTO store.raw_events (id, tenant_id, topic, part, off, data, time)
            VALUES ('e1', t, 'pulse.events', 0, 0, '{"level": "error"}', now());
    END LOOP;
    INSERT INTO dead_letters (tenant_id, stage, reason, payload, failed_at)
        VALUES (NULL, 'writer', 'undecodable', '\x00', now());
END
$$;
