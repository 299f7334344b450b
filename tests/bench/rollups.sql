-- SPDX-License-Identifier: Apache-2.0
-- What run_rollups measures. A million samples a line, 10,000 series.
SET client_min_messages = warning;
CREATE SCHEMA bench;
CREATE TABLE bench.figures (nth int GENERATED ALWAYS AS IDENTITY, what text, every int, rows bigint, written bigint, cpu float8);
INSERT INTO public.tenants VALUES ('a', 'A');
CREATE TEMP TABLE made AS SELECT i.* FROM store.series_ids(array_fill('a'::text, ARRAY[10000]),
    (SELECT array_agg('m' || g % 100) FROM generate_series(1, 10000) g),
    (SELECT array_agg(jsonb_build_object('host', 'h' || g / 100)) FROM generate_series(1, 10000) g)) i;

-- CPU seconds of this session so far, in steps of 10 ms.
CREATE FUNCTION bench.cpu() RETURNS float8 LANGUAGE sql AS $$
    SELECT (split_part(s, ' ', 14)::float8 + split_part(s, ' ', 15)::float8) / 100 FROM pg_read_file('/proc/self/stat') s
$$;

CREATE PROCEDURE bench.measure(what text, every int) LANGUAGE plpgsql AS $$
DECLARE
    series constant int := 10000;
    start constant timestamptz := time_bucket('1 hour', now() - interval '2 days');
    before float8;
    written bigint := 0;
BEGIN
    TRUNCATE store.samples, store.metrics_1min, store.metrics_1hour, store.metrics_daily, store.rollup_marks;
    -- Late rows: the watermark is past them already.
    UPDATE store.rollup_watermark w
    SET piece = '1 day', filled = time_bucket(l.width, t), upto = time_bucket(l.width, t)
    FROM store.rollup_levels l, (SELECT start + CASE what WHEN 'in time' THEN interval '0' ELSE interval '1 day' END) s (t)
    WHERE l.level = w.level;
    COMMIT;
    FOR i IN 0..99 LOOP -- as the writer does it, batches of 10,000
        INSERT INTO store.samples SELECT start + i * every * interval '1 second', g, random() FROM generate_series(1, series) g;
        IF what = 'late' THEN
            PERFORM store.rollup_mark((SELECT array_agg(g) FROM generate_series(1, series) g),
                (SELECT array_agg(start + i * every * interval '1 second') FROM generate_series(1, series) g));
        END IF;
        COMMIT;
    END LOOP;
    ANALYZE store.samples;
    COMMIT;
    before := bench.cpu();
    FOR i IN 1..100 LOOP
        PERFORM store.rollup_advance();
        COMMIT;
        written := written + store.rollup_fill();
        COMMIT;
        EXIT WHEN NOT EXISTS (SELECT FROM store.rollup_marks)
            AND store.rollup_filled('1min') > start + interval '12 hours';
    END LOOP;
    INSERT INTO bench.figures (what, every, rows, written, cpu)
    SELECT what, every, (SELECT count(*) FROM store.samples), written, bench.cpu() - before;
    COMMIT;
END
$$;
CALL bench.measure('in time', 5);
CALL bench.measure('in time', 15);
CALL bench.measure('in time', 60);
CALL bench.measure('late', 5);
CALL bench.measure('late', 15);
CALL bench.measure('late', 60);

-- Back-fill: 60,000 rows in transactions of 1,000, one by one and all at once.
TRUNCATE store.samples, store.rollup_marks;
SET app.tenant_id = 'a';
CREATE PROCEDURE bench.backfill(what text, start timestamptz) LANGUAGE plpgsql AS $$
DECLARE
    before constant float8 := bench.cpu();
BEGIN
    FOR i IN 0..59 LOOP
        IF what = 'one row per INSERT' THEN
            FOR j IN 1..1000 LOOP
                EXECUTE format('INSERT INTO public.metrics (time, host, metric_name, value) VALUES (%L, %L, %L, %s)',
                    start + i * interval '1 second', 'h' || j / 20, 'm' || j % 20, j);
            END LOOP;
        ELSE
            INSERT INTO public.metrics (time, host, metric_name, value)
            SELECT start + i * interval '1 second', 'h' || j / 20, 'm' || j % 20, j FROM generate_series(1, 1000) j;
        END IF;
        COMMIT;
    END LOOP;
    INSERT INTO bench.figures (what, every, rows, written, cpu) VALUES (what, NULL, 60000, NULL, bench.cpu() - before);
    COMMIT;
END
$$;
CALL bench.backfill('one row per INSERT', now() - interval '3 hours');
CALL bench.backfill('1,000 rows per INSERT', now() - interval '2 hours');

\pset format unaligned
\pset tuples_only on
\echo '| samples | every | rollup rows written | CPU s per million samples |'
\echo '|---|---|---|---|'
SELECT format('| %s | %s s | %s | %s |', what, every, written, round((cpu / rows * 1e6)::numeric, 2)) FROM bench.figures WHERE every IS NOT NULL ORDER BY nth;
\echo
\echo '| back-fill of 60,000 rows | CPU s | us per row |'
\echo '|---|---|---|'
SELECT format('| %s | %s | %s |', what, round(cpu::numeric, 1), round((cpu / rows * 1e6)::numeric)) FROM bench.figures WHERE every IS NULL ORDER BY nth;
