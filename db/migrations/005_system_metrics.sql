-- SPDX-License-Identifier: Apache-2.0
-- How Pulse itself is: written by the collector every 10 s.
SET ROLE pulse_owner;

CREATE TABLE public.system_metrics (
    time timestamptz NOT NULL,
    metric_name text CONSTRAINT system_metrics_metric_name_present CHECK (metric_name IS NOT NULL),
    service text,
    tags jsonb NOT NULL DEFAULT '{}',
    value double precision NOT NULL
);
SELECT create_hypertable('public.system_metrics', by_range('time', interval '1 hour'),
    create_default_indexes => false);
CREATE INDEX system_metrics_name_time ON public.system_metrics (metric_name, time DESC);
CREATE INDEX system_metrics_service_time ON public.system_metrics (service, time DESC)
    WHERE service IS NOT NULL;
CREATE INDEX system_metrics_name_service_time
    ON public.system_metrics (metric_name, service, time DESC);
COMMENT ON TABLE public.system_metrics IS 'Hypertable: health of the services, Kafka, PostgreSQL and the host; kept 14 days';
COMMENT ON COLUMN public.system_metrics.time IS 'When it was measured (the collector''s clock), UTC';
COMMENT ON COLUMN public.system_metrics.metric_name IS 'Name with its unit, as scraped (…_bytes, …_seconds, …_total)';
COMMENT ON COLUMN public.system_metrics.service IS 'Service measured; NULL: the host or the whole system';
COMMENT ON COLUMN public.system_metrics.tags IS 'Object of text to text: the scraped labels';
COMMENT ON COLUMN public.system_metrics.value IS 'Reading in the unit of the name';

-- Bounded: without the bound it took 5 s at 4 M rows.
CREATE VIEW public.system_metrics_latest AS
    SELECT DISTINCT ON (metric_name, service) metric_name, service, time, tags, value
    FROM public.system_metrics
    WHERE time > now() - interval '24 hours'
    ORDER BY metric_name, service, time DESC;
COMMENT ON VIEW public.system_metrics_latest IS 'Newest reading per metric_name and service within 24 hours';
COMMENT ON COLUMN public.system_metrics_latest.metric_name IS 'As in system_metrics';
COMMENT ON COLUMN public.system_metrics_latest.service IS 'As in system_metrics';
COMMENT ON COLUMN public.system_metrics_latest.time IS 'Time of that reading, UTC';
COMMENT ON COLUMN public.system_metrics_latest.tags IS 'Tags of that reading';
COMMENT ON COLUMN public.system_metrics_latest.value IS 'That reading';

CREATE VIEW public.system_metrics_recent AS
    SELECT metric_name, service, avg(value) AS avg_value, max(value) AS max_value,
           min(value) AS min_value, count(*) AS sample_count
    FROM public.system_metrics
    WHERE time > now() - interval '5 minutes'
    GROUP BY metric_name, service;
COMMENT ON VIEW public.system_metrics_recent IS 'Last 5 minutes per metric_name and service';
COMMENT ON COLUMN public.system_metrics_recent.metric_name IS 'As in system_metrics';
COMMENT ON COLUMN public.system_metrics_recent.service IS 'As in system_metrics';
COMMENT ON COLUMN public.system_metrics_recent.avg_value IS 'Mean of the readings';
COMMENT ON COLUMN public.system_metrics_recent.max_value IS 'Greatest reading';
COMMENT ON COLUMN public.system_metrics_recent.min_value IS 'Least reading';
COMMENT ON COLUMN public.system_metrics_recent.sample_count IS 'Number of readings, >= 1';

GRANT SELECT, INSERT ON public.system_metrics TO pulse_operator, pulse_collector;
GRANT SELECT ON public.system_metrics TO pulse_app;
GRANT SELECT ON public.system_metrics_latest, public.system_metrics_recent
    TO pulse_app, pulse_operator, pulse_collector;

-- The migration verifies itself.
DO $$
DECLARE
    width interval;
    n integer;
BEGIN
    SELECT time_interval INTO width FROM timescaledb_information.dimensions
    WHERE hypertable_schema = 'public' AND hypertable_name = 'system_metrics';
    ASSERT width = interval '1 hour', 'system_metrics: chunks are not one hour: ' || coalesce(width::text, 'no hypertable');

    SELECT count(*) INTO n FROM pg_indexes
    WHERE schemaname = 'public' AND tablename = 'system_metrics';
    ASSERT n = 3, 'system_metrics: not three indexes but ' || n;

    BEGIN
        INSERT INTO public.system_metrics (time, metric_name, value) VALUES (now(), NULL, 0);
        RAISE assert_failure USING MESSAGE = 'system_metrics: took a reading without a name';
    EXCEPTION WHEN check_violation THEN NULL;
    END;

    -- Raised at the end to undo the probe's rows and chunk.
    BEGIN
        INSERT INTO public.system_metrics (time, metric_name, service, value)
        VALUES (now() - interval '1 minute', 'probe', 'a', 1), (now(), 'probe', 'a', 3),
               (now() - interval '10 minutes', 'probe', 'a', 99),
               (now() - interval '25 hours', 'probe', 'b', 7);
        PERFORM FROM public.system_metrics_latest
        WHERE metric_name = 'probe' HAVING count(*) = 1 AND sum(value) = 3 AND min(tags::text) = '{}';
        ASSERT FOUND, 'system_metrics_latest: wrong answer';
        PERFORM FROM public.system_metrics_recent
        WHERE metric_name = 'probe' AND service = 'a' AND avg_value = 2 AND max_value = 3
              AND min_value = 1 AND sample_count = 2;
        ASSERT FOUND, 'system_metrics_recent: wrong answer';
        RAISE 'undo' USING ERRCODE = 'PU001';
    EXCEPTION WHEN SQLSTATE 'PU001' THEN NULL;
    END;

    ASSERT has_table_privilege('pulse_operator', 'public.system_metrics', 'INSERT')
        AND has_table_privilege('pulse_operator', 'public.system_metrics', 'SELECT')
        AND has_table_privilege('pulse_app', 'public.system_metrics', 'SELECT')
        AND NOT has_table_privilege('pulse_app', 'public.system_metrics', 'INSERT'),
        'system_metrics: wrong grants';
END
$$;

RESET ROLE;
