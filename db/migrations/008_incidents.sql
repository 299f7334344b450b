-- SPDX-License-Identifier: Apache-2.0
-- Incidents, their timeline, and the outbox of notifications.
SET ROLE pulse_owner;

CREATE TABLE public.incidents (
    id uuid PRIMARY KEY DEFAULT gen_random_uuid(),
    tenant_id text NOT NULL REFERENCES public.tenants,
    title text NOT NULL CHECK (title <> ''),
    description text NOT NULL DEFAULT '',
    severity text NOT NULL CHECK (severity IN ('low', 'medium', 'high', 'critical')),
    status text NOT NULL DEFAULT 'open'
        CHECK (status IN ('open', 'investigating', 'resolved', 'closed')),
    source text NOT NULL,
    rule_id uuid,
    rule_version bigint,
    fingerprint text,
    metadata jsonb NOT NULL DEFAULT '{}' CHECK (jsonb_typeof(metadata) = 'object'),
    started_at timestamptz NOT NULL,
    created_at timestamptz NOT NULL DEFAULT now(),
    updated_at timestamptz NOT NULL DEFAULT now(),
    acknowledged_at timestamptz,
    resolved_at timestamptz,
    assignee text,
    UNIQUE (id, tenant_id),
    -- NULLs would slip through the index below.
    CHECK ((rule_id IS NULL) = (fingerprint IS NULL) AND (rule_id IS NULL) = (rule_version IS NULL))
);
CREATE UNIQUE INDEX incidents_one_open ON public.incidents (tenant_id, rule_id, fingerprint)
    WHERE status IN ('open', 'investigating');
CREATE INDEX incidents_fingerprint ON public.incidents (tenant_id, rule_id, fingerprint, started_at DESC);
CREATE INDEX incidents_tenant_started ON public.incidents (tenant_id, started_at DESC);
CREATE INDEX incidents_tenant_status ON public.incidents (tenant_id, status, started_at DESC);
COMMENT ON TABLE public.incidents IS 'What is or was wrong; at most one open or investigating per tenant, rule and fingerprint (open it by INSERT … ON CONFLICT DO NOTHING)';
COMMENT ON COLUMN public.incidents.id IS 'Identity for ever';
COMMENT ON COLUMN public.incidents.tenant_id IS 'Owner';
COMMENT ON COLUMN public.incidents.title IS 'One line for people';
COMMENT ON COLUMN public.incidents.description IS 'More for people';
COMMENT ON COLUMN public.incidents.severity IS 'low, medium, high or critical';
COMMENT ON COLUMN public.incidents.status IS 'open -> investigating -> resolved -> closed; also open or investigating -> closed, open -> resolved, resolved -> open (reopened); a trigger refuses the rest';
COMMENT ON COLUMN public.incidents.source IS 'What opened it: threshold, error_rate_monitor, …';
COMMENT ON COLUMN public.incidents.rule_id IS 'alert_rules.id (the rule may be gone); NULL: opened by hand';
COMMENT ON COLUMN public.incidents.rule_version IS 'Version of the rule that opened it';
COMMENT ON COLUMN public.incidents.fingerprint IS 'Which series or service of the rule; NULL: opened by hand';
COMMENT ON COLUMN public.incidents.metadata IS 'Object: metric, labels, device_id, value, threshold, …';
COMMENT ON COLUMN public.incidents.started_at IS 'Event time of the first violating sample, UTC';
COMMENT ON COLUMN public.incidents.created_at IS 'When the row was made, UTC';
COMMENT ON COLUMN public.incidents.updated_at IS 'When it was last changed, UTC (by trigger)';
COMMENT ON COLUMN public.incidents.acknowledged_at IS 'When somebody took it (became investigating), UTC; NULL: nobody';
COMMENT ON COLUMN public.incidents.resolved_at IS 'When it ended (event time where the rule cleared, now where a person did), UTC; NULL: it goes on';
COMMENT ON COLUMN public.incidents.assignee IS 'Who looks after it; NULL: nobody';

CREATE FUNCTION store.incidents_transition() RETURNS trigger
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    IF OLD.status || '>' || NEW.status NOT IN (
        'open>investigating', 'open>resolved', 'open>closed',
        'investigating>resolved', 'investigating>closed',
        'resolved>closed', 'resolved>open') THEN
        RAISE check_violation USING
            MESSAGE = format('an incident cannot go from %s to %s', OLD.status, NEW.status),
            TABLE = 'incidents', CONSTRAINT = 'incidents_transition';
    END IF;
    CASE NEW.status
        WHEN 'open' THEN
            NEW.acknowledged_at := NULL;
            NEW.resolved_at := NULL;
        WHEN 'investigating' THEN
            NEW.acknowledged_at := coalesce(NEW.acknowledged_at, now());
        ELSE
            NEW.resolved_at := coalesce(NEW.resolved_at, now());
    END CASE;
    RETURN NEW;
END
$$;
COMMENT ON FUNCTION store.incidents_transition() IS
    'BEFORE UPDATE trigger of incidents: refuses a wrong change of status (23514, constraint incidents_transition), fills acknowledged_at and resolved_at where not given, empties both on reopening';
CREATE TRIGGER transition BEFORE UPDATE ON public.incidents
    FOR EACH ROW WHEN (OLD.status IS DISTINCT FROM NEW.status)
    EXECUTE FUNCTION store.incidents_transition();
CREATE TRIGGER updated_at BEFORE UPDATE ON public.incidents
    FOR EACH ROW EXECUTE FUNCTION store.set_updated_at();

CREATE TABLE public.incident_events (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    incident_id uuid NOT NULL,
    tenant_id text NOT NULL,
    transition text NOT NULL CHECK (transition IN
        ('opened', 'acknowledged', 'resolved', 'reopened', 'closed', 'escalated',
         'assigned', 'commented', 'late_evidence', 'notified')),
    actor text NOT NULL,
    event_time timestamptz NOT NULL,
    note text NOT NULL DEFAULT '',
    evidence jsonb NOT NULL DEFAULT '{}' CHECK (jsonb_typeof(evidence) = 'object'),
    created_at timestamptz NOT NULL DEFAULT now(),
    FOREIGN KEY (incident_id, tenant_id) REFERENCES public.incidents (id, tenant_id) ON DELETE CASCADE
);
CREATE INDEX incident_events_incident ON public.incident_events (incident_id, id);
COMMENT ON TABLE public.incident_events IS 'Timeline of an incident, with what decided';
COMMENT ON COLUMN public.incident_events.id IS 'Order in the timeline; gaps are normal';
COMMENT ON COLUMN public.incident_events.incident_id IS 'The incident';
COMMENT ON COLUMN public.incident_events.tenant_id IS 'Owner, the incident''s';
COMMENT ON COLUMN public.incident_events.transition IS 'opened, acknowledged, resolved, reopened, closed, escalated (severity rose), assigned, commented, late_evidence (a sample came too late to count) or notified';
COMMENT ON COLUMN public.incident_events.actor IS 'Who: evaluator, or a key or person';
COMMENT ON COLUMN public.incident_events.event_time IS 'When it happened on the sender''s clock (by a person: now), UTC';
COMMENT ON COLUMN public.incident_events.note IS 'Comment, assignee, …';
COMMENT ON COLUMN public.incident_events.evidence IS 'Object: samples [{topic, partition, offset, time, value}], rule_version, threshold, operator';
COMMENT ON COLUMN public.incident_events.created_at IS 'When the row was made, UTC';

CREATE TABLE public.alert_notifications (
    id uuid PRIMARY KEY DEFAULT gen_random_uuid(),
    seq bigint GENERATED ALWAYS AS IDENTITY,
    tenant_id text NOT NULL REFERENCES public.tenants,
    incident_id uuid,
    rule_id uuid,
    channel text NOT NULL,
    kind text NOT NULL CHECK (kind IN ('firing', 'resolved', 'test', 'summary')),
    status text NOT NULL DEFAULT 'pending' CHECK (status IN
        ('pending', 'sending', 'delivered', 'failed', 'dead', 'superseded', 'suppressed')),
    payload jsonb NOT NULL DEFAULT '{}' CHECK (jsonb_typeof(payload) = 'object'),
    attempts integer NOT NULL DEFAULT 0 CHECK (attempts >= 0),
    next_attempt_at timestamptz NOT NULL DEFAULT now(),
    lease_until timestamptz,
    last_status integer,
    last_error text,
    created_at timestamptz NOT NULL DEFAULT now(),
    delivered_at timestamptz,
    UNIQUE (id, tenant_id),
    FOREIGN KEY (incident_id, tenant_id) REFERENCES public.incidents (id, tenant_id) ON DELETE CASCADE,
    CHECK (incident_id IS NOT NULL OR kind IN ('test', 'summary')),
    CHECK ((status = 'sending') = (lease_until IS NOT NULL))
);
CREATE INDEX alert_notifications_due ON public.alert_notifications (next_attempt_at)
    WHERE status = 'pending';
CREATE INDEX alert_notifications_leased ON public.alert_notifications (lease_until)
    WHERE status = 'sending';
CREATE INDEX alert_notifications_incident ON public.alert_notifications (incident_id, channel, seq);
CREATE INDEX alert_notifications_tenant ON public.alert_notifications (tenant_id, created_at DESC);
CREATE TRIGGER wake AFTER INSERT ON public.alert_notifications
    FOR EACH STATEMENT EXECUTE FUNCTION store.wake('pulse_outbox');
COMMENT ON TABLE public.alert_notifications IS 'Outbox and ledger of notifications, written in the incident''s transaction.
Claim: UPDATE … SET status = ''sending'', attempts = attempts + 1, lease_until = now() + lease WHERE id IN (SELECT id … WHERE status = ''pending'' AND next_attempt_at <= now() OR status = ''sending'' AND lease_until < now() … FOR UPDATE SKIP LOCKED). Result: UPDATE … SET status, lease_until = NULL … WHERE id = mine AND attempts = mine';
COMMENT ON COLUMN public.alert_notifications.id IS 'Identity; the webhook-id header of every attempt';
COMMENT ON COLUMN public.alert_notifications.seq IS 'Order in which the notifications were decided; gaps are normal';
COMMENT ON COLUMN public.alert_notifications.tenant_id IS 'Owner';
COMMENT ON COLUMN public.alert_notifications.incident_id IS 'The incident; NULL for kind test and summary';
COMMENT ON COLUMN public.alert_notifications.rule_id IS 'alert_rules.id (the rule may be gone); NULL for kind test';
COMMENT ON COLUMN public.alert_notifications.channel IS 'notification_channels.name of the same tenant (may be gone)';
COMMENT ON COLUMN public.alert_notifications.kind IS 'firing, resolved, test or summary';
COMMENT ON COLUMN public.alert_notifications.status IS 'pending (waits for next_attempt_at), sending (leased), delivered (2xx), failed (the attempt was final: 410), dead (schedule exhausted), superseded (resolved before the firing went), suppressed (storm)';
COMMENT ON COLUMN public.alert_notifications.payload IS 'Object: what it says, fixed when it was decided; the same in every attempt';
COMMENT ON COLUMN public.alert_notifications.attempts IS 'Attempts begun, >= 0; the fence of result writes';
COMMENT ON COLUMN public.alert_notifications.next_attempt_at IS 'Not before this, UTC';
COMMENT ON COLUMN public.alert_notifications.lease_until IS 'While sending: another may claim it from then on; else NULL';
COMMENT ON COLUMN public.alert_notifications.last_status IS 'HTTP status of the last attempt; NULL: none or no answer';
COMMENT ON COLUMN public.alert_notifications.last_error IS 'What failed in the last attempt; NULL: nothing';
COMMENT ON COLUMN public.alert_notifications.created_at IS 'When it was decided, UTC';
COMMENT ON COLUMN public.alert_notifications.delivered_at IS 'When it was accepted, UTC; NULL: not yet';

CREATE TABLE public.notification_attempts (
    notification_id uuid NOT NULL,
    attempt integer NOT NULL CHECK (attempt >= 1),
    tenant_id text NOT NULL,
    started_at timestamptz NOT NULL,
    duration_ms integer CHECK (duration_ms >= 0),
    status integer,
    error text,
    response text,
    PRIMARY KEY (notification_id, attempt),
    FOREIGN KEY (notification_id, tenant_id)
        REFERENCES public.alert_notifications (id, tenant_id) ON DELETE CASCADE
);
COMMENT ON TABLE public.notification_attempts IS 'Every attempt to deliver a notification';
COMMENT ON COLUMN public.notification_attempts.notification_id IS 'alert_notifications.id';
COMMENT ON COLUMN public.notification_attempts.attempt IS 'Number of the attempt, from 1';
COMMENT ON COLUMN public.notification_attempts.tenant_id IS 'Owner, the notification''s';
COMMENT ON COLUMN public.notification_attempts.started_at IS 'When it began, UTC';
COMMENT ON COLUMN public.notification_attempts.duration_ms IS 'How long it took, milliseconds; NULL: outcome unknown';
COMMENT ON COLUMN public.notification_attempts.status IS 'HTTP status; NULL: no answer';
COMMENT ON COLUMN public.notification_attempts.error IS 'What failed; NULL: nothing';
COMMENT ON COLUMN public.notification_attempts.response IS 'First bytes of the answer, as text; NULL: none';

RESET ROLE;
