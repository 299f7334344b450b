-- SPDX-License-Identifier: Apache-2.0
-- What an operator sets for the store as a whole.
SET ROLE pulse_owner;

CREATE TABLE store.settings (
    one boolean PRIMARY KEY DEFAULT true CHECK (one),
    late_limit interval NOT NULL DEFAULT '8 days'
        CHECK (late_limit BETWEEN interval '3 days' AND interval '1 year'),
    raw_retention interval NOT NULL DEFAULT '30 days',
    minute_retention interval NOT NULL DEFAULT '90 days',
    compress_after interval NOT NULL DEFAULT '7 days'
        CHECK (compress_after >= interval '1 day'),
    CONSTRAINT settings_raw_beyond_late CHECK (raw_retention >= late_limit + interval '1 day'),
    CONSTRAINT settings_minute_beyond_raw CHECK (minute_retention >= raw_retention)
);
COMMENT ON TABLE store.settings IS 'What is kept how long, for all tenants: exactly one row; change it by UPDATE';
COMMENT ON COLUMN store.settings.one IS 'Always true: there is one row';
COMMENT ON COLUMN store.settings.late_limit IS 'Age of the oldest reading accepted anywhere, 3 days to 1 year; every retention of raw data exceeds it by at least a day, so that rollups are never made again from data that is gone';
COMMENT ON COLUMN store.settings.raw_retention IS 'Age at which samples, telemetry and raw events are dropped, by whole chunks; >= late_limit + 1 day';
COMMENT ON COLUMN store.settings.minute_retention IS 'Age at which one-minute rollups are dropped, by whole chunks; >= raw_retention. Hourly and daily ones are kept for ever';
COMMENT ON COLUMN store.settings.compress_after IS 'Age at which chunks of raw data are compressed (timescale edition only), >= 1 day';
COMMENT ON CONSTRAINT settings_raw_beyond_late ON store.settings IS 'A late reading''s bucket can still be made again from raw data';
COMMENT ON CONSTRAINT settings_minute_beyond_raw ON store.settings IS 'Rollups are kept at least as long as what they are made from';
INSERT INTO store.settings DEFAULT VALUES;

CREATE FUNCTION store.settings_stay() RETURNS trigger
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    RAISE restrict_violation USING MESSAGE = 'store.settings keeps its one row: UPDATE it';
END
$$;
COMMENT ON FUNCTION store.settings_stay() IS 'Trigger of store.settings: its row is not deleted';
CREATE TRIGGER stay BEFORE DELETE OR TRUNCATE ON store.settings
    FOR EACH STATEMENT EXECUTE FUNCTION store.settings_stay();
COMMENT ON TRIGGER stay ON store.settings IS 'The row is not deleted';

CREATE FUNCTION store.late_limit() RETURNS interval
LANGUAGE sql STABLE PARALLEL SAFE SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $$ SELECT s.late_limit FROM store.settings s $$;
COMMENT ON FUNCTION store.late_limit() IS
    'Age of the oldest reading accepted anywhere: a time before now() - late_limit() is too late';

-- The edge and the api ask for the limit, no more: USAGE alone opens nothing.
GRANT USAGE ON SCHEMA store TO pulse_ingest, pulse_api;
GRANT EXECUTE ON FUNCTION store.late_limit()
    TO pulse_ingest, pulse_writer, pulse_evaluator, pulse_api, pulse_collector, pulse_operator;
GRANT SELECT ON store.settings TO pulse_operator, pulse_collector;
GRANT UPDATE (late_limit, raw_retention, minute_retention, compress_after) ON store.settings TO pulse_admin;

RESET ROLE;
