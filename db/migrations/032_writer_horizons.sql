-- SPDX-License-Identifier: Apache-2.0
-- How far back the writer's rows may go, and which of them go into chunks that
-- may be compressed.
SET ROLE pulse_owner;

CREATE FUNCTION store.writer_horizons(OUT late_before timestamptz, OUT compressed_before timestamptz)
LANGUAGE sql STABLE SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $$
    SELECT now() - s.late_limit,
           CASE WHEN current_setting('timescaledb.license', true) = 'timescale'
                THEN now() - s.compress_after ELSE '-infinity' END
    FROM store.settings s
$$;
COMMENT ON FUNCTION store.writer_horizons() IS
    'late_before: a row with a time before it is a dead letter (too_late). compressed_before: a row with a time before it may belong into a compressed chunk; -infinity on the apache edition, which has none';
GRANT EXECUTE ON FUNCTION store.writer_horizons() TO pulse_writer;
-- For pulse series top.
GRANT EXECUTE ON FUNCTION store.series_limit(text) TO pulse_operator;

COMMENT ON COLUMN store.raw_events.id IS 'The client''s id of the event, else one the edge made; of a topic of PULSE_RAW_TOPICS: topic/partition/offset';
COMMENT ON COLUMN store.raw_events.data IS 'The event; level (debug, info, warn, error, …) and msg where told. Of a topic of PULSE_RAW_TOPICS: the message if it is a JSON object, else {"text": …} or {"base64": …}';
COMMENT ON COLUMN store.raw_events.time IS 'The sender''s clock, microseconds, UTC; of a topic of PULSE_RAW_TOPICS: Kafka''s timestamp, or when it was read if that is none or over 10 minutes ahead';

RESET ROLE;
