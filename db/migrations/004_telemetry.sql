-- SPDX-License-Identifier: Apache-2.0
-- Whole messages of devices, and archived events.
SET ROLE pulse_owner;

CREATE TABLE store.telemetry (
    time timestamptz NOT NULL,
    tenant_id text NOT NULL,
    device_id text NOT NULL,
    site_id text,
    msg_type text NOT NULL DEFAULT 'telemetry',
    seq bigint NOT NULL DEFAULT 0,
    metrics jsonb NOT NULL DEFAULT '{}',
    PRIMARY KEY (tenant_id, device_id, time)
);
SELECT create_hypertable('store.telemetry',
    by_range('time', coalesce(nullif(current_setting('pulse.chunk_interval', true), ''), '1 day')::interval),
    create_default_indexes => false);
CREATE INDEX telemetry_tenant_time ON store.telemetry (tenant_id, time DESC);
COMMENT ON TABLE store.telemetry IS 'Hypertable: every message of a device once';
COMMENT ON COLUMN store.telemetry.time IS 'The device''s clock, microseconds, UTC';
COMMENT ON COLUMN store.telemetry.tenant_id IS 'Owner of the device';
COMMENT ON COLUMN store.telemetry.device_id IS 'Device, unique within its tenant';
COMMENT ON COLUMN store.telemetry.site_id IS 'Where the device is; NULL: not told';
COMMENT ON COLUMN store.telemetry.msg_type IS 'Kind of message as the device names it';
COMMENT ON COLUMN store.telemetry.seq IS 'The device''s own counter; 0: not told';
COMMENT ON COLUMN store.telemetry.metrics IS 'Object of field to number, boolean or text; numbers are samples too';

CREATE TABLE store.raw_events (
    id text NOT NULL,
    tenant_id text NOT NULL,
    topic text NOT NULL,
    part integer NOT NULL CHECK (part >= 0),
    off bigint NOT NULL CHECK (off >= 0),
    data jsonb NOT NULL,
    time timestamptz NOT NULL,
    created_at timestamptz NOT NULL DEFAULT now()
);
SELECT create_hypertable('store.raw_events',
    by_range('time', coalesce(nullif(current_setting('pulse.chunk_interval', true), ''), '1 day')::interval),
    create_default_indexes => false);
CREATE UNIQUE INDEX raw_events_once ON store.raw_events (tenant_id, id, time);
CREATE INDEX raw_events_tenant_time ON store.raw_events (tenant_id, time DESC);
CREATE INDEX raw_events_topic_time ON store.raw_events (topic, time DESC);
CREATE INDEX raw_events_level ON store.raw_events USING gin ((data -> 'level'));
CREATE INDEX raw_events_level_created ON store.raw_events ((data ->> 'level'), created_at);
COMMENT ON TABLE store.raw_events IS 'Hypertable: archive of pulse.events and of every topic named in PULSE_RAW_TOPICS';
COMMENT ON COLUMN store.raw_events.id IS 'The client''s id of the event, else one the edge made';
COMMENT ON COLUMN store.raw_events.tenant_id IS 'Owner of the event';
COMMENT ON COLUMN store.raw_events.topic IS 'Kafka topic it came from';
COMMENT ON COLUMN store.raw_events.part IS 'Kafka partition, >= 0';
COMMENT ON COLUMN store.raw_events.off IS 'Kafka offset, >= 0';
COMMENT ON COLUMN store.raw_events.data IS 'The event; level (debug, info, warn, error, …) and msg where told';
COMMENT ON COLUMN store.raw_events.time IS 'The sender''s clock, microseconds, UTC';
COMMENT ON COLUMN store.raw_events.created_at IS 'When it was stored, UTC';

RESET ROLE;
