-- SPDX-License-Identifier: Apache-2.0
-- Who may do what: the whole list, so that a right too many fails as well.
BEGIN;
SELECT no_plan();

-- Roles.
SELECT bag_eq(
    'SELECT rolname::text, rolcanlogin FROM pg_roles WHERE rolname LIKE ''pulse\_%''',
    $$VALUES ('pulse_admin', true), ('pulse_api', true), ('pulse_app', false), ('pulse_collector', true), ('pulse_evaluator', true),
             ('pulse_ingest', true), ('pulse_operator', false), ('pulse_owner', true), ('pulse_writer', true)$$, 'the roles and who may log in');
SELECT is_empty('SELECT rolname FROM pg_roles WHERE rolname LIKE ''pulse\_%''
                 AND (rolsuper OR rolcreaterole OR rolcreatedb OR rolreplication OR rolbypassrls)', 'none is more than a role');
SELECT is_empty('SELECT rolname FROM pg_authid WHERE rolname LIKE ''pulse\_%'' AND rolpassword IS NOT NULL', 'none has a password');
SELECT set_eq('SELECT member::regrole::text, roleid::regrole::text FROM pg_auth_members WHERE member::regrole::text LIKE ''pulse\_%''',
    $$VALUES ('pulse_api', 'pulse_app'), ('pulse_admin', 'pulse_operator'), ('pulse_collector', 'pg_monitor'),
             ('pulse_operator', 'pg_read_all_stats')$$, 'memberships: no service is owner');
SELECT is(has_database_privilege(r, current_database(), 'TEMPORARY'), r = 'pulse_writer', r || ' and temporary tables')
FROM unnest(ARRAY['pulse_writer', 'pulse_ingest', 'pulse_evaluator', 'pulse_collector', 'pulse_api', 'pulse_admin', 'pulse_app']) r;
SELECT set_eq('SELECT x.grantee::regrole::text, x.privilege_type FROM pg_namespace, aclexplode(nspacl) x
               WHERE nspname = ''store'' AND x.grantee <> nspowner',
    $$VALUES ('pulse_writer', 'USAGE'), ('pulse_evaluator', 'USAGE'), ('pulse_collector', 'USAGE'), ('pulse_operator', 'USAGE'),
             ('pulse_ingest', 'USAGE'), ('pulse_api', 'USAGE')$$, 'schema store');
SELECT is(has_schema_privilege(r, 'public', 'CREATE'), r = 'pulse_owner', r || ' and new things in public')
FROM (SELECT rolname::text FROM pg_roles WHERE rolname LIKE 'pulse\_%') p (r);

CREATE FUNCTION pg_temp.refusal(login text) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
    detail text;
BEGIN
    PERFORM dblink_connect(login, tests.here(login));
    RETURN 'none';
EXCEPTION WHEN OTHERS THEN
    GET STACKED DIAGNOSTICS detail = PG_EXCEPTION_DETAIL;
    RETURN detail;
END
$$;
SELECT matches(pg_temp.refusal('pulse_owner'), 'pg_hba.conf rejects connection', 'nobody logs in as the owner');
SELECT is(pg_temp.refusal('pulse_api'), 'none', '(a service does)');

-- Tables and views.
CREATE TEMP VIEW actual AS
    SELECT x.grantee::regrole::text AS who, relation, x.privilege_type AS command, columns
    FROM (SELECT c.oid::regclass::text AS relation, x.grantee, x.privilege_type, '' AS columns
          FROM pg_class c, aclexplode(c.relacl) x
          WHERE c.relnamespace IN ('store'::regnamespace, 'public'::regnamespace) AND x.grantee <> c.relowner AND c.relkind IN ('r', 'v')
                AND c.relname <> 'schema_migrations'
          UNION ALL
          SELECT c.oid::regclass::text, x.grantee, x.privilege_type, string_agg(a.attname, ' ' ORDER BY a.attname)
          FROM pg_class c JOIN pg_attribute a ON a.attrelid = c.oid, aclexplode(a.attacl) x
          WHERE c.relnamespace IN ('store'::regnamespace, 'public'::regnamespace)
          GROUP BY c.oid, x.grantee, x.privilege_type) x
    WHERE relation NOT IN (SELECT d.objid::regclass::text FROM pg_depend d WHERE d.deptype = 'e' AND d.classid = 'pg_class'::regclass);

CREATE TEMP TABLE expected (who text, relation text, commands text, columns text);
INSERT INTO expected VALUES
    ('pulse_ingest', 'tenants', 'SELECT', 'limits tenant_id'),
    ('pulse_ingest', 'api_keys', 'SELECT', ''),
    ('pulse_ingest', 'api_keys', 'UPDATE', 'last_used_at'),

    ('pulse_writer', 'store.samples', 'SELECT INSERT', ''),
    ('pulse_writer', 'store.telemetry', 'SELECT INSERT', ''),
    ('pulse_writer', 'store.raw_events', 'SELECT INSERT', ''),
    ('pulse_writer', 'store.series', 'SELECT', ''),
    ('pulse_writer', 'store.consumer_offset', 'SELECT INSERT UPDATE', ''),
    ('pulse_writer', 'store.ingest_ledger', 'SELECT INSERT UPDATE', ''),
    ('pulse_writer', 'store.offset_gaps', 'SELECT INSERT', ''),
    ('pulse_writer', 'store.offset_gaps', 'UPDATE', 'messages to_off'),
    ('pulse_writer', 'dead_letters', 'INSERT', ''),

    ('pulse_evaluator', 'store.consumer_offset', 'SELECT INSERT UPDATE', ''),
    ('pulse_evaluator', 'store.offset_gaps', 'SELECT INSERT', ''),
    ('pulse_evaluator', 'store.offset_gaps', 'UPDATE', 'messages to_off'),
    ('pulse_evaluator', 'store.rule_state', 'SELECT INSERT UPDATE DELETE', ''),
    ('pulse_evaluator', 'store.rule_activations', 'SELECT INSERT UPDATE DELETE', ''),
    ('pulse_evaluator', 'devices', 'SELECT', ''),
    ('pulse_evaluator', 'metric_definitions', 'SELECT', ''),
    ('pulse_evaluator', 'alert_rules', 'SELECT', ''),
    ('pulse_evaluator', 'notification_channels', 'SELECT', ''),
    ('pulse_evaluator', 'notification_channels', 'UPDATE', 'disabled_reason enabled'),
    ('pulse_evaluator', 'incidents', 'SELECT INSERT UPDATE', ''),
    ('pulse_evaluator', 'incident_events', 'SELECT INSERT', ''),
    ('pulse_evaluator', 'alert_notifications', 'SELECT INSERT UPDATE', ''),
    ('pulse_evaluator', 'notification_attempts', 'SELECT INSERT UPDATE', ''),
    ('pulse_evaluator', 'metrics_agg', 'SELECT INSERT UPDATE', ''),

    ('pulse_collector', 'system_metrics', 'SELECT INSERT', ''),
    ('pulse_collector', 'system_metrics_latest', 'SELECT', ''),
    ('pulse_collector', 'system_metrics_recent', 'SELECT', ''),
    ('pulse_collector', 'store.consumer_offset', 'SELECT', ''),
    ('pulse_collector', 'store.ingest_ledger', 'SELECT', ''),
    ('pulse_collector', 'store.ledger', 'SELECT', ''),
    ('pulse_collector', 'store.settings', 'SELECT', ''),
    ('pulse_collector', 'store.lifecycle', 'SELECT', ''),
    ('pulse_collector', 'store.rollup_levels', 'SELECT', ''),
    ('pulse_collector', 'store.rollup_watermark', 'SELECT', ''),
    ('pulse_collector', 'store.rollup_marks', 'SELECT', ''),
    ('pulse_collector', 'store.maintenance_jobs', 'SELECT INSERT UPDATE', ''),
    ('pulse_collector', 'store.maintenance', 'SELECT', ''),
    ('pulse_collector', 'store.offset_gaps', 'SELECT', ''),

    ('pulse_app', 'series', 'SELECT', ''),
    ('pulse_app', 'metrics', 'SELECT', ''),
    ('pulse_app', 'metrics_latest', 'SELECT', ''),
    ('pulse_app', 'telemetry', 'SELECT', ''),
    ('pulse_app', 'raw_events', 'SELECT', ''),
    ('pulse_app', 'metrics_1min', 'SELECT', ''),
    ('pulse_app', 'metrics_1hour', 'SELECT', ''),
    ('pulse_app', 'metrics_daily', 'SELECT', ''),
    ('pulse_app', 'metrics_hourly', 'SELECT', ''),
    ('pulse_app', 'system_metrics', 'SELECT', ''),
    ('pulse_app', 'system_metrics_latest', 'SELECT', ''),
    ('pulse_app', 'system_metrics_recent', 'SELECT', ''),

    ('pulse_api', 'metrics', 'INSERT', ''),
    ('pulse_api', 'telemetry', 'INSERT', ''),
    ('pulse_api', 'tenants', 'SELECT', ''),
    ('pulse_api', 'api_keys', 'SELECT', 'created_at description device_id expires_at key_id last_used_at revoked_at scopes tenant_id'),
    ('pulse_api', 'api_keys', 'INSERT', ''),
    ('pulse_api', 'api_keys', 'UPDATE', 'description expires_at revoked_at'),
    ('pulse_api', 'devices', 'SELECT INSERT UPDATE DELETE', ''),
    ('pulse_api', 'metric_definitions', 'SELECT INSERT UPDATE DELETE', ''),
    ('pulse_api', 'alert_rules', 'SELECT INSERT UPDATE DELETE', ''),
    ('pulse_api', 'notification_channels', 'SELECT', 'created_at disabled_reason enabled kind name settings tenant_id updated_at url'),
    ('pulse_api', 'notification_channels', 'INSERT UPDATE DELETE', ''),
    ('pulse_api', 'incidents', 'SELECT', ''),
    ('pulse_api', 'incidents', 'UPDATE', 'acknowledged_at assignee resolved_at status'),
    ('pulse_api', 'incident_events', 'SELECT INSERT', ''),
    ('pulse_api', 'alert_notifications', 'SELECT INSERT', ''),
    ('pulse_api', 'alert_notifications', 'UPDATE', 'lease_until next_attempt_at status'),
    ('pulse_api', 'notification_attempts', 'SELECT', ''),
    ('pulse_api', 'metrics_agg', 'SELECT', ''),
    ('pulse_api', 'dead_letters', 'SELECT', ''),
    ('pulse_api', 'dead_letters', 'UPDATE', 'edited_by last_error payload redriven_at status'),

    ('pulse_operator', 'store.series', 'SELECT', ''),
    ('pulse_operator', 'store.series_counts', 'SELECT', ''),
    ('pulse_operator', 'store.samples', 'SELECT', ''),
    ('pulse_operator', 'store.telemetry', 'SELECT', ''),
    ('pulse_operator', 'store.raw_events', 'SELECT', ''),
    ('pulse_operator', 'store.consumer_offset', 'SELECT', ''),
    ('pulse_operator', 'store.ingest_ledger', 'SELECT', ''),
    ('pulse_operator', 'store.ledger', 'SELECT', ''),
    ('pulse_operator', 'store.rule_state', 'SELECT', ''),
    ('pulse_operator', 'store.rule_activations', 'SELECT', ''),
    ('pulse_operator', 'store.tenant_logins', 'SELECT', ''),
    ('pulse_operator', 'store.settings', 'SELECT', ''),
    ('pulse_operator', 'store.lifecycle', 'SELECT', ''),
    ('pulse_operator', 'store.metric_retention', 'SELECT', ''),
    ('pulse_operator', 'store.rollup_levels', 'SELECT', ''),
    ('pulse_operator', 'store.rollup_watermark', 'SELECT', ''),
    ('pulse_operator', 'store.rollup_marks', 'SELECT', ''),
    ('pulse_operator', 'store.metrics_1min', 'SELECT', ''),
    ('pulse_operator', 'store.metrics_1hour', 'SELECT', ''),
    ('pulse_operator', 'store.metrics_daily', 'SELECT', ''),
    ('pulse_operator', 'store.maintenance_jobs', 'SELECT', ''),
    ('pulse_operator', 'store.maintenance', 'SELECT', ''),
    ('pulse_operator', 'store.offset_gaps', 'SELECT', ''),
    ('pulse_admin', 'store.offset_gaps', 'UPDATE', 'accepted_at accepted_by note'),
    ('pulse_operator', 'system_metrics', 'SELECT INSERT', ''),
    ('pulse_operator', 'system_metrics_latest', 'SELECT', ''),
    ('pulse_operator', 'system_metrics_recent', 'SELECT', ''),
    ('pulse_operator', 'tenants', 'SELECT', ''),
    ('pulse_operator', 'api_keys', 'SELECT', 'created_at description device_id expires_at key_id last_used_at revoked_at scopes tenant_id'),
    ('pulse_operator', 'devices', 'SELECT', ''),
    ('pulse_operator', 'metric_definitions', 'SELECT', ''),
    ('pulse_operator', 'alert_rules', 'SELECT', ''),
    ('pulse_operator', 'notification_channels', 'SELECT', 'created_at disabled_reason enabled kind name settings tenant_id updated_at url'),
    ('pulse_operator', 'incidents', 'SELECT', ''),
    ('pulse_operator', 'incident_events', 'SELECT', ''),
    ('pulse_operator', 'alert_notifications', 'SELECT', ''),
    ('pulse_operator', 'notification_attempts', 'SELECT', ''),
    ('pulse_operator', 'metrics_agg', 'SELECT', ''),
    ('pulse_operator', 'dead_letters', 'SELECT', ''),

    ('pulse_admin', 'store.settings', 'UPDATE', 'compress_after late_limit minute_retention raw_retention'),
    ('pulse_admin', 'tenants', 'INSERT', ''),
    ('pulse_admin', 'tenants', 'UPDATE', 'limits name'),
    ('pulse_admin', 'api_keys', 'INSERT', ''),
    ('pulse_admin', 'api_keys', 'UPDATE', 'description expires_at revoked_at'),
    ('pulse_admin', 'devices', 'INSERT UPDATE DELETE', ''),
    ('pulse_admin', 'metric_definitions', 'INSERT UPDATE DELETE', ''),
    ('pulse_admin', 'alert_rules', 'INSERT UPDATE DELETE', ''),
    ('pulse_admin', 'notification_channels', 'INSERT UPDATE DELETE', ''),
    ('pulse_admin', 'dead_letters', 'UPDATE', 'edited_by last_error payload redriven_at status'),
    ('pulse_admin', 'dead_letters', 'DELETE', '');
-- Names as this search_path shows them.
UPDATE expected SET relation = CASE WHEN relation LIKE '%.%' THEN relation ELSE ('public.' || relation) END::regclass::text;
CREATE TEMP VIEW wanted AS
    SELECT who, relation, unnest(string_to_array(commands, ' ')) AS command, columns FROM expected;
SELECT is((SELECT string_agg(w::text, ', ') FROM (SELECT * FROM wanted EXCEPT SELECT * FROM actual) w), NULL, 'no right is missing');
SELECT is((SELECT string_agg(w::text, ', ') FROM (SELECT * FROM actual EXCEPT SELECT * FROM wanted) w), NULL, 'no right too many');

-- Functions.
SELECT set_eq(
    'SELECT p.proname::text, coalesce(x.grantee::regrole::text, ''PUBLIC'') FROM pg_proc p,
            aclexplode(coalesce(p.proacl, acldefault(''f'', p.proowner))) x
     WHERE p.proowner = ''pulse_owner''::regrole AND x.grantee <> p.proowner',
    $$VALUES ('current_tenant', 'pulse_app'), ('api_key_find', 'pulse_api'), ('series_ids', 'pulse_writer'),
             ('series_key', 'pulse_writer'), ('series_key', 'pulse_evaluator'), ('series_key', 'pulse_operator'),
             ('late_limit', 'pulse_ingest'), ('late_limit', 'pulse_writer'), ('late_limit', 'pulse_evaluator'),
             ('late_limit', 'pulse_api'), ('late_limit', 'pulse_collector'), ('late_limit', 'pulse_operator'),
             ('rollup_filled', 'pulse_app'), ('rollup_filled', 'pulse_operator'), ('rollup_filled', 'pulse_collector'),
             ('writer_horizons', 'pulse_writer'), ('series_limit', 'pulse_operator'), ('limit_ranges', 'pulse_operator'),
             ('rollup_enter', 'pulse_writer'), ('rollup_mark', 'pulse_writer'), ('rollup_advance', 'pulse_collector'),
             ('rollup_fill', 'pulse_collector'), ('rollup_behind', 'pulse_collector'),
             ('retention_run', 'pulse_collector'), ('lifecycle_rows', 'pulse_collector'), ('lifecycle_rows', 'pulse_operator'),
             ('outbox_prune', 'pulse_collector')$$,
    'who may call what');
-- (A procedure that commits can have none; it acts as who calls it.)
SELECT is_empty('SELECT oid::regprocedure FROM pg_proc WHERE proowner = ''pulse_owner''::regrole AND (prokind = ''f'' OR prosecdef)
                 AND proconfig[1] IS DISTINCT FROM ''search_path=pg_catalog, pg_temp''', 'every function has a fixed search_path');
SELECT set_eq('SELECT proname::text FROM pg_proc WHERE proowner = ''pulse_owner''::regrole AND prosecdef',
    ARRAY['current_tenant', 'api_key_find', 'writer_horizons', 'series_ids', 'late_limit', 'rollup_filled', 'rollup_enter', 'rollup_mark',
          'rollup_advance', 'rollup_fill', 'rollup_behind', 'check_retention_days', 'policies_apply', 'settings_change',
          'retention_run', 'lifecycle_rows', 'metrics_insert', 'telemetry_insert', 'outbox_prune'], 'functions that act as the owner');

-- Row security: on and forced on every ordinary table that is not the
-- pipeline's own, with the owner's policy, and a policy for each granted right.
CREATE TEMP VIEW ordinary AS
    SELECT c.oid, c.relname::text AS name FROM pg_class c
    WHERE c.relnamespace = 'public'::regnamespace AND c.relkind = 'r'
          AND c.relname NOT IN ('system_metrics', 'schema_migrations')
          AND NOT EXISTS (SELECT FROM pg_depend d WHERE d.objid = c.oid AND d.deptype = 'e');
SELECT is((SELECT count(*) FROM ordinary), 12::bigint, 'ordinary tables');
SELECT is_empty('SELECT name FROM ordinary JOIN pg_class USING (oid) WHERE NOT (relrowsecurity AND relforcerowsecurity)', 'row security is forced on each');
SELECT is_empty('SELECT name FROM ordinary o WHERE NOT EXISTS (SELECT FROM pg_policies p WHERE p.schemaname = ''public'' AND p.tablename = o.name
                 AND p.roles = ''{pulse_owner}'' AND p.cmd = ''ALL'' AND p.qual = ''true'' AND p.with_check = ''true'')', 'the owner''s functions see all rows');
SELECT is((SELECT string_agg(w::text, ', ') FROM (
    SELECT DISTINCT who, relation, command FROM actual
    WHERE relation IN (SELECT oid::regclass::text FROM ordinary)
    EXCEPT
    SELECT roles[1]::text, ('public.' || tablename)::regclass::text, cmd FROM pg_policies WHERE schemaname = 'public') w), NULL,
    'each right on them has its policy');
SELECT is((SELECT string_agg(w::text, ', ') FROM (
    SELECT roles[1]::text, ('public.' || tablename)::regclass::text, cmd FROM pg_policies
    WHERE schemaname = 'public' AND roles <> '{pulse_owner}'
    EXCEPT
    SELECT who, relation, command FROM actual) w), NULL, 'each policy has its right');
SELECT is_empty('SELECT tablename, policyname FROM pg_policies WHERE array_length(roles, 1) <> 1 OR permissive <> ''PERMISSIVE''', 'one role per policy');
SELECT is_empty('SELECT tablename, policyname FROM pg_policies WHERE roles = ''{pulse_api}''
                 AND coalesce(qual, with_check) NOT LIKE ''%(tenant_id = ( SELECT store.current_tenant()%''', 'each policy of the api asks for the tenant');
SELECT is_empty('SELECT c.oid::regclass FROM pg_class c WHERE relnamespace = ''store''::regnamespace AND (relrowsecurity OR relforcerowsecurity)',
                'no row security in the store: it would refuse compression and COPY');

SELECT * FROM finish();
ROLLBACK;
