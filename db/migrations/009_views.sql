-- SPDX-License-Identifier: Apache-2.0
-- How a tenant reads the store. security_barrier: a condition of the reader
-- sees no row of another tenant, and only leakproof ones (comparison of text,
-- numbers, times) go below the filter. So resolve series first, then ask for
-- series_id = ANY (…) and a range of time.
SET ROLE pulse_owner;

CREATE VIEW public.series WITH (security_barrier) AS
    SELECT series_id, tenant_id, name, host, labels, created_at
    FROM store.series
    WHERE tenant_id = (SELECT store.current_tenant());
COMMENT ON VIEW public.series IS 'The tenant''s series';
COMMENT ON COLUMN public.series.series_id IS 'Number of the series';
COMMENT ON COLUMN public.series.tenant_id IS 'Owner';
COMMENT ON COLUMN public.series.name IS 'Metric name, or name of a telemetry field';
COMMENT ON COLUMN public.series.host IS 'Label host, else label device_id, else NULL';
COMMENT ON COLUMN public.series.labels IS 'Object of text to text';
COMMENT ON COLUMN public.series.created_at IS 'When the first sample came, UTC';

CREATE VIEW public.metrics WITH (security_barrier) AS
    SELECT p.time, s.tenant_id, p.series_id, s.name, s.name AS metric_name, s.host, s.labels, p.value
    FROM store.samples p JOIN store.series s USING (series_id)
    WHERE s.tenant_id = (SELECT store.current_tenant());
COMMENT ON VIEW public.metrics IS 'The tenant''s raw samples; always ask for a range of time';
COMMENT ON COLUMN public.metrics.time IS 'The sender''s clock, UTC';
COMMENT ON COLUMN public.metrics.tenant_id IS 'Owner';
COMMENT ON COLUMN public.metrics.series_id IS 'Number of the series';
COMMENT ON COLUMN public.metrics.name IS 'Metric name, or name of a telemetry field';
COMMENT ON COLUMN public.metrics.metric_name IS 'The same as name';
COMMENT ON COLUMN public.metrics.host IS 'Label host, else label device_id, else NULL';
COMMENT ON COLUMN public.metrics.labels IS 'Object of text to text';
COMMENT ON COLUMN public.metrics.value IS 'Reading in the metric''s unit';

-- LATERAL: one index probe per series; a sort over the join reads them whole.
CREATE VIEW public.metrics_latest WITH (security_barrier) AS
    SELECT p.time, s.tenant_id, s.series_id, s.name, s.name AS metric_name, s.host, s.labels, p.value
    FROM store.series s
    CROSS JOIN LATERAL (
        SELECT time, value FROM store.samples
        WHERE series_id = s.series_id ORDER BY time DESC LIMIT 1
    ) p
    WHERE s.tenant_id = (SELECT store.current_tenant());
COMMENT ON VIEW public.metrics_latest IS 'Newest sample of each of the tenant''s series; ask by name or host';
COMMENT ON COLUMN public.metrics_latest.time IS 'The sender''s clock, UTC';
COMMENT ON COLUMN public.metrics_latest.tenant_id IS 'Owner';
COMMENT ON COLUMN public.metrics_latest.series_id IS 'Number of the series';
COMMENT ON COLUMN public.metrics_latest.name IS 'Metric name, or name of a telemetry field';
COMMENT ON COLUMN public.metrics_latest.metric_name IS 'The same as name';
COMMENT ON COLUMN public.metrics_latest.host IS 'Label host, else label device_id, else NULL';
COMMENT ON COLUMN public.metrics_latest.labels IS 'Object of text to text';
COMMENT ON COLUMN public.metrics_latest.value IS 'Reading in the metric''s unit';

CREATE VIEW public.telemetry WITH (security_barrier) AS
    SELECT time, tenant_id, device_id, site_id, msg_type, seq, metrics
    FROM store.telemetry
    WHERE tenant_id = (SELECT store.current_tenant());
COMMENT ON VIEW public.telemetry IS 'The tenant''s messages of devices; columns as in store.telemetry';
COMMENT ON COLUMN public.telemetry.time IS 'The device''s clock, UTC';
COMMENT ON COLUMN public.telemetry.tenant_id IS 'Owner';
COMMENT ON COLUMN public.telemetry.device_id IS 'Device, unique within its tenant';
COMMENT ON COLUMN public.telemetry.site_id IS 'Where the device is; NULL: not told';
COMMENT ON COLUMN public.telemetry.msg_type IS 'Kind of message';
COMMENT ON COLUMN public.telemetry.seq IS 'The device''s own counter; 0: not told';
COMMENT ON COLUMN public.telemetry.metrics IS 'Object of field to number, boolean or text';

CREATE VIEW public.raw_events WITH (security_barrier) AS
    SELECT id, tenant_id, topic, part, off, data, time, created_at
    FROM store.raw_events
    WHERE tenant_id = (SELECT store.current_tenant());
COMMENT ON VIEW public.raw_events IS 'The tenant''s archived events; columns as in store.raw_events';
COMMENT ON COLUMN public.raw_events.id IS 'Id of the event';
COMMENT ON COLUMN public.raw_events.tenant_id IS 'Owner';
COMMENT ON COLUMN public.raw_events.topic IS 'Kafka topic it came from';
COMMENT ON COLUMN public.raw_events.part IS 'Kafka partition';
COMMENT ON COLUMN public.raw_events.off IS 'Kafka offset';
COMMENT ON COLUMN public.raw_events.data IS 'The event';
COMMENT ON COLUMN public.raw_events.time IS 'The sender''s clock, UTC';
COMMENT ON COLUMN public.raw_events.created_at IS 'When it was stored, UTC';

RESET ROLE;
