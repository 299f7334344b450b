-- SPDX-License-Identifier: Apache-2.0
-- The list of attacks on the separation of tenants, for both editions and for
-- real logins (isolation_attacks_test.sql, pglite/isolation_test.mjs,
-- isolation_logins_test). Plain SQL for schema tests. Tenant a attacks; all of
-- tenant b that a cannot have typed itself carries a canary, and no answer,
-- error or setting may show one.

CREATE FUNCTION tests.secret() RETURNS text LANGUAGE sql IMMUTABLE AS $$
    SELECT 'can' || 'ary' -- not to be found in pg_proc
$$;
CREATE FUNCTION tests.shows_b(seen text) RETURNS boolean LANGUAGE sql IMMUTABLE AS $$
    SELECT seen ~ (tests.secret() || '|42424[.]25')
$$;

-- Two tenants with the same names, and what only b has: series, devices, events
-- "guessed", now and ten days ago (so that chunks can be compressed).
CREATE FUNCTION tests.hostile_world() RETURNS void LANGUAGE plpgsql AS $$
DECLARE
    me constant text := session_user; -- PGlite cannot RESET to it
    secret constant text := tests.secret();
    ids bigint[];
    login text;
BEGIN
    PERFORM tests.two_tenants();
    FOREACH login IN ARRAY ARRAY['hostile_a', 'hostile_b', 'hostile_none'] LOOP
        IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = login) THEN
            EXECUTE format('CREATE ROLE %I LOGIN IN ROLE pulse_app', login);
        END IF;
    END LOOP;
    INSERT INTO store.tenant_logins VALUES ('hostile_a', 'a'), ('hostile_b', 'b');

    UPDATE public.tenants SET name = secret WHERE tenant_id = 'b';
    UPDATE public.api_keys SET description = secret WHERE tenant_id = 'b';
    UPDATE public.devices SET description = secret, site_id = secret WHERE tenant_id = 'b';
    INSERT INTO public.devices (tenant_id, device_id, description) VALUES ('b', 'guessed', secret);
    UPDATE public.metric_definitions SET description = secret WHERE tenant_id = 'b';
    UPDATE public.notification_channels SET url = 'https://' || secret || '.example/', secrets = ARRAY[secret]
        WHERE tenant_id = 'b';
    UPDATE public.alert_rules SET description = secret, threshold = 42424 + 0.25 WHERE tenant_id = 'b';
    UPDATE public.incidents SET title = secret, metadata = jsonb_build_object('x', secret) WHERE tenant_id = 'b';
    UPDATE public.incident_events SET note = secret WHERE tenant_id = 'b';
    UPDATE public.alert_notifications SET last_error = secret WHERE tenant_id = 'b';
    UPDATE public.notification_attempts SET error = secret, response = secret WHERE tenant_id = 'b';
    UPDATE public.metrics_agg SET value = 42424 + 0.25 WHERE tenant_id = 'b';
    UPDATE public.dead_letters SET detail = secret, payload = convert_to(secret, 'UTF8') WHERE tenant_id = 'b';

    SELECT array_agg(s.series_id ORDER BY s.ord) INTO ids FROM store.series_ids(
        ARRAY['a', 'b', 'b', 'b'], ARRAY['temp', 'temp', 'guessed', secret],
        ARRAY['{"device_id": "d1"}', '{"device_id": "d1"}',
              jsonb_build_object('device_id', 'guessed', 'room', secret), '{}']::jsonb[]) s;
    INSERT INTO store.samples
        SELECT t - g * interval '1 s', id, CASE id WHEN ids[1] THEN 1 ELSE 42424 + 0.25 END
        FROM unnest(ids) id, generate_series(1, 200) g,
             unnest(ARRAY[now() - interval '10 minutes', now() - interval '10 days']) t;
    INSERT INTO store.telemetry (time, tenant_id, device_id, site_id, msg_type, seq, metrics)
        SELECT t - g * interval '1 s', tenant, CASE tenant WHEN 'a' THEN 'd1' ELSE 'guessed' END,
               CASE tenant WHEN 'a' THEN 's1' ELSE secret END, CASE tenant WHEN 'a' THEN 'm1' ELSE 'guessed' END,
               CASE tenant WHEN 'a' THEN 1 ELSE 777 END,
               jsonb_build_object('x', CASE tenant WHEN 'a' THEN '1' ELSE secret END)
        FROM unnest(ARRAY['a', 'b']) tenant, generate_series(1, 200) g,
             unnest(ARRAY[now() - interval '10 minutes', now() - interval '10 days']) t;
    INSERT INTO store.raw_events (id, tenant_id, topic, part, off, data, time)
        SELECT CASE tenant WHEN 'a' THEN 'own' ELSE 'guessed' END, tenant,
               CASE tenant WHEN 'a' THEN 'own' ELSE 'guessed' END, 0, CASE tenant WHEN 'a' THEN g ELSE 1000 + g END,
               jsonb_build_object('level', 'error', 'msg', CASE tenant WHEN 'a' THEN 'x' ELSE secret END),
               t - g * interval '1 s'
        FROM unnest(ARRAY['a', 'b']) tenant, generate_series(1, 200) g,
             unnest(ARRAY[now() - interval '10 minutes', now() - interval '10 days']) t;

    SET LOCAL SESSION AUTHORIZATION hostile_b;
    PERFORM lo_from_bytea(424242, convert_to(secret, 'UTF8'));
    EXECUTE format('SET LOCAL SESSION AUTHORIZATION %I', me);
END
$$;

-- All that a login learns by a statement: rows, or the error with its detail
-- and hint, and what the statement's conditions noted in hostile.seen.
CREATE FUNCTION tests.observed(login text, tenant text, statement text) RETURNS text
LANGUAGE plpgsql AS $$
DECLARE
    me constant text := session_user;
    row record;
    rows text[] := '{}';
    n bigint;
    message text;
    detail text;
    hint text;
BEGIN
    PERFORM set_config('app.tenant_id', tenant, true);
    PERFORM set_config('hostile.seen', '', true);
    EXECUTE format('SET LOCAL SESSION AUTHORIZATION %I', login);
    IF statement ~* '^(SELECT|EXPLAIN|WITH|TABLE|VALUES|SHOW)' THEN
        FOR row IN EXECUTE statement LOOP
            rows := rows || row::text;
        END LOOP;
    ELSE
        EXECUTE statement;
        GET DIAGNOSTICS n = ROW_COUNT;
        rows := ARRAY[n::text];
    END IF;
    EXECUTE format('SET LOCAL SESSION AUTHORIZATION %I', me);
    RETURN array_to_string(rows, E'\n') || current_setting('hostile.seen');
EXCEPTION WHEN OTHERS THEN
    GET STACKED DIAGNOSTICS message = MESSAGE_TEXT, detail = PG_EXCEPTION_DETAIL, hint = PG_EXCEPTION_HINT;
    RETURN concat_ws(' | ', SQLSTATE, message, nullif(detail, ''), nullif(hint, ''));
END
$$;

-- The views a tenant reads, and the tables the api reads, with the columns that
-- may be read.
CREATE VIEW tests.readable AS
    SELECT r.login, c.oid::regclass::text AS relation,
           array_agg(a.attname::text ORDER BY a.attnum) AS columns,
           bool_or(a.attname = 'tenant_id') AS of_tenants
    FROM (VALUES ('hostile_a', 'v'), ('pulse_api', 'r')) r (login, kind)
    JOIN pg_class c ON c.relkind::text = r.kind AND c.relnamespace = 'public'::regnamespace
    JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped
         AND has_column_privilege(r.login, c.oid, a.attnum, 'SELECT')
    WHERE c.relname !~ '^system_metrics'
    GROUP BY r.login, c.oid;

-- wanted: LIKE pattern of what is observed; NULL: anything but b's.
CREATE TABLE tests.attacks (
    nth integer GENERATED ALWAYS AS IDENTITY,
    login text NOT NULL,
    tenant text,
    statement text NOT NULL,
    wanted text
);

CREATE FUNCTION tests.list_attacks() RETURNS void LANGUAGE plpgsql AS $$
DECLARE
    b_series text := (SELECT series_id FROM store.series WHERE tenant_id = 'b' AND name = 'guessed');
    b_rule text := (SELECT id FROM public.alert_rules WHERE tenant_id = 'b');
    b_incident text := (SELECT id FROM public.incidents WHERE tenant_id = 'b');
BEGIN
    -- The setting forged by a tenant's own login; none and an empty one of the api.
    INSERT INTO tests.attacks (login, tenant, statement, wanted)
    SELECT who.login, who.tenant, format(query, r.relation), who.wanted
    FROM tests.readable r,
         (VALUES ('hostile_a', 'b', '(a)'), ('hostile_a', NULL, '(a)'), ('hostile_a', '', '(a)'),
                 ('hostile_none', 'b', '()'), ('pulse_api', 'a', '(a)'), ('pulse_api', NULL, '()'),
                 ('pulse_api', '', '()'), ('pulse_api', ' b', '()'), ('pulse_api', 'B', '()')) who (login, tenant, wanted),
         (VALUES ('SELECT string_agg(DISTINCT tenant_id, '','') FROM %s'),
                 ('SELECT string_agg(DISTINCT x.tenant_id, '','') FROM %1$s x, (SELECT set_config(''app.tenant_id'', current_setting(''app.tenant_id'', true), false) OFFSET 0) y')) q (query)
    WHERE r.of_tenants AND (who.login LIKE 'hostile%') = (r.login LIKE 'hostile%');
    INSERT INTO tests.attacks (login, tenant, statement, wanted)
    SELECT 'hostile_a', '', format('SELECT count(*) FROM (SELECT set_config(''app.tenant_id'', ''b'', false) OFFSET 0) x, %s WHERE tenant_id <> ''a''', relation), '(0)'
    FROM tests.readable WHERE login = 'hostile_a' AND of_tenants;

    -- Conditions with side effects, or that fail on a row they see.
    INSERT INTO tests.attacks (login, tenant, statement, wanted)
    SELECT r.login, 'a', format(query, r.relation, c), NULL
    FROM tests.readable r, unnest(r.columns) c,
         (VALUES ('SELECT count(*) FROM %s WHERE set_config(''hostile.seen'', current_setting(''hostile.seen'') || %I::text, true) <> ''x'''),
                 ('SELECT count(*) FROM %s WHERE %I::text::integer = 1'),
                 ('SELECT count(*) FROM %s WHERE ''x'' ~ (''('' || %I::text)')) q (query);
    INSERT INTO tests.attacks (login, tenant, statement, wanted)
    SELECT r.login, 'a', format(query, r.relation), '(_%)'
    FROM tests.readable r,
         (VALUES ('SELECT count(*) FROM %s WHERE 1 / CASE tenant_id WHEN ''b'' THEN 0 ELSE 1 END = 1'),
                 ('SELECT max(1 / CASE tenant_id WHEN ''b'' THEN 0 ELSE 1 END) FROM %s'),
                 ('SELECT count(*) FROM %s GROUP BY 1 / CASE tenant_id WHEN ''b'' THEN 0 ELSE 1 END'),
                 ('SELECT count(*) FROM %1$s x LEFT JOIN %1$s y ON 1 / CASE y.tenant_id WHEN ''b'' THEN 0 ELSE 1 END = 2'),
                 ('SELECT count(*) FROM %s TABLESAMPLE SYSTEM (100)')) q (query)
    WHERE r.of_tenants AND NOT (query LIKE '%TABLESAMPLE%' AND r.login = 'hostile_a');
    INSERT INTO tests.attacks (login, tenant, statement, wanted)
    SELECT 'hostile_a', NULL, format(query, relation), NULL
    FROM tests.readable r,
         (VALUES ('SELECT count(*) FROM %s x WHERE x::text::integer = 1'),
                 ('SELECT count(*) FROM %s x WHERE to_jsonb(x)::text::integer = 1'),
                 ('SELECT query_to_xml(''SELECT * FROM %s'', true, false, '''')'),
                 ('SELECT count(*) FROM %s x WHERE pg_notify(''hostile'', x::text) IS NULL'),
                 ('EXPLAIN (ANALYZE, VERBOSE) SELECT * FROM %s'),
                 ('EXPLAIN (ANALYZE, VERBOSE) SELECT * FROM %s x WHERE x::text <> ''''')) q (query)
    WHERE r.login = 'hostile_a';
    INSERT INTO tests.attacks (login, tenant, statement, wanted) VALUES
        ('hostile_a', NULL, 'SELECT count(*) FROM metrics WHERE 1 / (value - 42424.' || '25) <> 0 AND series_id = ' || b_series, '(0)'),
        ('hostile_a', NULL, 'SELECT count(*) FROM metrics WHERE 1 / (value - 42424.' || '25) <> 0', '(403)'),
        ('hostile_a', NULL, 'SELECT count(*) FROM metrics_latest WHERE 1 / (value - 42424.' || '25) <> 0', '(1)'),
        ('hostile_a', NULL, 'SELECT count(*) FROM metrics WHERE pg_try_advisory_xact_lock(424200 + series_id) IS NULL', '42501%'),
        ('hostile_a', NULL, 'SELECT count(*) FROM pg_locks WHERE locktype = ''advisory'' AND objid = 424200 + ' || b_series, '(0)'),
        ('hostile_a', NULL, 'SELECT m.* FROM generate_series(1, 100) g, LATERAL (SELECT * FROM metrics WHERE series_id = g) m WHERE m.tenant_id <> ''a''', '');

    -- The store itself, its chunks, the parts of rollups; then everything there
    -- is, catalogue included, as pg_dump would read it.
    INSERT INTO tests.attacks (login, tenant, statement, wanted)
    SELECT login, 'a', format('SELECT * FROM %I.%I', n.nspname, c.relname),
           -- (cannot be planned, whoever asks)
           CASE WHEN c.relname LIKE '\_compressed\_hypertable%' THEN '_____ | %' ELSE '42501%' END
    FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace, unnest(ARRAY['hostile_a', 'pulse_api']) login
    WHERE c.relkind IN ('r', 'v', 'm', 'p', 'f', 'S')
      AND (n.nspname = 'store' OR n.nspname = '_timescaledb_internal' AND c.relowner = 'pulse_owner'::regrole)
      -- What is no tenant's: Pulse's own health.
      AND NOT EXISTS (SELECT FROM timescaledb_information.chunks k
                      WHERE k.chunk_name = c.relname AND k.hypertable_name = 'system_metrics');
    INSERT INTO tests.attacks (login, tenant, statement, wanted)
    SELECT login, tenant, format('SELECT * FROM %I.%I', n.nspname, c.relname), NULL
    FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace,
         (VALUES ('hostile_a', 'b'), ('pulse_api', '')) who (login, tenant)
    WHERE c.relkind IN ('r', 'v', 'm', 'p', 'f', 'S') AND n.nspname NOT IN ('store', 'tests', '_timescaledb_internal')
      AND (login = 'hostile_a' OR n.nspname = 'public');
    INSERT INTO tests.attacks (login, tenant, statement, wanted)
    SELECT 'hostile_a', NULL, format(query, show_chunks), '42501%'
    FROM (SELECT show_chunks('store.samples') UNION ALL SELECT show_chunks('store.telemetry')
          UNION ALL SELECT show_chunks('store.raw_events')) c,
         (VALUES ('SELECT compress_chunk(%L::regclass)'), ('SELECT decompress_chunk(%L::regclass)'),
                 ('COPY %s TO ''/tmp/hostile'''), ('LOCK TABLE %s IN ACCESS SHARE MODE'),
                 ('ALTER TABLE %s NO INHERIT store.samples'), ('DROP TABLE %s'),
                 ('INSERT INTO %s DEFAULT VALUES'), ('DELETE FROM %s'), ('TRUNCATE %s'),
                 ('CREATE STATISTICS hostile ON time, tenant_id FROM %s')) q (query)
    -- The apache edition refuses the first two before it asks who; what is
    -- compressed is not compressed again, whoever asks.
    WHERE query !~ 'compress' OR current_setting('timescaledb.license') = 'timescale'
          AND (query ~ 'decompress') = (SELECT k.is_compressed FROM timescaledb_information.chunks k
                                        WHERE format('%I.%I', k.chunk_schema, k.chunk_name)::regclass = show_chunks);

    -- Statistics, sizes, samples of values in the catalogue.
    INSERT INTO tests.attacks (login, tenant, statement, wanted)
    SELECT login, 'a', query, wanted
    FROM unnest(ARRAY['hostile_a', 'pulse_api']) login,
         (VALUES ('SELECT * FROM pg_statistic', '42501%'),
                 ('SELECT * FROM pg_statistic_ext_data', '42501%'),
                 ('SELECT * FROM pg_largeobject', '42501%'),
                 ('SELECT * FROM pg_authid', '42501%'),
                 ('SELECT * FROM pg_user_mapping', '42501%'),
                 ('SELECT lo_get(424242)', '42501%'),
                 ('SELECT lo_unlink(424242)', '42501%'),
                 ('SELECT lo_put(424242, 0, ''x'')', '42501%'),
                 ('SELECT database_to_xml(true, false, '''')', NULL),
                 ('SELECT schema_to_xml(''store'', true, false, '''')', NULL),
                 ('SELECT table_to_xml((SELECT oid::regclass FROM pg_class WHERE relname = ''samples'' AND relnamespace = ''store''::regnamespace), true, false, '''')', '42501%'),
                 ('SELECT * FROM ts_stat(''SELECT to_tsvector(name) FROM store.series'')', '42501%'),
                 ('SELECT nextval(''store.series_series_id_seq'')', '42501%'),
                 ('SELECT last_value FROM pg_sequences WHERE sequencename LIKE ''series%''', '()'),
                 ('SELECT store.series_key(''b'', ''guessed'', ''{}'')', '42501%'),
                 ('SELECT * FROM store.series_ids(ARRAY[''b''], ARRAY[''guessed''], ARRAY[''{}''::jsonb])', '42501%'),
                 ('SELECT pg_read_file(''PG_VERSION'')', '42501%'),
                 ('SELECT pg_ls_waldir()', '42501%'),
                 ('SELECT pg_create_logical_replication_slot(''x'', ''pgoutput'')', NULL),
                 ('COPY (SELECT * FROM metrics) TO ''/tmp/hostile''', '42501%'),
                 ('COPY (SELECT * FROM metrics) TO PROGRAM ''cat''', '42501%'),
                 ('COPY store.samples TO ''/tmp/hostile''', '42501%'),
                 ('CREATE EXTENSION dblink', NULL),
                 ('SELECT drop_chunks(''store.samples'', now())', '42501%'),
                 ('SELECT set_chunk_time_interval(''store.samples'', interval ''1 hour'')', '42501%')) q (query, wanted);
    -- How large the store is, all tenants together, is in PostgreSQL's
    -- catalogue for everybody; nothing but that.
    INSERT INTO tests.attacks (login, tenant, statement, wanted)
    SELECT 'hostile_a', 'b', format(query, h.oid), NULL
    FROM pg_class h,
         (VALUES ('SELECT show_chunks(%s::regclass)'), ('SELECT hypertable_size(%s::regclass)'),
                 ('SELECT approximate_row_count(%s::regclass)'), ('SELECT * FROM chunks_detailed_size(%s::regclass)'),
                 ('SELECT * FROM hypertable_detailed_size(%s::regclass)'), ('SELECT * FROM pg_stats WHERE schemaname = ''store'''),
                 ('SELECT * FROM pg_stats_ext'), ('SELECT * FROM pg_stats_ext_exprs'), ('SELECT query FROM pg_stat_activity')) q (query)
    WHERE h.oid IN ('store.samples'::regclass, 'store.telemetry'::regclass, 'store.raw_events'::regclass);

    -- Rights: taking some, making things that others would call.
    INSERT INTO tests.attacks (login, tenant, statement, wanted)
    SELECT login, 'a', query, '42501%'
    FROM unnest(ARRAY['hostile_a', 'pulse_api']) login,
         unnest(ARRAY[
             'GRANT pulse_operator TO pulse_api', 'GRANT pulse_operator TO hostile_a', 'GRANT ALL ON store.samples TO PUBLIC',
             'ALTER ROLE hostile_b PASSWORD ''x''', 'ALTER ROLE pulse_owner SET search_path = x', 'CREATE ROLE x',
             'ALTER DATABASE ' || current_database() || ' SET app.tenant_id = ''b''', 'SET session_replication_role = replica',
             'CREATE TABLE public.x (a int)', 'CREATE TEMP TABLE x (a int)', 'CREATE SCHEMA x', 'CREATE TABLE store.x (a int)',
             'CREATE TABLE pg_catalog.x (a int)', 'CREATE TABLE _timescaledb_internal.x (a int)',
             'CREATE VIEW public.x AS SELECT 1', 'CREATE TEMP VIEW x AS SELECT 1', 'CREATE TYPE public.x AS (a int)', 'CREATE DOMAIN public.x AS int',
             'CREATE FUNCTION public.x() RETURNS int LANGUAGE sql AS ''SELECT 1''',
             'CREATE FUNCTION pg_temp.current_tenant() RETURNS text LANGUAGE sql AS ''SELECT 1''',
             'CREATE OPERATOR public.= (LEFTARG = text, RIGHTARG = text, FUNCTION = textne)',
             'CREATE OR REPLACE FUNCTION store.current_tenant() RETURNS text LANGUAGE sql AS ''SELECT ''''b''''''',
             'ALTER VIEW public.series SET (security_barrier = false)', 'ALTER TABLE incidents DISABLE ROW LEVEL SECURITY',
             'CREATE POLICY x ON incidents USING (true)', 'CREATE RULE x AS ON SELECT TO series DO INSTEAD SELECT 1',
             'CREATE TRIGGER x BEFORE INSERT ON incidents EXECUTE FUNCTION suppress_redundant_updates_trigger()',
             'CREATE PUBLICATION x FOR TABLE store.samples', 'CREATE EVENT TRIGGER x ON sql_drop EXECUTE FUNCTION suppress_redundant_updates_trigger()',
             'CREATE FOREIGN DATA WRAPPER x', 'DROP VIEW public.series', 'TRUNCATE incidents',
             'INSERT INTO store.tenant_logins VALUES (''hostile_a'', ''b'')', 'UPDATE store.tenant_logins SET tenant_id = ''b''',
             'UPDATE store.series SET tenant_id = ''a''', 'DELETE FROM store.samples', 'LOCK TABLE store.samples IN ACCESS EXCLUSIVE MODE',
             'LOCK TABLE series IN ACCESS EXCLUSIVE MODE', 'SELECT * FROM series FOR UPDATE', 'UPDATE series SET tenant_id = ''a''', 'DELETE FROM raw_events']) query
    WHERE query NOT LIKE 'CREATE EVENT TRIGGER%' OR login = 'hostile_a';
    INSERT INTO tests.attacks (login, tenant, statement, wanted)
    SELECT login, 'a', query, '42501%'
    FROM unnest(ARRAY['hostile_a', 'pulse_api']) login,
         unnest(ARRAY[
             'SELECT add_retention_policy(''store.samples'', interval ''1 day'')', 'SELECT add_compression_policy(''store.samples'', interval ''1 day'')',
             'SELECT remove_compression_policy(''store.samples'', true)', 'ALTER TABLE store.samples SET (timescaledb.compress = false)',
             'SELECT delete_job(job_id) FROM timescaledb_information.jobs WHERE hypertable_name = ''samples'' LIMIT 1',
             'SELECT alter_job(job_id, scheduled => false) FROM timescaledb_information.jobs WHERE hypertable_name = ''samples'' LIMIT 1']) query
    WHERE current_setting('timescaledb.license') = 'timescale';
    -- Another's job, and what a job of its own would call.
    INSERT INTO tests.attacks (login, tenant, statement, wanted)
    SELECT login, 'a', format(query, j.job_id, j.config || '{"drop_after": "1 day"}'), '42501%'
    FROM unnest(ARRAY['hostile_a', 'pulse_api']) login, timescaledb_information.jobs j,
         unnest(ARRAY['CALL run_job(%s)', 'CALL _timescaledb_functions.policy_retention(%s, %L)']) query
    WHERE j.hypertable_name = 'samples' AND j.proc_name = 'policy_retention';

    -- Locks that would stop writers, jobs and migrations.
    INSERT INTO tests.attacks (login, tenant, statement, wanted)
    SELECT login, 'a', query, '42501%'
    FROM unnest(ARRAY['hostile_a', 'pulse_api']) login,
         (SELECT format('SELECT %s(%s)', proname, (SELECT string_agg('1', ', ') FROM unnest(proargtypes))) FROM pg_proc WHERE proname ~ 'advisory'
          UNION ALL
          SELECT format('LOCK TABLE store.%s IN %s MODE', gate, mode)
          FROM unnest(ARRAY['rollup_gate', 'rollup_turn']) gate, unnest(ARRAY['ACCESS SHARE', 'ROW SHARE', 'EXCLUSIVE', 'ACCESS EXCLUSIVE']) mode
          UNION ALL
          VALUES ('SELECT store.rollup_enter()'), ('SELECT store.rollup_advance()'), ('SELECT store.rollup_fill()')) q (query);

    INSERT INTO tests.attacks (login, tenant, statement, wanted) VALUES
        ('hostile_a', 'b', 'UPDATE telemetry SET tenant_id = ''a'' WHERE tenant_id = ''b''', '_____ | %');

    -- The api's tables: another tenant's rows by name, by conflict, by key.
    -- An answer may not tell whether b has what is named.
    INSERT INTO tests.attacks (login, tenant, statement, wanted)
    SELECT 'pulse_api', 'a', query, wanted
    FROM (VALUES
        ('SET LOCAL row_security = off', '0'),
        ('INSERT INTO devices (tenant_id, device_id) VALUES (''b'', ''guessed'')', '42501%'),
        ('INSERT INTO devices (tenant_id, device_id) VALUES (''b'', ''nothing'')', '42501%'),
        ('INSERT INTO devices (tenant_id, device_id) VALUES (''zzz'', ''nothing'')', '42501%'),
        ('INSERT INTO devices (tenant_id, device_id) VALUES (''a'', ''guessed'')', '1'),
        ('INSERT INTO devices (tenant_id, device_id) VALUES (''b'', ''guessed'') ON CONFLICT DO NOTHING', '42501%'),
        ('INSERT INTO devices (tenant_id, device_id) VALUES (''b'', ''guessed'') ON CONFLICT (tenant_id, device_id) DO UPDATE SET tenant_id = ''a''', '42501%'),
        ('MERGE INTO devices d USING (VALUES (''guessed'')) v (id) ON d.device_id = v.id WHEN MATCHED THEN UPDATE SET description = ''x'' WHEN NOT MATCHED THEN DO NOTHING', '0'),
        ('UPDATE devices SET description = ''x'' WHERE 1 / CASE tenant_id WHEN ''b'' THEN 0 ELSE 1 END = 1', '1'),
        ('UPDATE devices SET tenant_id = ''b'', device_id = ''other''', '42501%'),
        ('DELETE FROM devices WHERE 1 / CASE tenant_id WHEN ''b'' THEN 0 ELSE 1 END = 1', '1'),
        ('DELETE FROM alert_rules WHERE id = ''' || b_rule || '''', '0'),
        ('UPDATE incidents SET status = ''closed'' WHERE id = ''' || b_incident || '''', '0'),
        ('SELECT * FROM incidents WHERE id = ''' || b_incident || ''' FOR UPDATE', ''),
        ('INSERT INTO incident_events (incident_id, tenant_id, transition, actor, event_time) VALUES (''' || b_incident || ''', ''a'', ''commented'', ''x'', now())', '23503%'),
        ('INSERT INTO incident_events (incident_id, tenant_id, transition, actor, event_time) VALUES (gen_random_uuid(), ''a'', ''commented'', ''x'', now())', '23503%'),
        ('INSERT INTO incidents (tenant_id, title, severity, source, rule_id, rule_version, fingerprint, started_at) VALUES (''b'', ''x'', ''low'', ''x'', ''' || b_rule || ''', 1, ''f'', now())', '42501%'),
        ('INSERT INTO alert_notifications (tenant_id, incident_id, channel, kind) VALUES (''a'', ''' || b_incident || ''', ''pager'', ''test'')', '23503%'),
        ('INSERT INTO notification_channels (tenant_id, name, kind, url) VALUES (''b'', ''pager'', ''webhook'', ''https://x.example/'')', '42501%'),
        ('UPDATE notification_channels SET name = ''x'' RETURNING secrets', '42501%'),
        ('UPDATE tenants SET limits = ''{}''', '42501%'),
        ('INSERT INTO api_keys (key_id, tenant_id, scopes, secret_hash) VALUES (''keyc'', ''b'', ''{admin}'', sha256(''''))', '42501%'),
        ('UPDATE api_keys SET tenant_id = ''b''', '42501%'),
        ('INSERT INTO metrics_agg (tenant_id, window_key, metric_type, window_start, window_end) VALUES (''b'', ''w'', ''t'', now(), now())', '42501%'),
        ('INSERT INTO dead_letters (tenant_id, stage, reason, payload, failed_at) VALUES (''b'', ''ingest'', ''x'', '''', now())', '42501%'),
        ('UPDATE dead_letters SET status = ''dropped'' WHERE tenant_id IS DISTINCT FROM ''a''', '0'),
        ('SELECT last_value FROM public.incident_events_id_seq', '42501%'),
        ('INSERT INTO metrics (time, tenant_id, metric_name, value) VALUES (now(), ''b'', ''x'', 1)', '42501%'),
        ('INSERT INTO metrics (time, tenant_id, metric_name, value) VALUES (now(), ''zzz'', ''x'', 1)', '42501%'),
        ('INSERT INTO metrics (time, series_id, metric_name, host, value) VALUES (now(), ' || b_series || ', ''guessed'', ''guessed'', 1)', '23514%'),
        ('INSERT INTO metrics (time, series_id, metric_name, host, value) VALUES (now(), 999999, ''guessed'', ''guessed'', 1)', '23514%'),
        ('INSERT INTO metrics (time, metric_name, labels, value) SELECT now() - interval ''10 minutes'' - g * interval ''1 s'', ''guessed'', ''{"device_id": "guessed"}'', 1 FROM generate_series(1, 200) g', '200'),
        ('INSERT INTO telemetry (time, tenant_id, device_id, metrics) VALUES (now(), ''b'', ''guessed'', ''{}'')', '42501%'),
        ('INSERT INTO telemetry (time, device_id, metrics) SELECT now() - interval ''10 minutes'' - g * interval ''1 s'', ''guessed'', ''{}'' FROM generate_series(1, 200) g', '200'),
        ('UPDATE metrics SET value = 1', '55000%'),
        ('DELETE FROM metrics', '55000%')
    ) q (query, wanted);
    INSERT INTO tests.attacks (login, tenant, statement, wanted)
    SELECT login, 'b', format('INSERT INTO %s DEFAULT VALUES', relation), '42501%'
    FROM unnest(ARRAY['hostile_a', 'hostile_none']) login, unnest(ARRAY['metrics', 'telemetry', 'raw_events', 'series']) relation;
    INSERT INTO tests.attacks (login, tenant, statement, wanted)
    SELECT 'hostile_a', 'b', format('TABLE %s', relation), '42501%' FROM tests.readable WHERE login = 'pulse_api'
        AND relation !~ 'schema_migrations';
END
$$;

-- How each attack went; those that only read, for other kinds of plan.
CREATE FUNCTION tests.attack(reading boolean DEFAULT false) RETURNS TABLE (good boolean, what text, seen text)
LANGUAGE plpgsql AS $$
DECLARE
    a tests.attacks;
BEGIN
    FOR a IN
        SELECT * FROM tests.attacks t
        WHERE NOT reading OR t.statement ~ '^(SELECT|EXPLAIN).* public[.]|(series|metrics|telemetry|events)'
              AND t.wanted IS DISTINCT FROM '42501%'
        ORDER BY t.nth
    LOOP
        BEGIN
            seen := tests.observed(a.login, a.tenant, a.statement);
            RAISE 'undo' USING ERRCODE = 'UNDO1';
        EXCEPTION WHEN SQLSTATE 'UNDO1' THEN NULL;
        END;
        good := NOT tests.shows_b(seen) AND seen LIKE coalesce(a.wanted, '%');
        what := concat(a.login, coalesce(' as ' || quote_literal(a.tenant), ''), ': ', a.statement);
        seen := left(seen, 300);
        RETURN NEXT;
    END LOOP;
END
$$;

-- A guess that is right must look like one that is wrong: in the plan, its
-- estimates (made from samples of everybody's values) and its counts of rows.
CREATE FUNCTION tests.guess() RETURNS TABLE (good boolean, what text, seen text)
LANGUAGE plpgsql AS $$
DECLARE
    g record;
    right_one text;
    wrong_one text;
BEGIN
    FOR g IN
        SELECT r.relation, c.condition, c.hit, c.miss
        FROM tests.readable r, (VALUES
            ('tenant_id = %L', 'b', 'z'), ('name = %L', 'guessed', 'nothing'), ('name >= %L AND name < ''h''', 'g', 'gz'),
            ('host = %L', 'guessed', 'nothing'), ('device_id = %L', 'guessed', 'nothing'), ('msg_type = %L', 'guessed', 'nothing'),
            ('seq = %L', '777', '778'), ('id = %L', 'guessed', 'nothing'), ('topic = %L', 'guessed', 'nothing'), ('off > %L', '1000', '5000'),
            ('series_id = B AND value > %L', '40000', '50000'), ('value > %L', '40000', '50000'),
            ('series_id = B AND max > %L', '40000', '50000'), ('max > %L', '40000', '50000'),
            ('series_id = B AND last > %L', '40000', '50000'), ('series_id = B AND count > %L', '7', '5000')) c (condition, hit, miss)
        WHERE r.login = 'hostile_a' AND r.of_tenants
          AND (SELECT bool_and(m[1] = ANY (r.columns))
               FROM regexp_matches(c.condition, '([a-z_]+) [=<>]', 'g') m)
    LOOP
        g.condition := replace(g.condition, '= B', '= ' || (SELECT series_id FROM store.series WHERE tenant_id = 'b' AND name = 'guessed'));
        right_one := tests.explained(g.relation, g.condition, g.hit);
        wrong_one := tests.explained(g.relation, g.condition, g.miss);
        good := right_one = wrong_one AND right_one !~ '^[0-9A-Z]{5} ';
        what := format('the plan of %s WHERE %s tells nothing', g.relation, format(g.condition, g.hit));
        seen := right_one || E'\n--\n' || wrong_one;
        RETURN NEXT;
    END LOOP;
END
$$;
CREATE FUNCTION tests.explained(relation text, condition text, guess text) RETURNS text LANGUAGE sql AS $$
    SELECT regexp_replace(replace(tests.observed('hostile_a', NULL, format(
        'EXPLAIN (ANALYZE, TIMING OFF, SUMMARY OFF) SELECT * FROM %s WHERE ' || condition, relation, guess)),
        quote_literal(guess), '?'), 'Memory: .*|Memory Usage: .*', '')
$$;

-- What would be a hole whether or not an attack finds it.
CREATE FUNCTION tests.isolation_gaps() RETURNS TABLE (gap text) LANGUAGE sql AS $$
    SELECT format('table %s has tenant_id but no forced row security', c.oid::regclass)
    FROM pg_class c JOIN pg_attribute a ON a.attrelid = c.oid AND a.attname = 'tenant_id' AND NOT a.attisdropped
    WHERE c.relkind IN ('r', 'p') AND c.relnamespace = 'public'::regnamespace
      AND NOT (c.relrowsecurity AND c.relforcerowsecurity)
    UNION ALL
    SELECT format('%s may %s %s', login, p, c.oid::regclass)
    FROM pg_class c, unnest(ARRAY['hostile_a', 'pulse_app', 'pulse_api', 'pulse_ingest']) login,
         unnest(ARRAY['SELECT', 'INSERT', 'UPDATE', 'REFERENCES']) p
    WHERE c.relkind IN ('r', 'p', 'v', 'm', 'f')
      AND (c.relnamespace = 'store'::regnamespace
           OR c.relnamespace = '_timescaledb_internal'::regnamespace AND c.relowner = 'pulse_owner'::regrole
              AND NOT EXISTS (SELECT FROM timescaledb_information.chunks k
                              WHERE k.chunk_name = c.relname AND k.hypertable_name = 'system_metrics'))
      AND has_any_column_privilege(login, c.oid, p)
    UNION ALL
    SELECT format('%s may read table %s', login, c.oid::regclass)
    FROM pg_class c, unnest(ARRAY['hostile_a', 'pulse_app']) login
    WHERE c.relkind IN ('r', 'p', 'm', 'f', 'S') AND c.relnamespace = 'public'::regnamespace
      AND c.relname <> 'system_metrics'
      AND CASE c.relkind WHEN 'S' THEN has_sequence_privilege(login, c.oid, 'SELECT, USAGE')
               ELSE has_any_column_privilege(login, c.oid, 'SELECT, INSERT, UPDATE') END
    UNION ALL
    SELECT format('view %s is no barrier', c.oid::regclass)
    FROM pg_class c
    WHERE c.relkind = 'v' AND c.relnamespace = 'public'::regnamespace
      AND c.relname NOT IN ('system_metrics_latest', 'system_metrics_recent')
      AND has_any_column_privilege('pulse_app', c.oid, 'SELECT')
      AND NOT (coalesce(c.reloptions @> '{security_barrier=true}', false) AND c.relowner = 'pulse_owner'::regrole
               -- asks for the tenant, or stands on views that do
               AND pg_get_viewdef(c.oid) ~ CASE WHEN pg_get_viewdef(c.oid) ~ '(store|_timescaledb[a-z_]*)[.]'
                       THEN 'current_tenant' ELSE ' FROM metrics_1hour' END)
    UNION ALL
    SELECT format('policy %s of %s lets %s see more than its tenant', p.policyname, p.tablename, p.roles)
    FROM pg_policies p
    WHERE p.roles && '{public,pulse_app,pulse_api}'
      AND (coalesce(p.qual, p.with_check) !~ 'current_tenant' OR p.with_check !~ 'current_tenant' OR p.permissive <> 'PERMISSIVE')
    UNION ALL
    SELECT format('%s may call %s, which runs as its owner', login, p.oid::regprocedure)
    FROM pg_proc p, unnest(ARRAY['hostile_a', 'pulse_app']) login
    WHERE p.prosecdef AND p.pronamespace IN ('store'::regnamespace, 'public'::regnamespace)
      AND has_function_privilege(login, p.oid, 'EXECUTE')
      AND p.oid NOT IN ('store.current_tenant()'::regprocedure, 'store.rollup_filled(text)'::regprocedure)
    UNION ALL
    SELECT format('%s runs as its owner with the search_path of its caller', p.oid::regprocedure)
    FROM pg_proc p
    WHERE p.prosecdef AND p.pronamespace IN ('store'::regnamespace, 'public'::regnamespace)
      AND NOT EXISTS (SELECT FROM unnest(p.proconfig) c WHERE c ~ '^search_path=')
    UNION ALL
    SELECT format('%s is a member of %s', m, g)
    FROM unnest(ARRAY['hostile_a', 'pulse_api', 'pulse_app', 'pulse_ingest', 'pulse_writer']) m,
         unnest(ARRAY['pulse_owner', 'pulse_operator', 'pulse_admin', 'pg_read_all_data', 'pg_read_all_stats', 'pg_monitor', 'pg_read_server_files']) g
    WHERE pg_has_role(m, g, 'MEMBER')
    UNION ALL
    SELECT format('role %s is above row security', r.rolname)
    FROM pg_roles r WHERE r.rolname ~ '^(pulse|hostile)_' AND (r.rolsuper OR r.rolbypassrls OR r.rolcreaterole OR r.rolreplication)
    UNION ALL
    SELECT format('%s may %s schema %s', login, p, n.nspname)
    FROM pg_namespace n, unnest(ARRAY['hostile_a', 'pulse_app', 'pulse_api', 'pulse_writer', 'pulse_ingest']) login, unnest(ARRAY['CREATE']) p
    WHERE has_schema_privilege(login, n.oid, p) AND NOT pg_is_other_temp_schema(n.oid) AND n.oid <> pg_my_temp_schema()
    UNION ALL
    SELECT format('%s may make temporary objects', login)
    FROM unnest(ARRAY['hostile_a', 'pulse_app', 'pulse_api', 'pulse_ingest']) login
    WHERE has_database_privilege(login, current_database(), 'TEMP, CREATE')
$$;
