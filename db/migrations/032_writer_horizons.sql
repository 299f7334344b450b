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

RESET ROLE;
