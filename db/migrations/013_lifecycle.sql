-- SPDX-License-Identifier: Apache-2.0
-- How data ages: compression, retention, and what an operator sees of both.
-- Under the timescale licence by policies, else by store.retention_run().
SET ROLE pulse_owner;

-- A metric may be kept shorter than the rest, never so short that a rollup
-- could still be made again from what is gone.
CREATE FUNCTION store.check_retention_days() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    s store.settings;
    kept constant interval := NEW.retention_days * interval '1 day';
BEGIN
    SELECT * INTO s FROM store.settings;
    IF kept > s.raw_retention THEN
        RAISE check_violation USING CONSTRAINT = 'metric_definitions_retention_days',
            MESSAGE = format('retention_days %s is longer than raw samples are kept (%s)', NEW.retention_days, s.raw_retention),
            HINT = 'A metric may be kept shorter, not longer; its hourly and daily rollups are kept for ever.';
    ELSIF kept < s.late_limit + interval '1 day' THEN
        RAISE check_violation USING CONSTRAINT = 'metric_definitions_retention_days',
            MESSAGE = format('retention_days %s does not exceed the late limit (%s) by a day', NEW.retention_days, s.late_limit),
            HINT = 'Readings as old as the late limit are still accepted, and their rollups made again from the raw samples.';
    END IF;
    RETURN NEW;
END
$$;
COMMENT ON FUNCTION store.check_retention_days() IS
    'BEFORE trigger of metric_definitions: retention_days from late limit + 1 day to raw retention (23514 metric_definitions_retention_days)';
CREATE TRIGGER retention_days BEFORE INSERT OR UPDATE OF retention_days ON public.metric_definitions
    FOR EACH ROW WHEN (NEW.retention_days IS NOT NULL) EXECUTE FUNCTION store.check_retention_days();
COMMENT ON TRIGGER retention_days ON public.metric_definitions IS 'Bounds of retention_days';
COMMENT ON COLUMN public.metric_definitions.retention_days IS
    'Days raw samples are kept, from late limit + 1 to raw retention (store.settings); NULL: as all. Rollups are kept as all';

CREATE TABLE store.metric_retention (
    tenant_id text NOT NULL,
    name text NOT NULL,
    upto timestamptz NOT NULL,
    PRIMARY KEY (tenant_id, name)
);
COMMENT ON TABLE store.metric_retention IS 'How far the samples of metrics with retention_days are deleted, so that each chunk is gone through once and the late limit never reaches there; stays when the definition goes';
COMMENT ON COLUMN store.metric_retention.tenant_id IS 'Owner';
COMMENT ON COLUMN store.metric_retention.name IS 'Metric name';
COMMENT ON COLUMN store.metric_retention.upto IS 'End of the newest chunk whose samples of the metric are deleted';

-- What was stored before the aggregates were made is further back than their
-- policies reach, and a view says nothing of what is behind the newest refresh.
-- No SET: a procedure with one cannot be left by the refresh's transactions.
CREATE PROCEDURE store.rollup_history(job_id integer, config jsonb) LANGUAGE plpgsql
AS $$
DECLARE
    day timestamptz;
    relation text;
BEGIN
    SELECT public.time_bucket('1 day', min(c.range_start)) INTO day
    FROM timescaledb_information.chunks c WHERE c.hypertable_schema = 'store' AND c.hypertable_name = 'samples';
    -- Day by day: small transactions, and minutes go into hours at once.
    WHILE day < clock_timestamp() - interval '24 hours' LOOP
        FOREACH relation IN ARRAY ARRAY['store.metrics_1min', 'store.metrics_1hour', 'store.metrics_daily'] LOOP
            CALL public.refresh_continuous_aggregate(relation::regclass, day, day + interval '24 hours');
        END LOOP;
        day := day + interval '24 hours';
    END LOOP;
    -- A job that deletes itself fails at its very end.
    PERFORM public.alter_job(rollup_history.job_id, scheduled => false);
    PERFORM public.alter_job(j.job_id, scheduled => true) FROM timescaledb_information.jobs j
    WHERE j.proc_name = 'policy_retention' AND j.hypertable_schema = 'store' AND j.hypertable_name = 'samples';
END
$$;
COMMENT ON PROCEDURE store.rollup_history(integer, jsonb) IS
    'Job, once, after an upgrade (timescale edition): makes the rollups of samples older than the refresh policies reach, then takes itself off the schedule and puts the retention of samples on it. It may fail and run again';

CREATE FUNCTION store.rollup_history_due() RETURNS boolean
LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp
AS $$
    SELECT EXISTS (SELECT FROM timescaledb_information.jobs j
                   WHERE j.proc_schema = 'store' AND j.proc_name = 'rollup_history' AND j.scheduled)
$$;
COMMENT ON FUNCTION store.rollup_history_due() IS
    'True: store.rollup_history() is not done yet, and no sample may be deleted';

-- Policies, made anew from the settings.
CREATE FUNCTION store.policies_apply() RETURNS void
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    s store.settings;
    l store.rollup_levels;
    h record;
    relation regclass;
    job integer;
BEGIN
    IF current_setting('timescaledb.license', true) IS DISTINCT FROM 'timescale' THEN
        RETURN;
    END IF;
    SELECT * INTO s FROM store.settings;
    FOR h IN
        SELECT * FROM (VALUES
            ('store.samples', 'series_id', '"time" DESC', s.raw_retention),
            ('store.telemetry', 'tenant_id, device_id', '"time" DESC', s.raw_retention),
            ('store.raw_events', 'tenant_id', '"time" DESC, id', s.raw_retention),
            ('public.system_metrics', NULL, NULL, interval '14 days')) v (name, segment, sorted, kept)
    LOOP
        relation := h.name;
        IF h.segment IS NOT NULL THEN
            IF NOT (SELECT i.compression_enabled FROM timescaledb_information.hypertables i
                    WHERE format('%I.%I', i.hypertable_schema, i.hypertable_name)::regclass = relation) THEN
                EXECUTE format('ALTER TABLE %s SET (timescaledb.compress, timescaledb.compress_segmentby = %L, timescaledb.compress_orderby = %L)',
                    relation, h.segment, h.sorted);
            END IF;
            PERFORM public.remove_compression_policy(relation, if_exists => true);
            PERFORM public.add_compression_policy(relation, compress_after => s.compress_after);
        END IF;
        PERFORM public.remove_retention_policy(relation, if_exists => true);
        -- Where a job fills the rollups, it knows what may go.
        IF NOT store.rollups_by_job() THEN
            job := public.add_retention_policy(relation, drop_after => h.kept);
            IF relation = 'store.samples'::regclass AND store.rollup_history_due() THEN
                PERFORM public.alter_job(job, scheduled => false);
            END IF;
        END IF;
    END LOOP;

    FOR l IN SELECT * FROM store.rollup_levels WHERE NOT store.rollups_by_job() ORDER BY nth LOOP
        relation := format('store.%I', l.relation);
        PERFORM public.remove_continuous_aggregate_policy(relation, if_exists => true);
        -- A refresh over raw data that is gone would erase good rollups. Days
        -- are made from hours, which stay: their windows may reach further, so
        -- that a policy run once a day misses no late reading.
        job := public.add_continuous_aggregate_policy(relation,
            start_offset => s.late_limit + CASE WHEN l.width < interval '1 day' THEN interval '1 day' ELSE interval '3 days' END,
            end_offset => greatest(interval '2 minutes', l.width / 6),
            schedule_interval => l.width);
        -- By default ten buckets are a transaction: of minutes a thousand, and
        -- most of a minute's work, at each turn. (Not a parameter everywhere.)
        PERFORM public.alter_job(job, config => j.config || '{"buckets_per_batch": 1440}')
        FROM timescaledb_information.jobs j WHERE j.job_id = job;
        IF l.nth = 1 THEN
            PERFORM public.remove_retention_policy(relation, if_exists => true);
            PERFORM public.add_retention_policy(relation, drop_after => s.minute_retention);
        END IF;
    END LOOP;
END
$$;
COMMENT ON FUNCTION store.policies_apply() IS
    'Makes the policies of compression, retention and refresh anew from store.settings (timescale edition; nothing on the other)';

CREATE FUNCTION store.settings_change() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    n bigint;
    -- How far back rollups are made again from now on.
    reach constant timestamptz := now() - NEW.late_limit - interval '1 day';
    oldest timestamptz;
    gone timestamptz;
BEGIN
    SELECT count(*) INTO n FROM public.metric_definitions d
    WHERE d.retention_days * interval '1 day' < NEW.late_limit + interval '1 day';
    IF n > 0 THEN
        RAISE check_violation USING CONSTRAINT = 'metric_definitions_retention_days',
            MESSAGE = format('late_limit %s: %s metric definitions have a retention_days that does not exceed it by a day', NEW.late_limit, n);
    END IF;
    -- Rollups whose raw samples are gone would be made again from nothing.
    IF NEW.late_limit > OLD.late_limit THEN
        SELECT coalesce(min(c.range_start), 'infinity') INTO oldest
        FROM timescaledb_information.chunks c WHERE c.hypertable_schema = 'store' AND c.hypertable_name = 'samples';
        IF EXISTS (SELECT FROM store.metrics_1min r WHERE r.bucket >= reach AND r.bucket < oldest)
           OR EXISTS (SELECT FROM store.metrics_1hour r WHERE r.bucket >= reach AND r.bucket < oldest) THEN
            gone := oldest;
        END IF;
        SELECT greatest(gone, max(r.upto)) INTO gone FROM store.metric_retention r WHERE r.upto > reach;
        IF gone IS NOT NULL THEN
            RAISE check_violation USING CONSTRAINT = 'settings_late_within_raw',
                MESSAGE = format('late_limit %s: raw samples before %s are gone, their rollups would be lost', NEW.late_limit, gone),
                HINT = 'Raise raw_retention (and retention_days) first, late_limit once it and a day lie within the raw samples that are kept.';
        END IF;
    END IF;
    PERFORM store.policies_apply();
    RETURN NULL;
END
$$;
COMMENT ON FUNCTION store.settings_change() IS 'AFTER UPDATE trigger of store.settings: no retention_days becomes too short, the late limit does not reach rollups whose raw samples are gone (23514 settings_late_within_raw); the policies follow';
CREATE TRIGGER change AFTER UPDATE ON store.settings
    FOR EACH ROW EXECUTE FUNCTION store.settings_change();
COMMENT ON TRIGGER change ON store.settings IS 'The policies follow the settings';

CREATE FUNCTION store.retention_run()
RETURNS TABLE (action text, relation text, n bigint)
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp SET lock_timeout = '500ms'
AS $$
DECLARE
    begun constant timestamptz := clock_timestamp();
    s store.settings;
    -- What a rollup is still to be made from stays.
    samples_needed timestamptz := 'infinity';
    minutes_needed timestamptz := 'infinity';
    h record;
    d record;
    deleted bigint;
BEGIN
    -- Nobody raises the late limit into what goes meanwhile.
    SELECT * INTO s FROM store.settings FOR SHARE;
    IF store.rollup_history_due() THEN
        samples_needed := '-infinity';
    ELSIF store.rollups_by_job() THEN
        samples_needed := least(store.rollup_filled('1min'), (SELECT min(m.bucket) FROM store.rollup_marks m WHERE m.level = '1min'));
        minutes_needed := least(store.rollup_filled('1hour'), samples_needed, (SELECT min(m.bucket) FROM store.rollup_marks m WHERE m.level = '1hour'));
    END IF;

    IF current_setting('timescaledb.license', true) IS NOT DISTINCT FROM 'timescale' THEN
        PERFORM set_config('timescaledb.max_tuples_decompressed_per_dml_transaction', '0', true);
    END IF;
    action := 'delete';
    relation := 'store.samples';
    n := 0;
    FOR d IN
        SELECT m.tenant_id, m.name, c.range_start, c.range_end
        FROM public.metric_definitions m
            LEFT JOIN store.metric_retention r USING (tenant_id, name)
            JOIN timescaledb_information.chunks c ON c.hypertable_schema = 'store' AND c.hypertable_name = 'samples'
        WHERE m.retention_days * interval '1 day' BETWEEN s.late_limit + interval '1 day' AND s.raw_retention
              AND c.range_end <= least(now() - m.retention_days * interval '1 day', samples_needed)
              AND c.range_start >= coalesce(r.upto, '-infinity')
        ORDER BY m.tenant_id, m.name, c.range_start
    LOOP
        DELETE FROM store.samples p
        WHERE p.time >= d.range_start AND p.time < d.range_end
              AND p.series_id = ANY (ARRAY(SELECT i.series_id FROM store.series i WHERE i.tenant_id = d.tenant_id AND i.name = d.name));
        GET DIAGNOSTICS deleted = ROW_COUNT;
        n := n + deleted;
        INSERT INTO store.metric_retention AS r VALUES (d.tenant_id, d.name, d.range_end)
        ON CONFLICT (tenant_id, name) DO UPDATE SET upto = excluded.upto;
        -- The next run goes on here.
        EXIT WHEN clock_timestamp() > begun + interval '30 seconds';
    END LOOP;
    IF n > 0 THEN
        RETURN NEXT;
    END IF;

    -- Last, for whoever reads waits from here on until the COMMIT.
    FOR h IN
        SELECT * FROM (VALUES
            ('store.samples', least(now() - s.raw_retention, samples_needed)),
            ('store.telemetry', now() - s.raw_retention),
            ('store.raw_events', now() - s.raw_retention),
            ('store.metrics_1min', least(now() - s.minute_retention, minutes_needed)),
            ('public.system_metrics', now() - interval '14 days')) v (name, before)
        WHERE store.rollups_by_job()
    LOOP
        relation := h.name;
        BEGIN
            action := 'drop_chunks';
            SELECT count(*) INTO n FROM public.drop_chunks(h.name::regclass, older_than => h.before);
        EXCEPTION WHEN lock_not_available THEN
            action := 'busy';
            n := 0;
        END;
        IF n > 0 OR action = 'busy' THEN
            RETURN NEXT;
        END IF;
    END LOOP;
END
$$;
COMMENT ON FUNCTION store.retention_run() IS
    'Retention by the maintenance job: drops chunks by store.settings (apache edition; the other has policies), deletes samples of metrics with retention_days, each chunk once, when it is wholly older. Returns what it did: delete and how many rows, drop_chunks and how many chunks, busy: somebody reads what should go, the next run tries again; no row: nothing was due';

CREATE FUNCTION store.lifecycle_rows()
RETURNS TABLE (relation text, edition text, compression text, chunks bigint, oldest timestamptz, newest timestamptz, bytes bigint,
               kept interval, compress_after interval, compressed_chunks bigint, bytes_before bigint, bytes_after bigint, ratio double precision)
LANGUAGE plpgsql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    timescale constant boolean := current_setting('timescaledb.license', true) IS NOT DISTINCT FROM 'timescale';
    s store.settings;
    h record;
BEGIN
    SELECT * INTO s FROM store.settings;
    edition := CASE WHEN timescale THEN 'timescale' ELSE 'apache' END;
    compression := CASE WHEN timescale THEN 'available' ELSE 'unavailable (apache edition)' END;
    FOR h IN
        SELECT v.*, coalesce(a.materialization_hypertable_schema, v.schema) AS chunk_schema,
               coalesce(a.materialization_hypertable_name, v.name) AS chunk_name
        FROM (VALUES
            ('store', 'samples', s.raw_retention, true), ('store', 'telemetry', s.raw_retention, true),
            ('store', 'raw_events', s.raw_retention, true), ('store', 'metrics_1min', s.minute_retention, false),
            ('store', 'metrics_1hour', NULL, false), ('store', 'metrics_daily', NULL, false),
            ('public', 'system_metrics', interval '14 days', false)) v (schema, name, kept, compressed)
            LEFT JOIN timescaledb_information.continuous_aggregates a ON a.view_schema = v.schema AND a.view_name = v.name
    LOOP
        relation := h.schema || '.' || h.name;
        kept := h.kept;
        SELECT count(*), min(c.range_start), max(c.range_end), count(*) FILTER (WHERE c.is_compressed) INTO chunks, oldest, newest, compressed_chunks
        FROM timescaledb_information.chunks c WHERE c.hypertable_schema = h.chunk_schema AND c.hypertable_name = h.chunk_name;
        bytes := public.hypertable_size(format('%I.%I', h.chunk_schema, h.chunk_name)::regclass);
        compress_after := CASE WHEN timescale AND h.compressed THEN s.compress_after END;
        bytes_before := NULL;
        bytes_after := NULL;
        IF timescale AND h.compressed THEN
            SELECT t.before_compression_total_bytes, t.after_compression_total_bytes INTO bytes_before, bytes_after
            FROM public.hypertable_compression_stats(relation::regclass) t;
        ELSIF NOT timescale THEN
            compressed_chunks := NULL;
        END IF;
        ratio := bytes_before::double precision / nullif(bytes_after, 0);
        RETURN NEXT;
    END LOOP;
END
$$;
COMMENT ON FUNCTION store.lifecycle_rows() IS 'The rows of store.lifecycle';

CREATE VIEW store.lifecycle AS SELECT * FROM store.lifecycle_rows();
COMMENT ON VIEW store.lifecycle IS 'Age and size of what is stored, a row per hypertable or aggregate';
COMMENT ON COLUMN store.lifecycle.relation IS 'Schema and name';
COMMENT ON COLUMN store.lifecycle.edition IS 'apache or timescale: the licence TimescaleDB runs under';
COMMENT ON COLUMN store.lifecycle.compression IS 'available, or why not: unavailable (apache edition)';
COMMENT ON COLUMN store.lifecycle.chunks IS 'Number of chunks';
COMMENT ON COLUMN store.lifecycle.oldest IS 'Beginning of the oldest chunk, UTC; NULL: no chunk';
COMMENT ON COLUMN store.lifecycle.newest IS 'End of the newest chunk, UTC; NULL: no chunk';
COMMENT ON COLUMN store.lifecycle.bytes IS 'Bytes on disk, indexes included';
COMMENT ON COLUMN store.lifecycle.kept IS 'Age at which chunks are dropped; NULL: never';
COMMENT ON COLUMN store.lifecycle.compress_after IS 'Age at which chunks are compressed; NULL: they are not';
COMMENT ON COLUMN store.lifecycle.compressed_chunks IS 'Chunks compressed; NULL: compression is unavailable';
COMMENT ON COLUMN store.lifecycle.bytes_before IS 'Bytes of the compressed chunks before; NULL: none is';
COMMENT ON COLUMN store.lifecycle.bytes_after IS 'Bytes of the compressed chunks now; NULL: none is';
COMMENT ON COLUMN store.lifecycle.ratio IS 'bytes_before / bytes_after; NULL: nothing is compressed';

GRANT EXECUTE ON FUNCTION store.retention_run() TO pulse_collector;
GRANT EXECUTE ON FUNCTION store.lifecycle_rows() TO pulse_collector, pulse_operator;
GRANT SELECT ON store.lifecycle TO pulse_collector, pulse_operator;
GRANT SELECT ON store.metric_retention TO pulse_operator;

DO $$
BEGIN
    IF NOT store.rollups_by_job()
       AND EXISTS (SELECT FROM timescaledb_information.chunks c
                   WHERE c.hypertable_schema = 'store' AND c.hypertable_name = 'samples' AND c.range_start < now() - store.late_limit()) THEN
        PERFORM public.add_job('store.rollup_history', '1 hour');
    END IF;
END
$$;
SELECT store.policies_apply();

RESET ROLE;
