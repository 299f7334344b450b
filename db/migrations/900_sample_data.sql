-- SPDX-License-Identifier: Apache-2.0
-- Optional (db/migrate.sh --with-sample): a tenant "sample", a bakery with two
-- sites, to look around in: devices, definitions, rules, six hours of readings
-- up to now, in which an oven was too hot, and the incident of that. It has no
-- key (pulse key create --tenant sample) and pages nobody.
SET ROLE pulse_owner;

INSERT INTO public.tenants (tenant_id, name, limits) VALUES ('sample', 'Sample: a bakery', '{"series": 1000}');

INSERT INTO public.devices (tenant_id, device_id, site_id, description, attributes, thresholds) VALUES
    ('sample', 'oven-1', 'north', 'Deck oven', '{"model": "D4", "decks": 4}', '{}'),
    ('sample', 'oven-2', 'south', 'Deck oven', '{"model": "D2", "decks": 2}', '{"Oven too hot": 240}'),
    ('sample', 'freezer-1', 'north', 'Walk-in freezer', '{"model": "W900"}', '{}'),
    ('sample', 'freezer-2', 'south', 'Walk-in freezer', '{"model": "W900"}', '{}'),
    ('sample', 'mixer-1', 'north', 'Spiral mixer', '{"model": "S120"}', '{}');

INSERT INTO public.metric_definitions (tenant_id, name, display_name, description, unit, retention_days, warning, critical) VALUES
    ('sample', 'temperature', 'Temperature', 'In the oven or freezer', '°C', NULL, NULL, NULL),
    ('sample', 'power', 'Power', 'Electrical power taken', 'W', NULL, 6000, 9000),
    ('sample', 'vibration', 'Vibration', 'Speed of the bearing, root mean square', 'mm/s', 14, 7.1, 11.2),
    ('sample', 'cpu_usage', 'CPU', 'Busy share of the till''s processor', '%', NULL, 80, 95);

INSERT INTO public.alert_rules (tenant_id, name, description, metric_type, threshold, condition, severity) VALUES
    ('sample', 'Oven too hot', 'Bread burns: open the damper, then the door.', 'temperature', 260,
     '{"operator": ">", "for": "2m", "clear": {"threshold": 245, "for": "5m"}}', 'critical'),
    ('sample', 'Freezer too warm', 'Above -15 °C for a quarter of an hour: goods are lost.', 'temperature', -15,
     '{"operator": ">", "for": "15m", "labels": {"device_id": "freezer-1"}}', 'high'),
    ('sample', 'Mixer vibrates', 'A bearing wears out.', 'vibration', 7.1, '{"operator": ">", "for": "10m"}', 'medium'),
    ('sample', 'Till busy', '', 'cpu_usage', 95, '{"operator": ">", "for": "5m"}', 'low');

-- Readings go in as back-fill by a login of the tenant does: through the views,
-- which make the series and mark the rollups.
INSERT INTO store.tenant_logins (login, tenant_id) VALUES (session_user, 'sample')
    ON CONFLICT (login) DO UPDATE SET tenant_id = excluded.tenant_id;

-- Minutes ago, 360 to 1; waves instead of chance, so that each load is alike.
INSERT INTO public.telemetry (time, device_id, site_id, seq, metrics)
SELECT date_trunc('minute', now()) - m * interval '1 minute', d.device_id, d.site_id, 361 - m,
    CASE
        WHEN d.device_id LIKE 'oven-%' THEN jsonb_build_object(
            'temperature', round((d.base + 8 * sin(m / 9.0)
                -- For twelve minutes, two hours ago.
                + CASE WHEN d.device_id = 'oven-1' AND m BETWEEN 120 AND 131 THEN 40 ELSE 0 END)::numeric, 1),
            'power', round((5200 + 900 * sin(m / 4.0))::numeric), 'door', CASE WHEN m % 45 < 2 THEN 'open' ELSE 'closed' END)
        WHEN d.device_id LIKE 'freezer-%' THEN jsonb_build_object(
            'temperature', round((d.base + 1.5 * sin(m / 17.0))::numeric, 1),
            'power', round((780 + 120 * cos(m / 6.0))::numeric), 'defrosting', m % 180 < 12)
        ELSE jsonb_build_object(
            'vibration', round((d.base + 1.2 * sin(m / 5.0) + (360 - m) / 200.0)::numeric, 2),
            'power', CASE WHEN m % 30 < 18 THEN 1500 ELSE 40 END)
    END
FROM (VALUES ('oven-1', 'north', 232.0), ('oven-2', 'south', 218.0), ('freezer-1', 'north', -19.0),
             ('freezer-2', 'south', -20.5), ('mixer-1', 'north', 3.1)) d (device_id, site_id, base),
     generate_series(360, 1, -1) m
ORDER BY m DESC;

INSERT INTO public.metrics (time, host, metric_name, value)
SELECT date_trunc('minute', now()) - n * interval '30 seconds', h.host, 'cpu_usage',
       round((h.base + 15 * sin(n / 40.0) + 6 * cos(n / 7.0))::numeric, 1)
FROM (VALUES ('till-1', 34.0), ('till-2', 41.0)) h (host, base), generate_series(720, 1, -1) n
ORDER BY n DESC;

DELETE FROM store.tenant_logins WHERE login = session_user AND tenant_id = 'sample';

-- What the evaluator would have made of it.
WITH incident AS (
    INSERT INTO public.incidents (tenant_id, title, description, severity, source, metadata, started_at)
    SELECT 'sample', 'Oven too hot: oven-1', r.description, r.severity, 'sample', '{"device_id": "oven-1", "site_id": "north"}',
           date_trunc('minute', now()) - interval '129 minutes'
    FROM public.alert_rules r WHERE r.tenant_id = 'sample' AND r.name = 'Oven too hot'
    RETURNING id, started_at
)
INSERT INTO public.incident_events (incident_id, tenant_id, transition, actor, event_time, note)
SELECT i.id, 'sample', e.transition, e.actor, i.started_at + e.after, e.note
FROM incident i, (VALUES
    (1, 'opened', 'evaluator', interval '0', ''),
    (2, 'acknowledged', 'sample', interval '3 minutes', 'On my way.'),
    (3, 'resolved', 'evaluator', interval '14 minutes', '')) e (nth, transition, actor, after, note)
ORDER BY e.nth;
UPDATE public.incidents SET status = 'investigating', acknowledged_at = started_at + interval '3 minutes', assignee = 'sample'
WHERE tenant_id = 'sample';
UPDATE public.incidents SET status = 'resolved', resolved_at = started_at + interval '14 minutes'
WHERE tenant_id = 'sample';

RESET ROLE;
