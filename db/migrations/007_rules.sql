-- SPDX-License-Identifier: Apache-2.0
-- What an operator configures (definitions, devices, rules, channels) and what
-- the evaluator remembers of it.
SET ROLE pulse_owner;

CREATE TABLE public.metric_definitions (
    tenant_id text NOT NULL REFERENCES public.tenants,
    name text NOT NULL CHECK (name <> ''),
    display_name text,
    description text,
    unit text,
    type text NOT NULL DEFAULT 'gauge' CHECK (type IN ('gauge', 'counter', 'histogram', 'summary')),
    aggregation text NOT NULL DEFAULT 'avg' CHECK (aggregation IN ('avg', 'rate', 'percentile')),
    retention_days integer CHECK (retention_days > 0),
    warning double precision,
    critical double precision,
    created_at timestamptz NOT NULL DEFAULT now(),
    updated_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (tenant_id, name)
);
COMMENT ON TABLE public.metric_definitions IS 'What a tenant says about a metric';
COMMENT ON COLUMN public.metric_definitions.tenant_id IS 'Owner';
COMMENT ON COLUMN public.metric_definitions.name IS 'Metric name';
COMMENT ON COLUMN public.metric_definitions.display_name IS 'Name for people';
COMMENT ON COLUMN public.metric_definitions.description IS 'What it measures';
COMMENT ON COLUMN public.metric_definitions.unit IS 'Unit of the values (celsius, percent, bytes, …)';
COMMENT ON COLUMN public.metric_definitions.type IS 'gauge, counter, histogram or summary';
COMMENT ON COLUMN public.metric_definitions.aggregation IS 'How it is drawn over a range: avg, rate or percentile';
COMMENT ON COLUMN public.metric_definitions.retention_days IS 'Days raw samples are kept, > 0; NULL: as all';
COMMENT ON COLUMN public.metric_definitions.warning IS 'Threshold of severity medium, in unit; NULL: none';
COMMENT ON COLUMN public.metric_definitions.critical IS 'Threshold of severity critical, in unit; NULL: none';
COMMENT ON COLUMN public.metric_definitions.created_at IS 'When the row was made, UTC';
COMMENT ON COLUMN public.metric_definitions.updated_at IS 'When it was last changed, UTC (by trigger)';

CREATE TABLE public.devices (
    tenant_id text NOT NULL REFERENCES public.tenants,
    device_id text NOT NULL CHECK (device_id <> ''),
    site_id text,
    description text NOT NULL DEFAULT '',
    attributes jsonb NOT NULL DEFAULT '{}' CHECK (jsonb_typeof(attributes) = 'object'),
    thresholds jsonb NOT NULL DEFAULT '{}' CHECK (jsonb_typeof(thresholds) = 'object'),
    created_at timestamptz NOT NULL DEFAULT now(),
    updated_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (tenant_id, device_id)
);
COMMENT ON TABLE public.devices IS 'Devices an operator told Pulse about; a device need not be here to send';
COMMENT ON COLUMN public.devices.tenant_id IS 'Owner';
COMMENT ON COLUMN public.devices.device_id IS 'Device, unique within its tenant';
COMMENT ON COLUMN public.devices.site_id IS 'Where it is; NULL: not told';
COMMENT ON COLUMN public.devices.description IS 'Free text for people';
COMMENT ON COLUMN public.devices.attributes IS 'Object, free';
COMMENT ON COLUMN public.devices.thresholds IS 'Object of rule name to number: replaces the rule''s threshold for this device';
COMMENT ON COLUMN public.devices.created_at IS 'When the row was made, UTC';
COMMENT ON COLUMN public.devices.updated_at IS 'When it was last changed, UTC (by trigger)';

CREATE TABLE public.notification_channels (
    tenant_id text NOT NULL REFERENCES public.tenants,
    name text NOT NULL CHECK (name <> ''),
    kind text NOT NULL CHECK (kind IN ('webhook', 'alertmanager', 'pagerduty', 'slack', 'temporal')),
    url text NOT NULL CHECK (url ~ '^https?://'),
    secrets text[] NOT NULL DEFAULT '{}'
        CHECK (cardinality(secrets) <= 2 AND array_position(secrets, NULL) IS NULL),
    settings jsonb NOT NULL DEFAULT '{}' CHECK (jsonb_typeof(settings) = 'object'),
    enabled boolean NOT NULL DEFAULT true,
    disabled_reason text,
    created_at timestamptz NOT NULL DEFAULT now(),
    updated_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (tenant_id, name)
);
COMMENT ON TABLE public.notification_channels IS 'Where notifications go';
COMMENT ON COLUMN public.notification_channels.tenant_id IS 'Owner';
COMMENT ON COLUMN public.notification_channels.name IS 'Name that alert_rules.channels uses';
COMMENT ON COLUMN public.notification_channels.kind IS 'webhook (Standard Webhooks), alertmanager, pagerduty, slack or temporal';
COMMENT ON COLUMN public.notification_channels.url IS 'Address, http or https (http only where the operator allows it)';
COMMENT ON COLUMN public.notification_channels.secrets IS 'At most two: the current one first, during a rotation the old one second; a webhook is signed with each (whsec_ and base64)';
COMMENT ON COLUMN public.notification_channels.settings IS 'Object: what the kind needs beside the address';
COMMENT ON COLUMN public.notification_channels.enabled IS 'False: nothing is sent';
COMMENT ON COLUMN public.notification_channels.disabled_reason IS 'Why Pulse switched it off (410 Gone); NULL: it did not';
COMMENT ON COLUMN public.notification_channels.created_at IS 'When the row was made, UTC';
COMMENT ON COLUMN public.notification_channels.updated_at IS 'When it was last changed, UTC (by trigger)';

CREATE TABLE public.alert_rules (
    id uuid PRIMARY KEY DEFAULT gen_random_uuid(),
    tenant_id text NOT NULL REFERENCES public.tenants,
    name text NOT NULL CHECK (name <> ''),
    description text NOT NULL DEFAULT '',
    metric_type text NOT NULL CHECK (metric_type <> ''),
    threshold double precision
        CHECK (threshold NOT IN ('NaN', 'Infinity', '-Infinity')),
    condition jsonb NOT NULL DEFAULT '{}' CHECK (jsonb_typeof(condition) = 'object'),
    severity text NOT NULL DEFAULT 'high' CHECK (severity IN ('low', 'medium', 'high', 'critical')),
    channels text[] NOT NULL DEFAULT '{}' CHECK (array_position(channels, NULL) IS NULL),
    enabled boolean NOT NULL DEFAULT true,
    origin text NOT NULL DEFAULT 'user' CHECK (origin IN ('user', 'definition', 'builtin')),
    version bigint NOT NULL DEFAULT 1,
    created_at timestamptz NOT NULL DEFAULT now(),
    updated_at timestamptz NOT NULL DEFAULT now(),
    UNIQUE (tenant_id, name),
    CONSTRAINT alert_rules_aggregation CHECK (coalesce(condition ->> 'aggregation', 'last') IN
        ('last', 'avg', 'min', 'max', 'sum', 'count', 'stddev', 'p50', 'p95', 'p99',
         'rate', 'increase', 'absent', 'error_rate')),
    CONSTRAINT alert_rules_threshold CHECK
        (threshold IS NOT NULL OR coalesce(condition ->> 'aggregation', 'last') = 'absent')
);
COMMENT ON TABLE public.alert_rules IS 'When an incident opens and who is told';
COMMENT ON COLUMN public.alert_rules.id IS 'Identity for ever';
COMMENT ON COLUMN public.alert_rules.tenant_id IS 'Owner';
COMMENT ON COLUMN public.alert_rules.name IS 'Name for people, unique within the tenant';
COMMENT ON COLUMN public.alert_rules.description IS 'What it means and what to do';
COMMENT ON COLUMN public.alert_rules.metric_type IS 'Metric name, or name of a telemetry field';
COMMENT ON COLUMN public.alert_rules.threshold IS 'Limit in the metric''s unit, finite; NULL only for aggregation absent';
COMMENT ON COLUMN public.alert_rules.condition IS 'Object: operator, aggregation (last unless told), window, for, clear, keep_firing (durations), labels (object of text to text, all must match), min_samples';
COMMENT ON COLUMN public.alert_rules.severity IS 'low, medium, high or critical';
COMMENT ON COLUMN public.alert_rules.channels IS 'Names in notification_channels of the same tenant; one that does not exist is skipped';
COMMENT ON COLUMN public.alert_rules.enabled IS 'False: not evaluated';
COMMENT ON COLUMN public.alert_rules.origin IS 'user, definition (from metric_definitions) or builtin';
COMMENT ON COLUMN public.alert_rules.version IS 'From 1, kept by a trigger: grows when metric_type, threshold, condition or enabled change; a new version starts with empty windows';
COMMENT ON COLUMN public.alert_rules.created_at IS 'When the row was made, UTC';
COMMENT ON COLUMN public.alert_rules.updated_at IS 'When it was last changed, UTC (by trigger)';

CREATE FUNCTION store.alert_rules_version() RETURNS trigger
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    IF TG_OP = 'INSERT' THEN
        NEW.version := 1;
    ELSIF (NEW.metric_type, NEW.threshold, NEW.condition, NEW.enabled)
          IS DISTINCT FROM (OLD.metric_type, OLD.threshold, OLD.condition, OLD.enabled) THEN
        NEW.version := OLD.version + 1;
    ELSE
        NEW.version := OLD.version;
    END IF;
    RETURN NEW;
END
$$;
COMMENT ON FUNCTION store.alert_rules_version() IS 'BEFORE trigger of alert_rules: keeps version, whatever was written to it';
CREATE TRIGGER version BEFORE INSERT OR UPDATE ON public.alert_rules
    FOR EACH ROW EXECUTE FUNCTION store.alert_rules_version();

CREATE TRIGGER updated_at BEFORE UPDATE ON public.metric_definitions
    FOR EACH ROW EXECUTE FUNCTION store.set_updated_at();
CREATE TRIGGER updated_at BEFORE UPDATE ON public.devices
    FOR EACH ROW EXECUTE FUNCTION store.set_updated_at();
CREATE TRIGGER updated_at BEFORE UPDATE ON public.notification_channels
    FOR EACH ROW EXECUTE FUNCTION store.set_updated_at();
CREATE TRIGGER updated_at BEFORE UPDATE ON public.alert_rules
    FOR EACH ROW EXECUTE FUNCTION store.set_updated_at();

CREATE TRIGGER wake AFTER INSERT OR UPDATE OR DELETE ON public.metric_definitions
    FOR EACH STATEMENT EXECUTE FUNCTION store.wake('pulse_rules');
CREATE TRIGGER wake AFTER INSERT OR UPDATE OR DELETE ON public.devices
    FOR EACH STATEMENT EXECUTE FUNCTION store.wake('pulse_rules');
CREATE TRIGGER wake AFTER INSERT OR UPDATE OR DELETE ON public.notification_channels
    FOR EACH STATEMENT EXECUTE FUNCTION store.wake('pulse_rules');
CREATE TRIGGER wake AFTER INSERT OR UPDATE OR DELETE ON public.alert_rules
    FOR EACH STATEMENT EXECUTE FUNCTION store.wake('pulse_rules');

CREATE TABLE store.rule_state (
    topic text NOT NULL,
    part integer NOT NULL CHECK (part >= 0),
    tenant_id text NOT NULL,
    rule_id uuid NOT NULL,
    version bigint NOT NULL,
    fingerprint text NOT NULL,
    phase text NOT NULL CHECK (phase <> ''),
    since timestamptz,
    event_max timestamptz,
    last_received timestamptz,
    cause_off bigint,
    PRIMARY KEY (topic, part, rule_id, fingerprint)
);
COMMENT ON TABLE store.rule_state IS 'Phase of each rule instance (a rule on one series) as of the evaluator''s next_off of the partition; written in the batch''s transaction when it changes. Windows are not kept: they are read again from replay_from';
COMMENT ON COLUMN store.rule_state.topic IS 'Kafka topic the series travels in';
COMMENT ON COLUMN store.rule_state.part IS 'Kafka partition, >= 0';
COMMENT ON COLUMN store.rule_state.tenant_id IS 'Owner of the rule';
COMMENT ON COLUMN store.rule_state.rule_id IS 'alert_rules.id (the rule may be gone)';
COMMENT ON COLUMN store.rule_state.version IS 'Version of the rule the phase belongs to';
COMMENT ON COLUMN store.rule_state.fingerprint IS 'Which series, as in incidents.fingerprint';
COMMENT ON COLUMN store.rule_state.phase IS 'Phase of the state machine, as common/pulse/rule names it';
COMMENT ON COLUMN store.rule_state.since IS 'Event time the phase began at, UTC';
COMMENT ON COLUMN store.rule_state.event_max IS 'Greatest event time of the series so far, UTC';
COMMENT ON COLUMN store.rule_state.last_received IS 'received_at of its last sample (the edge''s clock), UTC';
COMMENT ON COLUMN store.rule_state.cause_off IS 'Offset of the sample that caused the phase; NULL: a timer did';

CREATE TABLE store.rule_activations (
    topic text NOT NULL,
    part integer NOT NULL CHECK (part >= 0),
    rule_id uuid NOT NULL,
    version bigint NOT NULL,
    off bigint NOT NULL CHECK (off >= 0),
    tenant_id text NOT NULL,
    activated_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (topic, part, rule_id, version)
);
COMMENT ON TABLE store.rule_activations IS 'From which offset on a rule''s version counts in a partition: replay starts its windows there, as live did';
COMMENT ON COLUMN store.rule_activations.topic IS 'Kafka topic';
COMMENT ON COLUMN store.rule_activations.part IS 'Kafka partition, >= 0';
COMMENT ON COLUMN store.rule_activations.rule_id IS 'alert_rules.id (the rule may be gone)';
COMMENT ON COLUMN store.rule_activations.version IS 'alert_rules.version';
COMMENT ON COLUMN store.rule_activations.off IS 'First offset the version sees';
COMMENT ON COLUMN store.rule_activations.tenant_id IS 'Owner of the rule';
COMMENT ON COLUMN store.rule_activations.activated_at IS 'When it was activated, UTC';

CREATE TABLE public.metrics_agg (
    tenant_id text NOT NULL,
    window_key text NOT NULL,
    metric_type text NOT NULL,
    value double precision,
    count bigint NOT NULL DEFAULT 0 CHECK (count >= 0),
    window_start timestamptz NOT NULL,
    window_end timestamptz NOT NULL,
    created_at timestamptz NOT NULL DEFAULT now(),
    updated_at timestamptz NOT NULL DEFAULT now(),
    UNIQUE (tenant_id, window_key, metric_type, window_start),
    CHECK (window_end > window_start)
);
CREATE TRIGGER updated_at BEFORE UPDATE ON public.metrics_agg
    FOR EACH ROW EXECUTE FUNCTION store.set_updated_at();
COMMENT ON TABLE public.metrics_agg IS 'Results of the evaluator''s windows, upserted about every 30 s';
COMMENT ON COLUMN public.metrics_agg.tenant_id IS 'Owner';
COMMENT ON COLUMN public.metrics_agg.window_key IS 'Which window: rule and series';
COMMENT ON COLUMN public.metrics_agg.metric_type IS 'Metric name, or name of a telemetry field';
COMMENT ON COLUMN public.metrics_agg.value IS 'Result of the aggregation; NULL: too few samples';
COMMENT ON COLUMN public.metrics_agg.count IS 'Samples in the window, >= 0';
COMMENT ON COLUMN public.metrics_agg.window_start IS 'Begin of the window, event time, inclusive, UTC';
COMMENT ON COLUMN public.metrics_agg.window_end IS 'End of the window, event time, exclusive, UTC';
COMMENT ON COLUMN public.metrics_agg.created_at IS 'When the row was made, UTC';
COMMENT ON COLUMN public.metrics_agg.updated_at IS 'When it was last changed, UTC (by trigger)';

RESET ROLE;
