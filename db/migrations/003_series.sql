-- SPDX-License-Identifier: Apache-2.0
-- Series and their samples.
SET ROLE pulse_owner;

CREATE TABLE store.series (
    series_id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    tenant_id text NOT NULL,
    name text NOT NULL,
    labels jsonb NOT NULL DEFAULT '{}'
        CHECK (jsonb_typeof(labels) = 'object'
               AND NOT jsonb_path_exists(labels, '$.* ? (@.type() != "string")')),
    -- A column, not an expression in the views: text comparison is leakproof
    -- and reaches the index through a barrier view, labels ->> … does not.
    host text GENERATED ALWAYS AS (coalesce(labels ->> 'host', labels ->> 'device_id')) STORED,
    key bytea NOT NULL UNIQUE CHECK (octet_length(key) = 16),
    created_at timestamptz NOT NULL DEFAULT now()
);
CREATE INDEX series_lookup ON store.series (tenant_id, name, host);
COMMENT ON TABLE store.series IS 'One row per tenant, metric name and set of labels; made by store.series_ids, never deleted';
COMMENT ON COLUMN store.series.series_id IS 'Number the samples carry; gaps are normal';
COMMENT ON COLUMN store.series.tenant_id IS 'Owner of the series';
COMMENT ON COLUMN store.series.name IS 'Metric name, or the name of a telemetry field';
COMMENT ON COLUMN store.series.labels IS 'Object of text to text; of a telemetry field: device_id and site_id';
COMMENT ON COLUMN store.series.host IS 'Label host, else label device_id, else NULL';
COMMENT ON COLUMN store.series.key IS 'store.series_key of the row, 16 bytes';
COMMENT ON COLUMN store.series.created_at IS 'When the first sample came, UTC';

CREATE TABLE store.series_counts (
    tenant_id text COLLATE "C" PRIMARY KEY,
    series bigint NOT NULL DEFAULT 0 CHECK (series >= 0)
);
COMMENT ON TABLE store.series_counts IS 'Series per tenant; its row is the lock under which a tenant''s new series are made';
COMMENT ON COLUMN store.series_counts.tenant_id IS 'Tenant';
COMMENT ON COLUMN store.series_counts.series IS 'Rows the tenant has in store.series, >= 0';

-- Each text goes in behind its length in bytes, so no choice of names makes
-- two series one; SHA-256 because a tenant may choose its names freely and
-- must not hit another's key.
CREATE FUNCTION store.series_key(tenant text, name text, labels jsonb) RETURNS bytea
LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE
SET search_path = pg_catalog, pg_temp
AS $$
    SELECT substring(sha256(coalesce(string_agg(
        int4send(octet_length(part.bytes)) || part.bytes, ''::bytea ORDER BY part.nth), '')) FOR 16)
    FROM (
        SELECT 1::bigint AS nth, convert_to(tenant, 'UTF8') AS bytes
        UNION ALL
        SELECT 2, convert_to(name, 'UTF8')
        UNION ALL
        SELECT 1 + 2 * row_number() OVER (ORDER BY l.key COLLATE "C") + side.n,
               convert_to(CASE side.n WHEN 0 THEN l.key ELSE l.value END, 'UTF8')
        FROM jsonb_each_text(labels) l, (VALUES (0), (1)) side (n)
    ) part
$$;
COMMENT ON FUNCTION store.series_key(text, text, jsonb) IS
    'Identity of a series: first 16 bytes of SHA-256 over tenant, name and labels sorted by key bytewise, each preceded by its length (4 bytes, big-endian)';

CREATE FUNCTION store.series_limit(tenant text) RETURNS bigint
LANGUAGE sql STABLE STRICT SET search_path = pg_catalog, pg_temp
AS $$
    SELECT coalesce((SELECT trunc((t.limits ->> 'series')::numeric)::bigint
                     FROM public.tenants t WHERE t.tenant_id = tenant), 1000000)
$$;
COMMENT ON FUNCTION store.series_limit(text) IS
    'Most series a tenant may have: tenants.limits.series, else 1000000';

-- Runs at READ COMMITTED: each statement sees what was committed before it, so
-- whoever waited for a tenant's counter row then finds the other's new series.
CREATE FUNCTION store.series_ids(tenants text[], names text[], labels jsonb[])
RETURNS TABLE (ord bigint, series_id bigint)
LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $$
#variable_conflict use_column
DECLARE
    keys bytea[];
    growing text[];
BEGIN
    IF cardinality(tenants) <> cardinality(names)
       OR cardinality(tenants) <> cardinality(labels)
       OR array_position(tenants, NULL) IS NOT NULL
       OR array_position(names, NULL) IS NOT NULL
       OR array_position(labels, NULL) IS NOT NULL THEN
        RAISE invalid_parameter_value
            USING MESSAGE = 'series_ids: three arrays of one length, without NULL';
    END IF;
    SELECT array_agg(store.series_key(u.t, u.n, u.l) ORDER BY u.o) INTO keys
    FROM unnest(tenants, names, labels) WITH ORDINALITY u (t, n, l, o);

    SELECT array_agg(DISTINCT u.t COLLATE "C" ORDER BY u.t COLLATE "C") INTO growing
    FROM unnest(tenants, keys) u (t, k)
    WHERE NOT EXISTS (SELECT FROM store.series s WHERE s.key = u.k);

    IF growing IS NOT NULL THEN
        -- In sorted order, as everyone does: no deadlock.
        INSERT INTO store.series_counts (tenant_id)
            SELECT unnest(growing) ON CONFLICT DO NOTHING;
        PERFORM FROM store.series_counts c
            WHERE c.tenant_id = ANY (growing) ORDER BY c.tenant_id FOR UPDATE;

        WITH missing AS (
            SELECT DISTINCT ON (u.k) u.*
            FROM unnest(tenants, names, labels, keys) WITH ORDINALITY u (t, n, l, k, o)
            WHERE NOT EXISTS (SELECT FROM store.series s WHERE s.key = u.k)
            ORDER BY u.k, u.o
        ), ranked AS (
            SELECT m.*, row_number() OVER (PARTITION BY m.t ORDER BY m.o) AS nth FROM missing m
        ), allowed AS (
            SELECT c.tenant_id, store.series_limit(c.tenant_id) - c.series AS room
            FROM store.series_counts c WHERE c.tenant_id = ANY (growing)
        ), made AS (
            INSERT INTO store.series (tenant_id, name, labels, key)
            SELECT r.t, r.n, r.l, r.k FROM ranked r JOIN allowed a ON a.tenant_id = r.t
            WHERE r.nth <= a.room ORDER BY r.o
            RETURNING tenant_id
        )
        UPDATE store.series_counts c SET series = c.series + m.n
        FROM (SELECT tenant_id, count(*) AS n FROM made GROUP BY tenant_id) m
        WHERE c.tenant_id = m.tenant_id;
    END IF;

    RETURN QUERY
        SELECT u.o, s.series_id
        FROM unnest(keys) WITH ORDINALITY u (k, o) LEFT JOIN store.series s ON s.key = u.k
        ORDER BY u.o;
END
$$;
COMMENT ON FUNCTION store.series_ids(text[], text[], jsonb[]) IS
    'Ids of series, in the order asked (ord from 1), making what is missing; series_id NULL: the tenant''s series limit is reached and this one was not made. Holds a lock per tenant with new series until the transaction ends: call it in a short transaction of its own, at READ COMMITTED';

CREATE TABLE store.samples (
    time timestamptz NOT NULL,
    series_id bigint NOT NULL,
    value double precision NOT NULL
);
-- The default time index would halve the COPY rate.
SELECT create_hypertable('store.samples',
    by_range('time', coalesce(nullif(current_setting('pulse.chunk_interval', true), ''), '1 day')::interval),
    create_default_indexes => false);
CREATE UNIQUE INDEX samples_series_time ON store.samples (series_id, time DESC);
CREATE INDEX samples_time ON store.samples USING brin (time) WITH (pages_per_range = 32);
COMMENT ON TABLE store.samples IS 'Hypertable: every reading once. A repeat (same series and time) is refused by samples_series_time';
COMMENT ON COLUMN store.samples.time IS 'The sender''s clock, microseconds, UTC';
COMMENT ON COLUMN store.samples.series_id IS 'store.series.series_id (not a foreign key: rows of series are never deleted)';
COMMENT ON COLUMN store.samples.value IS 'Reading, finite, in the metric''s unit';

RESET ROLE;
