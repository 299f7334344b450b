-- SPDX-License-Identifier: Apache-2.0
-- Who may do what: all rights but those of system_metrics (005) stand here.
SET ROLE pulse_owner;

-- The store has no row-level security (a hypertable with it can neither be
-- compressed nor COPYed to): rights on it are rights on all tenants.
GRANT USAGE ON SCHEMA store TO pulse_writer, pulse_evaluator, pulse_collector, pulse_operator;

GRANT SELECT, INSERT ON store.samples, store.telemetry, store.raw_events TO pulse_writer;
GRANT SELECT ON store.series TO pulse_writer;
GRANT EXECUTE ON FUNCTION store.series_ids(text[], text[], jsonb[]) TO pulse_writer;
GRANT EXECUTE ON FUNCTION store.series_key(text, text, jsonb)
    TO pulse_writer, pulse_evaluator, pulse_operator;
GRANT SELECT, INSERT, UPDATE ON store.consumer_offset TO pulse_writer, pulse_evaluator;
GRANT SELECT, INSERT, UPDATE ON store.ingest_ledger TO pulse_writer;
GRANT SELECT, INSERT, UPDATE, DELETE ON store.rule_state, store.rule_activations
    TO pulse_evaluator;
GRANT SELECT ON store.consumer_offset, store.ingest_ledger, store.ledger TO pulse_collector;
GRANT SELECT ON ALL TABLES IN SCHEMA store TO pulse_operator;

GRANT EXECUTE ON FUNCTION store.current_tenant() TO pulse_app;
GRANT SELECT ON public.series, public.metrics, public.metrics_latest, public.telemetry,
    public.raw_events TO pulse_app;
GRANT EXECUTE ON FUNCTION public.api_key_find(text) TO pulse_api;

-- Ordinary tables: row-level security, forced on the owner too. FORCE hides
-- every row from the owner's own functions unless a policy says otherwise.
DO $$
DECLARE
    t text;
    r record;
    all_tenants constant text := 'true';
    one_tenant constant text := 'tenant_id = (SELECT store.current_tenant())';
    limited text;
BEGIN
    FOREACH t IN ARRAY ARRAY['tenants', 'api_keys', 'devices', 'metric_definitions',
        'alert_rules', 'notification_channels', 'incidents', 'incident_events',
        'alert_notifications', 'notification_attempts', 'metrics_agg', 'dead_letters']
    LOOP
        EXECUTE format('ALTER TABLE public.%I ENABLE ROW LEVEL SECURITY', t);
        EXECUTE format('ALTER TABLE public.%I FORCE ROW LEVEL SECURITY', t);
        EXECUTE format('CREATE POLICY pulse_owner ON public.%I TO pulse_owner USING (true) WITH CHECK (true)', t);
    END LOOP;

    -- A right is a grant and a policy of the same role and command.
    -- columns: '' is all. rows: which rows, beside the role's tenants.
    FOR r IN
        SELECT * FROM (VALUES
            -- The edge: keys and limits of all tenants.
            ('pulse_ingest', 'tenants', 'SELECT', '(tenant_id, limits)', 'true'),
            ('pulse_ingest', 'api_keys', 'SELECT', '', 'true'),
            ('pulse_ingest', 'api_keys', 'UPDATE', '(last_used_at)', 'true'),

            ('pulse_writer', 'dead_letters', 'INSERT', '', 'true'),

            ('pulse_evaluator', 'devices', 'SELECT', '', 'true'),
            ('pulse_evaluator', 'metric_definitions', 'SELECT', '', 'true'),
            ('pulse_evaluator', 'alert_rules', 'SELECT', '', 'true'),
            ('pulse_evaluator', 'notification_channels', 'SELECT', '', 'true'),
            ('pulse_evaluator', 'notification_channels', 'UPDATE', '(enabled, disabled_reason)', 'true'),
            ('pulse_evaluator', 'incidents', 'SELECT', '', 'true'),
            ('pulse_evaluator', 'incidents', 'INSERT', '', 'rule_id IS NOT NULL'),
            ('pulse_evaluator', 'incidents', 'UPDATE', '', 'true'),
            ('pulse_evaluator', 'incident_events', 'SELECT', '', 'true'),
            ('pulse_evaluator', 'incident_events', 'INSERT', '', 'true'),
            ('pulse_evaluator', 'alert_notifications', 'SELECT', '', 'true'),
            ('pulse_evaluator', 'alert_notifications', 'INSERT', '', 'true'),
            ('pulse_evaluator', 'alert_notifications', 'UPDATE', '', 'true'),
            ('pulse_evaluator', 'notification_attempts', 'SELECT', '', 'true'),
            ('pulse_evaluator', 'notification_attempts', 'INSERT', '', 'true'),
            ('pulse_evaluator', 'notification_attempts', 'UPDATE', '', 'true'),
            ('pulse_evaluator', 'metrics_agg', 'SELECT', '', 'true'),
            ('pulse_evaluator', 'metrics_agg', 'INSERT', '', 'true'),
            ('pulse_evaluator', 'metrics_agg', 'UPDATE', '', 'true'),

            -- The api: rows of its current tenant; secrets go in, never out.
            ('pulse_api', 'tenants', 'SELECT', '', 'true'),
            ('pulse_api', 'api_keys', 'SELECT', '(key_id, tenant_id, device_id, scopes, description, created_at, expires_at, revoked_at, last_used_at)', 'true'),
            ('pulse_api', 'api_keys', 'INSERT', '', 'true'),
            ('pulse_api', 'api_keys', 'UPDATE', '(description, expires_at, revoked_at)', 'true'),
            ('pulse_api', 'devices', 'SELECT', '', 'true'),
            ('pulse_api', 'devices', 'INSERT', '', 'true'),
            ('pulse_api', 'devices', 'UPDATE', '', 'true'),
            ('pulse_api', 'devices', 'DELETE', '', 'true'),
            ('pulse_api', 'metric_definitions', 'SELECT', '', 'true'),
            ('pulse_api', 'metric_definitions', 'INSERT', '', 'true'),
            ('pulse_api', 'metric_definitions', 'UPDATE', '', 'true'),
            ('pulse_api', 'metric_definitions', 'DELETE', '', 'true'),
            ('pulse_api', 'alert_rules', 'SELECT', '', 'true'),
            ('pulse_api', 'alert_rules', 'INSERT', '', 'true'),
            ('pulse_api', 'alert_rules', 'UPDATE', '', 'true'),
            ('pulse_api', 'alert_rules', 'DELETE', '', 'true'),
            ('pulse_api', 'notification_channels', 'SELECT', '(tenant_id, name, kind, url, settings, enabled, disabled_reason, created_at, updated_at)', 'true'),
            ('pulse_api', 'notification_channels', 'INSERT', '', 'true'),
            ('pulse_api', 'notification_channels', 'UPDATE', '', 'true'),
            ('pulse_api', 'notification_channels', 'DELETE', '', 'true'),
            ('pulse_api', 'incidents', 'SELECT', '', 'true'),
            ('pulse_api', 'incidents', 'UPDATE', '(status, assignee, acknowledged_at, resolved_at)', 'true'),
            ('pulse_api', 'incident_events', 'SELECT', '', 'true'),
            ('pulse_api', 'incident_events', 'INSERT', '', 'true'),
            ('pulse_api', 'alert_notifications', 'SELECT', '', 'true'),
            ('pulse_api', 'alert_notifications', 'INSERT', '', 'kind = ''test'''),
            ('pulse_api', 'alert_notifications', 'UPDATE', '(status, next_attempt_at, lease_until)', 'true'),
            ('pulse_api', 'notification_attempts', 'SELECT', '', 'true'),
            ('pulse_api', 'metrics_agg', 'SELECT', '', 'true'),
            ('pulse_api', 'dead_letters', 'SELECT', '', 'true'),
            ('pulse_api', 'dead_letters', 'UPDATE', '(payload, status, redriven_at)', 'true'),

            -- Operators read all but secrets.
            ('pulse_operator', 'tenants', 'SELECT', '', 'true'),
            ('pulse_operator', 'api_keys', 'SELECT', '(key_id, tenant_id, device_id, scopes, description, created_at, expires_at, revoked_at, last_used_at)', 'true'),
            ('pulse_operator', 'devices', 'SELECT', '', 'true'),
            ('pulse_operator', 'metric_definitions', 'SELECT', '', 'true'),
            ('pulse_operator', 'alert_rules', 'SELECT', '', 'true'),
            ('pulse_operator', 'notification_channels', 'SELECT', '(tenant_id, name, kind, url, settings, enabled, disabled_reason, created_at, updated_at)', 'true'),
            ('pulse_operator', 'incidents', 'SELECT', '', 'true'),
            ('pulse_operator', 'incident_events', 'SELECT', '', 'true'),
            ('pulse_operator', 'alert_notifications', 'SELECT', '', 'true'),
            ('pulse_operator', 'notification_attempts', 'SELECT', '', 'true'),
            ('pulse_operator', 'metrics_agg', 'SELECT', '', 'true'),
            ('pulse_operator', 'dead_letters', 'SELECT', '', 'true'),

            -- The command pulse.
            ('pulse_admin', 'tenants', 'INSERT', '', 'true'),
            ('pulse_admin', 'tenants', 'UPDATE', '(name, limits)', 'true'),
            ('pulse_admin', 'api_keys', 'INSERT', '', 'true'),
            ('pulse_admin', 'api_keys', 'UPDATE', '(description, expires_at, revoked_at)', 'true'),
            ('pulse_admin', 'devices', 'INSERT', '', 'true'),
            ('pulse_admin', 'devices', 'UPDATE', '', 'true'),
            ('pulse_admin', 'devices', 'DELETE', '', 'true'),
            ('pulse_admin', 'metric_definitions', 'INSERT', '', 'true'),
            ('pulse_admin', 'metric_definitions', 'UPDATE', '', 'true'),
            ('pulse_admin', 'metric_definitions', 'DELETE', '', 'true'),
            ('pulse_admin', 'alert_rules', 'INSERT', '', 'true'),
            ('pulse_admin', 'alert_rules', 'UPDATE', '', 'true'),
            ('pulse_admin', 'alert_rules', 'DELETE', '', 'true'),
            ('pulse_admin', 'notification_channels', 'INSERT', '', 'true'),
            ('pulse_admin', 'notification_channels', 'UPDATE', '', 'true'),
            ('pulse_admin', 'notification_channels', 'DELETE', '', 'true'),
            ('pulse_admin', 'dead_letters', 'UPDATE', '(payload, status, redriven_at)', 'true'),
            ('pulse_admin', 'dead_letters', 'DELETE', '', 'true')
        ) AS v (who, what, command, columns, rows)
    LOOP
        limited := format('(%s) AND (%s)', r.rows,
            CASE r.who WHEN 'pulse_api' THEN one_tenant ELSE all_tenants END);
        EXECUTE format('GRANT %s %s ON public.%I TO %I', r.command, r.columns, r.what, r.who);
        EXECUTE format('CREATE POLICY %I ON public.%I FOR %s TO %I %s',
            r.who || '_' || lower(r.command), r.what, r.command, r.who,
            CASE r.command
                WHEN 'INSERT' THEN format('WITH CHECK (%s)', limited)
                WHEN 'UPDATE' THEN format('USING (%s) WITH CHECK (%s)', limited, limited)
                ELSE format('USING (%s)', limited)
            END);
    END LOOP;
END
$$;

-- Pulse's own metrics travel like everybody's.
INSERT INTO public.tenants (tenant_id, name) VALUES ('pulse', 'Pulse itself');

RESET ROLE;
