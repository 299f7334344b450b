-- SPDX-License-Identifier: Apache-2.0
-- What the sessions of rollups_race_test run, in a database of their own.

-- Somewhere around the watermark, where the race is, or anywhere in 4 days. On
-- a fast machine the watermark reaches now: back-fill takes nothing far ahead.
CREATE FUNCTION tests.race_time() RETURNS timestamptz LANGUAGE sql AS $$
    SELECT date_trunc('second', CASE WHEN random() < 0.9
        THEN least(now() + interval '5 minutes',
                   (SELECT upto FROM store.rollup_watermark WHERE level = '1min') + (random() - 0.3) * interval '20 minutes')
        ELSE now() - random() * interval '4 days' END)
$$;

-- As the writer does it; every tenth transaction fails at its end.
CREATE PROCEDURE tests.race_writer(seed float8, rounds int) LANGUAGE plpgsql AS $$
DECLARE
    upto timestamptz;
    s bigint[];
    t timestamptz[];
BEGIN
    PERFORM setseed(seed);
    FOR i IN 1..rounds LOOP
        WITH added AS (
            INSERT INTO store.samples
            SELECT tests.race_time(), 1 + floor(random() * 7)::int, floor(random() * 1000)
            FROM generate_series(1, floor(random() * 8)::int) ORDER BY 2, 1
            ON CONFLICT DO NOTHING RETURNING time, series_id
        )
        SELECT array_agg(series_id), array_agg(time) INTO s, t FROM added;
        PERFORM pg_sleep(random() * 0.004);
        upto := store.rollup_enter();
        PERFORM store.rollup_mark(array_agg(x.s), array_agg(x.t)) FROM unnest(s, t) x (s, t) WHERE x.t < upto;
        PERFORM pg_sleep(random() * 0.004);
        IF random() < 0.1 THEN
            ROLLBACK;
        ELSE
            COMMIT;
        END IF;
    END LOOP;
END
$$;

-- Back-fill, without any lock.
CREATE PROCEDURE tests.race_backfill(seed float8, rounds int) LANGUAGE plpgsql AS $$
DECLARE
    series record;
BEGIN
    PERFORM setseed(seed);
    FOR i IN 1..rounds LOOP
        PERFORM set_config('app.tenant_id', 'a', false);
        FOR j IN 1..floor(random() * 4)::int LOOP
            SELECT name, labels INTO series FROM public.series ORDER BY random() LIMIT 1;
            BEGIN
                INSERT INTO public.metrics (time, name, labels, value) VALUES (tests.race_time(), series.name, series.labels, floor(random() * 1000));
            EXCEPTION WHEN unique_violation THEN NULL;
            END;
        END LOOP;
        PERFORM pg_sleep(random() * 0.02);
        COMMIT;
    END LOOP;
END
$$;

-- Small steps, so that the watermark passes where the writers are.
CREATE PROCEDURE tests.race_job(seed float8, seconds int) LANGUAGE plpgsql AS $$
DECLARE
    stop constant timestamptz := clock_timestamp() + seconds * interval '1 second';
BEGIN
    PERFORM setseed(seed);
    WHILE clock_timestamp() < stop LOOP
        BEGIN
            UPDATE store.rollup_watermark SET piece = '14 minutes' WHERE level = '1min';
            PERFORM store.rollup_advance();
        EXCEPTION WHEN lock_not_available THEN NULL;
        END;
        COMMIT;
        PERFORM pg_sleep(random() * 0.01);
        BEGIN
            PERFORM store.rollup_fill();
        EXCEPTION WHEN lock_not_available THEN NULL;
        END;
        IF random() < 0.1 THEN
            ROLLBACK;
        ELSE
            COMMIT;
        END IF;
    END LOOP;
END
$$;

-- What is wrong though no mark says that it will be made again. Ask in one
-- snapshot.
CREATE FUNCTION tests.race_lost() RETURNS SETOF text LANGUAGE sql AS $$
    SELECT w::text FROM tests.rollups_wrong() w
    WHERE NOT EXISTS (
        SELECT FROM store.rollup_marks m JOIN store.series s USING (series_id)
        WHERE w.series IN (m.series_id::text, s.name)
              AND w.bucket IN (m.bucket, time_bucket('1 hour', m.bucket), time_bucket('1 day', m.bucket)))
$$;
