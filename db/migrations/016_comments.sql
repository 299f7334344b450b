-- SPDX-License-Identifier: Apache-2.0
-- What indexes, triggers, named constraints and policies are for, of 001-010.
SET ROLE pulse_owner;

COMMENT ON INDEX store.samples_series_time IS 'A sample once; one series over a range of time';
COMMENT ON INDEX store.samples_time IS 'All series over a range of time: rollups';
COMMENT ON INDEX store.telemetry_tenant_time IS 'A tenant''s newest messages';
COMMENT ON INDEX store.raw_events_once IS 'An event once';
COMMENT ON INDEX store.raw_events_tenant_time IS 'A tenant''s newest events';
COMMENT ON INDEX store.raw_events_topic_time IS 'A topic''s newest events';
COMMENT ON INDEX store.raw_events_level IS 'Events by level, also several at once (@>, ?|)';
COMMENT ON INDEX store.raw_events_level_created IS 'Events of a level in the order they were stored';
COMMENT ON INDEX store.series_lookup IS 'A tenant''s series by name and host';
COMMENT ON INDEX public.system_metrics_name_time IS 'One metric of all services';
COMMENT ON INDEX public.system_metrics_service_time IS 'All metrics of one service';
COMMENT ON INDEX public.system_metrics_name_service_time IS 'One metric of one service; system_metrics_latest';
COMMENT ON INDEX public.api_keys_tenant IS 'A tenant''s keys';
COMMENT ON INDEX public.dead_letters_tenant IS 'A tenant''s newest dead letters';
COMMENT ON INDEX public.dead_letters_reason IS 'The newest dead letters of a reason';
COMMENT ON INDEX public.incidents_one_open IS 'At most one open incident per rule and fingerprint';
COMMENT ON INDEX public.incidents_fingerprint IS 'The last incident of a rule and fingerprint, to open it again';
COMMENT ON INDEX public.incidents_tenant_started IS 'A tenant''s newest incidents';
COMMENT ON INDEX public.incidents_tenant_status IS 'A tenant''s newest incidents of a status';
COMMENT ON INDEX public.incident_events_incident IS 'An incident''s timeline';
COMMENT ON INDEX public.alert_notifications_due IS 'Notifications to be sent, the longest due first';
COMMENT ON INDEX public.alert_notifications_leased IS 'Notifications being sent whose lease may have run out';
COMMENT ON INDEX public.alert_notifications_incident IS 'An incident''s notifications of a channel, in order';
COMMENT ON INDEX public.alert_notifications_tenant IS 'A tenant''s newest notifications';

COMMENT ON CONSTRAINT system_metrics_metric_name_present ON public.system_metrics IS 'metric_name is there';
COMMENT ON CONSTRAINT alert_rules_aggregation ON public.alert_rules IS 'condition.aggregation is one that is known';
COMMENT ON CONSTRAINT alert_rules_threshold ON public.alert_rules IS 'Only absent has no threshold';

COMMENT ON TRIGGER version ON public.alert_rules IS 'version grows with each change of what is evaluated';
COMMENT ON TRIGGER transition ON public.incidents IS 'Only allowed changes of status; their times';
DO $$
DECLARE
    o record;
BEGIN
    FOR o IN
        SELECT t.tgname AS name, t.tgrelid::regclass AS relation,
               CASE t.tgname WHEN 'updated_at' THEN 'updated_at becomes now'
                             ELSE format('NOTIFY %s', encode(substring(t.tgargs FROM 1 FOR octet_length(t.tgargs) - 1), 'escape')) END AS what
        FROM pg_trigger t JOIN pg_class c ON c.oid = t.tgrelid
        WHERE c.relnamespace = 'public'::regnamespace AND t.tgname IN ('updated_at', 'wake')
    LOOP
        EXECUTE format('COMMENT ON TRIGGER %I ON %s IS %L', o.name, o.relation, o.what);
    END LOOP;

    FOR o IN
        SELECT p.polname AS name, p.polrelid::regclass AS relation, format('%s: %s %s',
               CASE p.polcmd WHEN 'r' THEN 'SELECT' WHEN 'a' THEN 'INSERT' WHEN 'w' THEN 'UPDATE' WHEN 'd' THEN 'DELETE' ELSE 'all commands' END,
               (SELECT string_agg(r::regrole::text, ', ') FROM unnest(p.polroles) r),
               CASE WHEN concat(pg_get_expr(p.polqual, p.polrelid), pg_get_expr(p.polwithcheck, p.polrelid)) LIKE '%current_tenant%'
                    THEN 'for its current tenant' ELSE 'for all tenants' END) AS what
        FROM pg_policy p
    LOOP
        EXECUTE format('COMMENT ON POLICY %I ON %s IS %L', o.name, o.relation, o.what);
    END LOOP;
END
$$;

RESET ROLE;
