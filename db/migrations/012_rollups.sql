-- SPDX-License-Identifier: Apache-2.0
-- Rollups: count, sum, min, max, first and last of each series per minute,
-- hour and day. One list of levels makes two engines: continuous aggregates
-- under the timescale licence, else hypertables that a job fills. Either way
-- the views in public have the same columns and the same results, the newest
-- buckets included.
SET ROLE pulse_owner;

CREATE TABLE store.rollup_levels (
    level text PRIMARY KEY,
    nth integer NOT NULL UNIQUE CHECK (nth >= 1),
    width interval NOT NULL,
    relation name NOT NULL UNIQUE,
    source name NOT NULL,
    chunk interval NOT NULL
);
COMMENT ON TABLE store.rollup_levels IS 'The rollups, each made from the one below';
COMMENT ON COLUMN store.rollup_levels.level IS 'Name: 1min, 1hour, 1day';
COMMENT ON COLUMN store.rollup_levels.nth IS 'Order, from 1; level 1 is made from samples';
COMMENT ON COLUMN store.rollup_levels.width IS 'Length of a bucket; buckets begin at whole widths, UTC';
COMMENT ON COLUMN store.rollup_levels.relation IS 'Where it stands in schema store, and its view in public';
COMMENT ON COLUMN store.rollup_levels.source IS 'What in schema store it is made from';
COMMENT ON COLUMN store.rollup_levels.chunk IS 'Length of a chunk (apache edition)';
INSERT INTO store.rollup_levels VALUES
    ('1min', 1, '1 minute', 'metrics_1min', 'samples', '1 day'),
    ('1hour', 2, '1 hour', 'metrics_1hour', 'metrics_1min', '30 days'),
    ('1day', 3, '1 day', 'metrics_daily', 'metrics_1hour', '365 days');

CREATE TABLE store.rollup_watermark (
    level text PRIMARY KEY REFERENCES store.rollup_levels,
    upto timestamptz NOT NULL,
    filled timestamptz NOT NULL,
    piece interval NOT NULL DEFAULT '1 hour'
        CHECK (piece BETWEEN interval '1 minute' AND interval '1 day'),
    CHECK (filled <= upto)
);
COMMENT ON TABLE store.rollup_watermark IS
'How far the rollups are (apache edition; empty on the timescale edition, whose aggregates keep their own log).
rollup_advance() moves upto of 1min while it has store.rollup_gate for itself. A writer that holds the gate with others and saw upto has committed before it moves: so every row older than upto that comes later has a mark, and every row without one is seen by rollup_fill(), which in a transaction of its own makes the buckets from filled to upto and then those that are marked.';
COMMENT ON COLUMN store.rollup_watermark.level IS 'Level';
COMMENT ON COLUMN store.rollup_watermark.upto IS 'A row older than this needs a mark; beginning of a bucket';
COMMENT ON COLUMN store.rollup_watermark.filled IS 'Buckets before this stand in the table, newer ones are computed when asked for; <= upto';
COMMENT ON COLUMN store.rollup_watermark.piece IS 'Most time that one step of a catch-up takes on, 1 minute to 1 day; rollup_fill() fits it to how long it took';

-- Locks that only the functions below can take: an advisory lock is anybody's
-- who has the right to call the function, and would stop every writer.
CREATE TABLE store.rollup_gate ();
COMMENT ON TABLE store.rollup_gate IS
    'Always empty, a lock: rollup_enter() takes it IN ROW SHARE MODE, rollup_advance() IN EXCLUSIVE MODE; nobody has a right on it';
CREATE TABLE store.rollup_turn ();
COMMENT ON TABLE store.rollup_turn IS
    'Always empty, a lock: rollup_fill() takes it IN EXCLUSIVE MODE, so that one runs at a time; nobody has a right on it';

-- No key: whoever adds marks must not wait for the job, nor for another.
CREATE TABLE store.rollup_marks (
    level text NOT NULL,
    bucket timestamptz NOT NULL,
    series_id bigint NOT NULL
);
COMMENT ON TABLE store.rollup_marks IS 'Buckets to be made again because a late row came; rollup_fill() takes them away. The same one may stand here more than once';
COMMENT ON COLUMN store.rollup_marks.level IS 'Level';
COMMENT ON COLUMN store.rollup_marks.bucket IS 'Beginning of the bucket';
COMMENT ON COLUMN store.rollup_marks.series_id IS 'Series';

CREATE FUNCTION store.rollup_filled(wanted text) RETURNS timestamptz
LANGUAGE sql STABLE STRICT PARALLEL SAFE SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $$ SELECT w.filled FROM store.rollup_watermark w WHERE w.level = wanted $$;
COMMENT ON FUNCTION store.rollup_filled(text) IS
    'Where the part of a level that stands in its table ends and the part computed when asked for begins (apache edition; NULL on the timescale edition)';

-- What a level is made of, as SQL. A sample is an aggregate of one.
CREATE FUNCTION store.rollup_part(source name) RETURNS text
LANGUAGE sql IMMUTABLE STRICT SET search_path = pg_catalog, pg_temp
AS $$
    SELECT CASE source
        WHEN 'samples' THEN 'SELECT time AS bucket, series_id, 1::bigint AS count, value AS sum, value AS min, value AS max, value AS first, value AS last FROM store.samples'
        ELSE format('SELECT bucket, series_id, count, sum, min, max, first, last FROM store.%I', source) END
$$;
COMMENT ON FUNCTION store.rollup_part(name) IS 'SQL: the rows of a source in the columns of a rollup';

CREATE FUNCTION store.rollup_columns(source name, alias text) RETURNS text
LANGUAGE sql IMMUTABLE STRICT SET search_path = pg_catalog, pg_temp
AS $$
    SELECT format(CASE source
        WHEN 'samples' THEN 'count(*) AS count, sum(%1$s.value) AS sum, min(%1$s.value) AS min, max(%1$s.value) AS max, public.first(%1$s.value, %1$s.time) AS first, public.last(%1$s.value, %1$s.time) AS last'
        ELSE 'sum(%1$s.count)::bigint AS count, sum(%1$s.sum) AS sum, min(%1$s.min) AS min, max(%1$s.max) AS max, public.first(%1$s.first, %1$s.bucket) AS first, public.last(%1$s.last, %1$s.bucket) AS last' END, alias)
$$;
COMMENT ON FUNCTION store.rollup_columns(name, text) IS 'SQL: the aggregates of a rollup over a source under an alias';

DO $$
DECLARE
    timescale constant boolean := current_setting('timescaledb.license', true) IS NOT DISTINCT FROM 'timescale';
    l record;
    c record;
    kind text;
    oldest timestamptz;
    rows text; -- of a series s: the buckets that stand, and where a job fills them the newer ones
    newest text := format('%s WHERE time >= store.rollup_filled(''1min'')', store.rollup_part('samples'));
BEGIN
    EXECUTE format(
        'CREATE FUNCTION store.rollups_by_job() RETURNS boolean LANGUAGE sql IMMUTABLE PARALLEL SAFE
         SET search_path = pg_catalog, pg_temp AS %L', format('SELECT %L::boolean', NOT timescale));
    IF NOT timescale THEN
        -- What was stored before this migration is filled in from its oldest
        -- chunk on. Nobody adds an older one meanwhile.
        LOCK TABLE store.samples IN SHARE MODE;
        SELECT coalesce(min(k.range_start), now() - interval '2 minutes') INTO oldest
        FROM timescaledb_information.chunks k
        WHERE k.hypertable_schema = 'store' AND k.hypertable_name = 'samples';
    END IF;

    FOR l IN
        SELECT v.*, CASE v.source WHEN 'samples' THEN 'time' ELSE 'bucket' END AS clock,
               (SELECT above.level FROM store.rollup_levels above WHERE above.nth = v.nth + 1) AS above
        FROM store.rollup_levels v ORDER BY v.nth
    LOOP
        rows := format('SELECT bucket, count, sum, min, max, first, last FROM store.%I WHERE series_id = s.series_id', l.relation);
        IF timescale THEN
            kind := 'VIEW';
            EXECUTE format(
                'CREATE MATERIALIZED VIEW store.%1$I
                     WITH (timescaledb.continuous, timescaledb.materialized_only = false) AS
                 SELECT public.time_bucket(interval %2$L, x.%3$I) AS bucket, x.series_id, %4$s
                 FROM store.%5$I x GROUP BY public.time_bucket(interval %2$L, x.%3$I), x.series_id
                 WITH NO DATA',
                l.relation, l.width, l.clock, store.rollup_columns(l.source, 'x'), l.source);
        ELSE
            kind := 'TABLE';
            EXECUTE format(
                'CREATE TABLE store.%I (
                     bucket timestamptz NOT NULL,
                     series_id bigint NOT NULL,
                     count bigint NOT NULL CHECK (count > 0),
                     sum double precision NOT NULL,
                     min double precision NOT NULL,
                     max double precision NOT NULL,
                     first double precision NOT NULL,
                     last double precision NOT NULL)', l.relation);
            PERFORM public.create_hypertable(format('store.%I', l.relation)::regclass,
                public.by_range('bucket', l.chunk), create_default_indexes => false);
            EXECUTE format('CREATE UNIQUE INDEX %I ON store.%I (series_id, bucket DESC)',
                l.relation || '_series_bucket', l.relation);
            EXECUTE format('CREATE INDEX %I ON store.%I USING brin (bucket) WITH (pages_per_range = 32)',
                l.relation || '_bucket', l.relation);
            EXECUTE format('COMMENT ON INDEX store.%I IS %L', l.relation || '_series_bucket', 'A bucket of a series once; one series over a range of time');
            EXECUTE format('COMMENT ON INDEX store.%I IS %L', l.relation || '_bucket', 'All series over a range of time: the level above');
            INSERT INTO store.rollup_watermark (level, upto, filled)
            VALUES (l.level, public.time_bucket(l.width, oldest), public.time_bucket(l.width, oldest));

            -- Plain comparison of the samples' time with the function: chunks
            -- are excluded before the first row.
            rows := format('%s UNION ALL SELECT public.time_bucket(interval %L, x.bucket), %s FROM (%s) x WHERE x.series_id = s.series_id GROUP BY 1',
                rows, l.width, store.rollup_columns(l.relation, 'x'), newest);
            newest := format('%s WHERE bucket >= (SELECT store.rollup_filled(%L)) UNION ALL %s',
                store.rollup_part(l.relation), l.above, newest);
        END IF;

        -- Series by series, by index; 015 says why like this. "- 0" keeps the
        -- planner from the columns' statistics, which cannot be switched off
        -- for a continuous aggregate.
        EXECUTE format(
            'CREATE VIEW public.%I WITH (security_barrier) AS
             SELECT r.bucket, s.tenant_id, s.series_id, s.name, s.name AS metric_name, s.host, s.labels,
                    r.count - 0 AS count, r.sum - 0 AS sum, r.sum / r.count AS avg,
                    r.min - 0 AS min, r.max - 0 AS max, r.first - 0 AS first, r.last - 0 AS last
             FROM store.series s CROSS JOIN LATERAL (%s ORDER BY bucket DESC) r
             WHERE (s.tenant_id, true) = (SELECT store.current_tenant(), true)', l.relation, rows);

        EXECUTE format('COMMENT ON %s store.%I IS %L', kind, l.relation, CASE WHEN timescale
            THEN format('Continuous aggregate of %s: each series per %s, the newest buckets in real time', l.source, l.level)
            ELSE format('Hypertable: each series per %s, filled from %s by the job; the newest buckets are seen in public.%s only', l.level, l.source, l.relation) END);
        EXECUTE format('COMMENT ON VIEW public.%I IS %L', l.relation,
            format('The tenant''s series per %s, the newest bucket in real time; ask for series_id = ANY (…) and a range of buckets', l.level));
        FOR c IN
            SELECT * FROM (VALUES
                ('bucket', 'Beginning of the bucket, a whole number of widths, UTC'),
                ('series_id', 'Number of the series'),
                ('count', 'Number of readings in the bucket, >= 1'),
                ('sum', 'Sum of the readings, in the metric''s unit'),
                ('min', 'Least reading'),
                ('max', 'Greatest reading'),
                ('first', 'Earliest reading'),
                ('last', 'Latest reading')) v (name, what)
        LOOP
            EXECUTE format('COMMENT ON COLUMN store.%I.%I IS %L', l.relation, c.name, c.what);
            EXECUTE format('COMMENT ON COLUMN public.%I.%I IS %L', l.relation, c.name, c.what);
        END LOOP;
        FOR c IN
            SELECT * FROM (VALUES
                ('tenant_id', 'Owner'),
                ('name', 'Metric name, or name of a telemetry field'),
                ('metric_name', 'The same as name'),
                ('host', 'Label host, else label device_id, else NULL'),
                ('labels', 'Object of text to text'),
                ('avg', 'sum / count')) v (name, what)
        LOOP
            EXECUTE format('COMMENT ON COLUMN public.%I.%I IS %L', l.relation, c.name, c.what);
        END LOOP;

        EXECUTE format('GRANT SELECT ON public.%I TO pulse_app', l.relation);
        EXECUTE format('GRANT SELECT ON store.%I TO pulse_operator', l.relation);
    END LOOP;
END
$$;
COMMENT ON FUNCTION store.rollups_by_job() IS
    'True: the rollups are tables filled by rollup_advance() and rollup_fill(); false: continuous aggregates. Decided when they were made';

CREATE VIEW public.metrics_hourly WITH (security_barrier) AS
    SELECT bucket, tenant_id, name, sum(count)::bigint AS count, sum(sum) / sum(count) AS avg,
           min(min) AS min, max(max) AS max, sum(sum) AS sum
    FROM public.metrics_1hour
    GROUP BY bucket, tenant_id, name;
COMMENT ON VIEW public.metrics_hourly IS 'The tenant''s metrics per hour, over all series of a name; the newest hour in real time';
COMMENT ON COLUMN public.metrics_hourly.bucket IS 'Beginning of the hour, UTC';
COMMENT ON COLUMN public.metrics_hourly.tenant_id IS 'Owner';
COMMENT ON COLUMN public.metrics_hourly.name IS 'Metric name, or name of a telemetry field';
COMMENT ON COLUMN public.metrics_hourly.count IS 'Number of readings, >= 1';
COMMENT ON COLUMN public.metrics_hourly.avg IS 'Mean of the readings, in the metric''s unit';
COMMENT ON COLUMN public.metrics_hourly.min IS 'Least reading';
COMMENT ON COLUMN public.metrics_hourly.max IS 'Greatest reading';
COMMENT ON COLUMN public.metrics_hourly.sum IS 'Sum of the readings';

-- What a writer calls, last of all before COMMIT.
CREATE FUNCTION store.rollup_enter() RETURNS timestamptz
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    IF NOT store.rollups_by_job() THEN
        RETURN '-infinity';
    END IF;
    -- A snapshot from before the lock may show an upto from before the job.
    IF current_setting('transaction_isolation') <> 'read committed' THEN
        RETURN 'infinity';
    END IF;
    LOCK TABLE store.rollup_gate IN ROW SHARE MODE;
    RETURN (SELECT w.upto FROM store.rollup_watermark w WHERE w.level = '1min');
END
$$;
COMMENT ON FUNCTION store.rollup_enter() IS
    'Rows of this transaction with a time before the answer need rollup_mark(). Holds store.rollup_gate, with others, until the transaction ends: call it when all rows are in, mark, COMMIT. -infinity: none needs a mark';

CREATE FUNCTION store.rollup_mark(series bigint[], times timestamptz[]) RETURNS void
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    IF cardinality(series) <> cardinality(times) THEN
        RAISE invalid_parameter_value USING MESSAGE = 'rollup_mark: two arrays of one length';
    END IF;
    IF store.rollups_by_job() THEN
        INSERT INTO store.rollup_marks (level, bucket, series_id)
        SELECT DISTINCT '1min', public.time_bucket('1 minute', m.t), m.s
        FROM unnest(series, times) m (s, t);
    END IF;
END
$$;
COMMENT ON FUNCTION store.rollup_mark(bigint[], timestamptz[]) IS
    'Rollups of these series at these times are made again by the next rollup_fill(): for rows inserted by this transaction with a time before rollup_enter(). Marking a row that needs none does no harm, and who marks all its rows need not call rollup_enter()';

CREATE FUNCTION store.rollup_batch() RETURNS integer
LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp
AS $$
    SELECT CASE WHEN w.piece < interval '10 minutes' THEN 2000 WHEN w.piece < interval '1 hour' THEN 20000 ELSE 200000 END
    FROM (VALUES ('1min')) one (level) LEFT JOIN store.rollup_watermark w USING (level)
$$;
COMMENT ON FUNCTION store.rollup_batch() IS 'Most marks of a level that one rollup_fill() takes: 200000, less where pieces had to become small';

-- What the job calls: two transactions.
CREATE FUNCTION store.rollup_advance() RETURNS timestamptz
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp SET lock_timeout = '200ms'
AS $$
DECLARE
    -- What comes a little late is computed when asked for, not marked.
    target constant timestamptz := public.time_bucket('1 minute', clock_timestamp() - interval '2 minutes');
    w store.rollup_watermark;
    reach timestamptz := target;
BEGIN
    IF NOT store.rollups_by_job() THEN
        RETURN '-infinity';
    END IF;
    SELECT * INTO w FROM store.rollup_watermark WHERE level = '1min';
    -- The last fill did not come to its end, perhaps for want of time.
    IF w.filled < w.upto THEN
        w.piece := greatest(w.piece / 2, interval '1 minute');
    END IF;
    IF w.filled + w.piece < target THEN
        -- A step of a catch-up, counted from where there are samples at all.
        SELECT public.time_bucket('1 minute', least(target, greatest(w.filled, min(c.range_start)) + w.piece)) INTO reach
        FROM timescaledb_information.chunks c
        WHERE c.hypertable_schema = 'store' AND c.hypertable_name = 'samples' AND c.range_end > w.filled;
    END IF;
    LOCK TABLE store.rollup_gate IN EXCLUSIVE MODE;
    IF w.filled = w.upto THEN
        UPDATE store.rollup_watermark SET upto = reach
        WHERE level = '1min' AND upto = filled AND filled = w.filled AND upto < reach;
    ELSE
        -- Back, unless the fill is still at work.
        BEGIN
            LOCK TABLE store.rollup_turn IN EXCLUSIVE MODE NOWAIT;
            UPDATE store.rollup_watermark SET upto = least(upto, reach), piece = w.piece
            WHERE level = '1min' AND upto = w.upto AND filled = w.filled;
        EXCEPTION WHEN lock_not_available THEN
            NULL;
        END;
    END IF;
    RETURN (SELECT upto FROM store.rollup_watermark WHERE level = '1min');
END
$$;
COMMENT ON FUNCTION store.rollup_advance() IS
    'First half of the rollup job (apache edition; nothing to do on the other): moves upto of 1min towards two minutes ago, by at most one piece, and returns it. After a fill that failed the piece is halved and upto moved back. lock_not_available (55P03): writers were in the way, try again after a random pause. COMMIT at once, then call rollup_fill() in another transaction';

CREATE FUNCTION store.rollup_fill() RETURNS bigint
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp
    SET lock_timeout = '200ms' SET work_mem = '64MB'
AS $$
DECLARE
    begun constant timestamptz := clock_timestamp();
    batch constant integer := store.rollup_batch();
    more boolean := false;
    took interval;
    l record;
    day record;
    marked record;
    settled timestamptz; -- the level at hand is made up to here
    total bigint := 0;
    n bigint;
BEGIN
    IF NOT store.rollups_by_job() THEN
        RETURN 0;
    END IF;
    LOCK TABLE store.rollup_turn IN EXCLUSIVE MODE; -- one at a time
    FOR l IN
        SELECT v.*, w.filled, above.level AS above, above.width AS above_width, o.filled AS above_filled,
               CASE v.source WHEN 'samples' THEN 'time' ELSE 'bucket' END AS clock,
               CASE v.nth WHEN 1 THEN w.upto END AS upto
        FROM store.rollup_levels v JOIN store.rollup_watermark w USING (level)
            LEFT JOIN store.rollup_levels above ON above.nth = v.nth + 1
            LEFT JOIN store.rollup_watermark o ON o.level = above.level
        ORDER BY v.nth
    LOOP
        settled := coalesce(l.upto, public.time_bucket(l.width, settled));
        IF settled > l.filled THEN
            EXECUTE format(
                'INSERT INTO store.%I (bucket, series_id, count, sum, min, max, first, last)
                 SELECT public.time_bucket($1, x.%I), x.series_id, %s
                 FROM store.%I x WHERE x.%2$I >= $2 AND x.%2$I < $3 GROUP BY 1, 2',
                l.relation, l.clock, store.rollup_columns(l.source, 'x'), l.source)
                USING l.width, l.filled, settled;
            GET DIAGNOSTICS n = ROW_COUNT;
            total := total + n;
            UPDATE store.rollup_watermark w SET filled = settled, upto = settled WHERE w.level = l.level;
        END IF;

        -- Whoever's mark is seen here, its rows are seen below. A bucket not
        -- made yet needs none: it will be made from all its rows. Where many
        -- marks wait, the levels above wait too: they are made again once.
        CONTINUE WHEN more;
        WITH gone AS (
            DELETE FROM store.rollup_marks m
            WHERE m.level = l.level AND m.ctid = ANY (ARRAY(
                SELECT k.ctid FROM store.rollup_marks k WHERE k.level = l.level LIMIT batch))
            RETURNING m.bucket, m.series_id
        )
        SELECT array_agg(g.bucket) AS buckets, array_agg(g.series_id) AS series, (SELECT count(*) FROM gone) AS taken INTO marked
        FROM (SELECT DISTINCT bucket, series_id FROM gone WHERE bucket < settled) g;
        more := marked.taken = batch;
        CONTINUE WHEN marked.buckets IS NULL;

        -- By days, so that each statement looks into few chunks. It may look up
        -- each bucket, or, where many are marked, read the source through.
        FOR day IN
            SELECT min(m.b) AS start, max(m.b) + l.width AS stop, array_agg(m.b) AS buckets, array_agg(m.s) AS series
            FROM unnest(marked.buckets, marked.series) m (b, s) GROUP BY public.time_bucket('1 day', m.b) ORDER BY 1
        LOOP
            EXECUTE format(
                'INSERT INTO store.%I (bucket, series_id, count, sum, min, max, first, last)
                 SELECT m.bucket, m.series_id, %s
                 FROM unnest($1, $2) m (bucket, series_id)
                     JOIN store.%I x ON x.series_id = m.series_id AND x.%I >= m.bucket AND x.%4$I < m.bucket + $3
                          AND public.time_bucket($3, x.%4$I) = m.bucket
                 WHERE x.%4$I >= $4 AND x.%4$I < $5
                 GROUP BY 1, 2
                 ON CONFLICT (series_id, bucket) DO UPDATE SET count = excluded.count, sum = excluded.sum,
                     min = excluded.min, max = excluded.max, first = excluded.first, last = excluded.last',
                l.relation, store.rollup_columns(l.source, 'x'), l.source, l.clock)
                USING day.buckets, day.series, l.width, day.start, day.stop;
            GET DIAGNOSTICS n = ROW_COUNT;
            total := total + n;
        END LOOP;
        INSERT INTO store.rollup_marks (level, bucket, series_id)
        SELECT DISTINCT l.above, public.time_bucket(l.above_width, m.b), m.s
        FROM unnest(marked.buckets, marked.series) m (b, s)
        WHERE public.time_bucket(l.above_width, m.b) < l.above_filled;
    END LOOP;

    -- The next step of a catch-up takes some seconds, not minutes.
    took := clock_timestamp() - begun;
    UPDATE store.rollup_watermark w
    SET piece = CASE WHEN took > interval '10 seconds' THEN greatest(w.piece / 2, interval '1 minute')
                     ELSE least(w.piece * 2, interval '1 day') END
    WHERE w.level = '1min' AND (took > interval '10 seconds'
                                OR took < interval '2 seconds' AND w.piece < interval '1 day');
    RETURN total;
END
$$;
COMMENT ON FUNCTION store.rollup_fill() IS
    'Second half of the rollup job (apache edition; nothing to do on the other): makes the buckets up to upto and at most rollup_batch() marked ones of each level; returns the rows written. In a transaction of its own, after that of rollup_advance(); lock_not_available (55P03): another one runs. While rollup_behind() begin again at once with rollup_advance()';

CREATE FUNCTION store.rollup_behind() RETURNS boolean
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS $$
    SELECT EXISTS (SELECT FROM store.rollup_watermark w
                   WHERE w.level = '1min' AND w.filled < clock_timestamp() - interval '4 minutes')
        OR (SELECT count(*) = store.rollup_batch() FROM (SELECT FROM store.rollup_marks LIMIT store.rollup_batch()) m)
$$;
COMMENT ON FUNCTION store.rollup_behind() IS
    'True: more than two minutes, or many marks, wait for the rollup job: it goes on at once instead of at its next turn';

GRANT EXECUTE ON FUNCTION store.rollup_filled(text) TO pulse_app, pulse_operator, pulse_collector;
GRANT EXECUTE ON FUNCTION store.rollup_enter(), store.rollup_mark(bigint[], timestamptz[]) TO pulse_writer;
GRANT EXECUTE ON FUNCTION store.rollup_advance(), store.rollup_fill(), store.rollup_behind() TO pulse_collector;
GRANT SELECT ON public.metrics_hourly TO pulse_app;
GRANT SELECT ON store.rollup_levels, store.rollup_watermark, store.rollup_marks TO pulse_operator, pulse_collector;

RESET ROLE;
