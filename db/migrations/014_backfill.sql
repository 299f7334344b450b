-- SPDX-License-Identifier: Apache-2.0
-- Back-fill by plain SQL: INSERT into public.metrics and public.telemetry by a
-- login with a tenant, under the rules of the edge.
SET ROLE pulse_owner;

CREATE FUNCTION store.backfill_tenant(given text) RETURNS text
LANGUAGE plpgsql STABLE SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    tenant constant text := store.current_tenant();
BEGIN
    IF tenant IS NULL THEN
        RAISE insufficient_privilege USING MESSAGE = 'this session has no tenant to insert for',
            HINT = 'A login stands in store.tenant_logins; the api sets app.tenant_id.';
    ELSIF given <> tenant THEN
        RAISE insufficient_privilege USING MESSAGE = 'tenant_id is not the tenant of this session',
            HINT = 'Leave tenant_id out.';
    END IF;
    RETURN tenant;
END
$$;
COMMENT ON FUNCTION store.backfill_tenant(text) IS
    'Tenant of the session that inserts; 42501 if it has none, or another one is given';

CREATE FUNCTION store.backfill_time(given timestamptz) RETURNS void
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    late_limit interval;
BEGIN
    IF given IS NULL THEN
        RAISE not_null_violation USING MESSAGE = 'time is required';
    ELSIF given > clock_timestamp() + interval '10 minutes' THEN
        RAISE check_violation USING MESSAGE = format('time %s is more than 10 minutes ahead', given);
    END IF;
    SELECT s.late_limit INTO late_limit FROM store.settings s;
    IF given < clock_timestamp() - late_limit THEN
        RAISE check_violation USING MESSAGE = format('time %s is further back than the late limit (%s)', given, late_limit);
    END IF;
    -- Whoever would wait for this transaction, the writer too, does not wait
    -- for ever if its client falls asleep.
    IF current_setting('idle_in_transaction_session_timeout') = '0' THEN
        PERFORM set_config('idle_in_transaction_session_timeout', '1min', true);
    END IF;
END
$$;
COMMENT ON FUNCTION store.backfill_time(timestamptz) IS
    'Refuses (23514) what is older than the late limit or more than 10 minutes ahead; from then on the transaction may be idle for a minute, unless the session says otherwise';

CREATE FUNCTION store.backfill_text(what text, given text, most integer) RETURNS void
LANGUAGE plpgsql IMMUTABLE SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    IF given = '' THEN
        RAISE check_violation USING MESSAGE = format('%s must not be empty', what);
    ELSIF octet_length(given) > most THEN
        RAISE check_violation USING MESSAGE = format('%s is %s bytes long, at most %s are allowed', what, octet_length(given), most);
    END IF;
END
$$;
COMMENT ON FUNCTION store.backfill_text(text, text, integer) IS 'Refuses (23514) empty and too long text; NULL passes';

-- A series known already has passed the checks. Found by its columns: a call
-- of series_key() alone would cost more than all the rest.
CREATE FUNCTION store.backfill_series(tenant text, metric text, given jsonb) RETURNS bigint
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    id bigint;
    named constant text := coalesce(given ->> 'host', given ->> 'device_id');
    l record;
BEGIN
    IF named IS NOT NULL THEN
        SELECT s.series_id INTO id FROM store.series s
        WHERE s.tenant_id = tenant AND s.name = metric AND s.host = named AND s.labels = given;
    ELSE
        SELECT s.series_id INTO id FROM store.series s
        WHERE s.tenant_id = tenant AND s.name = metric AND s.host IS NULL AND s.labels = given;
    END IF;
    IF id IS NOT NULL THEN
        RETURN id;
    END IF;
    PERFORM store.backfill_text('name', metric, 200);
    IF (SELECT count(*) FROM jsonb_object_keys(given)) > 32 THEN
        RAISE check_violation USING MESSAGE = 'more than 32 labels';
    END IF;
    FOR l IN SELECT * FROM jsonb_each(given) LOOP
        PERFORM store.backfill_text('a label''s name', l.key, 128);
        IF jsonb_typeof(l.value) <> 'string' THEN
            RAISE check_violation USING MESSAGE = format('label %s is no text', l.key);
        END IF;
        PERFORM store.backfill_text(format('label %s', l.key), l.value #>> '{}', 1024);
    END LOOP;
    SELECT i.series_id INTO id FROM store.series_ids(ARRAY[tenant], ARRAY[metric], ARRAY[given]) i;
    IF id IS NULL THEN
        RAISE configuration_limit_exceeded USING
            MESSAGE = format('series limit reached: the tenant may have %s series', store.series_limit(tenant));
    END IF;
    RETURN id;
END
$$;
COMMENT ON FUNCTION store.backfill_series(text, text, jsonb) IS
    'Id of a series, made if missing; 23514: a name or label the edge would refuse; 53400: the tenant''s series limit is reached';

CREATE FUNCTION store.backfill_sample(id bigint, metric text, at timestamptz, reading double precision) RETURNS boolean
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    INSERT INTO store.samples (time, series_id, value) VALUES (at, id, reading) ON CONFLICT DO NOTHING;
    IF FOUND THEN
        -- Whether it is late or not: so no lock is needed.
        IF store.rollups_by_job() THEN
            INSERT INTO store.rollup_marks (level, bucket, series_id)
            VALUES ('1min', public.time_bucket('1 minute', at), id);
        END IF;
        RETURN true;
    END IF;
    PERFORM FROM store.samples p WHERE p.series_id = id AND p.time = at AND p.value = reading;
    IF NOT FOUND THEN
        RAISE unique_violation USING MESSAGE = format('metric %s has another value at %s already', metric, at),
            HINT = 'What is stored stays. A repeat of the same value is no error.';
    END IF;
    RETURN false;
END
$$;
COMMENT ON FUNCTION store.backfill_sample(bigint, text, timestamptz, double precision) IS
    'Stores a sample and marks its rollup: true. The same value is there already: false; another one: 23505';

CREATE FUNCTION store.metrics_insert() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    id bigint;
BEGIN
    NEW.tenant_id := store.backfill_tenant(NEW.tenant_id);
    PERFORM store.backfill_time(NEW.time);
    IF NEW.name <> NEW.metric_name THEN
        RAISE check_violation USING MESSAGE = 'name and metric_name are the same thing: give one';
    END IF;
    NEW.name := coalesce(NEW.name, NEW.metric_name);
    NEW.metric_name := NEW.name;
    IF NEW.name IS NULL THEN
        RAISE not_null_violation USING MESSAGE = 'metric_name is required';
    ELSIF NEW.value IS NULL THEN
        RAISE not_null_violation USING MESSAGE = 'value is required';
    ELSIF NEW.value IN ('NaN', 'Infinity', '-Infinity') THEN
        RAISE check_violation USING MESSAGE = 'value must be a finite number';
    END IF;
    NEW.labels := coalesce(NEW.labels, '{}');
    IF jsonb_typeof(NEW.labels) <> 'object' THEN
        RAISE check_violation USING MESSAGE = 'labels must be an object';
    ELSIF NEW.host <> NEW.labels ->> 'host' THEN
        RAISE check_violation USING MESSAGE = 'host and label host are the same thing: give one';
    -- A row read from this view goes in again as the series it came from.
    ELSIF NEW.host <> coalesce(NEW.labels ->> 'host', NEW.labels ->> 'device_id', '') THEN
        NEW.labels := NEW.labels || jsonb_build_object('host', NEW.host);
    ELSIF NEW.host = '' THEN
        RAISE check_violation USING MESSAGE = 'host must not be empty';
    END IF;
    NEW.host := coalesce(NEW.labels ->> 'host', NEW.labels ->> 'device_id');

    id := store.backfill_series(NEW.tenant_id, NEW.name, NEW.labels);
    IF NEW.series_id <> id THEN
        RAISE check_violation USING MESSAGE = format('series_id %s is not the series of this name and these labels', NEW.series_id),
            HINT = 'Leave series_id out.';
    END IF;
    NEW.series_id := id;
    RETURN CASE WHEN store.backfill_sample(id, NEW.name, NEW.time, NEW.value) THEN NEW END;
END
$$;
COMMENT ON FUNCTION store.metrics_insert() IS 'INSTEAD OF INSERT trigger of public.metrics';
CREATE TRIGGER backfill INSTEAD OF INSERT ON public.metrics
    FOR EACH ROW EXECUTE FUNCTION store.metrics_insert();
COMMENT ON TRIGGER backfill ON public.metrics IS 'Back-fill by plain SQL';
COMMENT ON VIEW public.metrics IS
'The tenant''s raw samples; always ask for a range of time.
INSERT (time, metric_name or name, value; host, labels if there are any) back-fills for the session''s tenant, no further back than store.late_limit(). The same value at the same time again is left out, another one is an error. A host becomes label host.';

CREATE FUNCTION store.telemetry_insert() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    f record;
    labels jsonb;
BEGIN
    NEW.tenant_id := store.backfill_tenant(NEW.tenant_id);
    PERFORM store.backfill_time(NEW.time);
    NEW.msg_type := coalesce(NEW.msg_type, 'telemetry');
    NEW.seq := coalesce(NEW.seq, 0);
    IF NEW.device_id IS NULL THEN
        RAISE not_null_violation USING MESSAGE = 'device_id is required';
    ELSIF NEW.metrics IS NULL THEN
        RAISE not_null_violation USING MESSAGE = 'metrics is required';
    ELSIF jsonb_typeof(NEW.metrics) <> 'object' THEN
        RAISE check_violation USING MESSAGE = 'metrics must be an object';
    ELSIF (SELECT count(*) FROM jsonb_object_keys(NEW.metrics)) > 256 THEN
        RAISE check_violation USING MESSAGE = 'more than 256 readings';
    END IF;
    PERFORM store.backfill_text('device_id', NEW.device_id, 128);
    PERFORM store.backfill_text('site_id', NEW.site_id, 128);
    PERFORM store.backfill_text('msg_type', NEW.msg_type, 128);

    INSERT INTO store.telemetry (time, tenant_id, device_id, site_id, msg_type, seq, metrics)
    VALUES (NEW.time, NEW.tenant_id, NEW.device_id, NEW.site_id, NEW.msg_type, NEW.seq, NEW.metrics)
    ON CONFLICT DO NOTHING;
    IF NOT FOUND THEN
        PERFORM FROM store.telemetry t
        WHERE t.tenant_id = NEW.tenant_id AND t.device_id = NEW.device_id AND t.time = NEW.time
              AND (t.site_id, t.msg_type, t.seq, t.metrics)
                  IS NOT DISTINCT FROM (NEW.site_id, NEW.msg_type, NEW.seq, NEW.metrics);
        IF NOT FOUND THEN
            RAISE unique_violation USING MESSAGE = format('device %s has another message at %s already', NEW.device_id, NEW.time),
                HINT = 'What is stored stays. A repeat of the same message is no error.';
        END IF;
        RETURN NULL;
    END IF;

    labels := jsonb_strip_nulls(jsonb_build_object('device_id', NEW.device_id, 'site_id', NEW.site_id));
    FOR f IN SELECT j.key, j.value, jsonb_typeof(j.value) AS type FROM jsonb_each(NEW.metrics) j LOOP
        PERFORM store.backfill_text('a reading''s name', f.key, 200);
        IF f.type NOT IN ('number', 'boolean', 'string') THEN
            RAISE check_violation USING MESSAGE = format('reading %s must be a number, true, false or text', f.key);
        ELSIF f.type = 'string' AND f.value <> '""' THEN
            PERFORM store.backfill_text(format('reading %s', f.key), f.value #>> '{}', 8192);
        ELSIF f.type = 'number' THEN
            PERFORM store.backfill_sample(store.backfill_series(NEW.tenant_id, f.key, labels), f.key,
                NEW.time, (f.value)::double precision);
        END IF;
    END LOOP;
    RETURN NEW;
END
$$;
COMMENT ON FUNCTION store.telemetry_insert() IS 'INSTEAD OF INSERT trigger of public.telemetry; numeric readings become samples, as the writer does';
CREATE TRIGGER backfill INSTEAD OF INSERT ON public.telemetry
    FOR EACH ROW EXECUTE FUNCTION store.telemetry_insert();
COMMENT ON TRIGGER backfill ON public.telemetry IS 'Back-fill by plain SQL';
COMMENT ON VIEW public.telemetry IS
'The tenant''s messages of devices; columns as in store.telemetry.
INSERT (time, device_id, metrics; site_id, msg_type, seq if told) back-fills for the session''s tenant, samples of the numeric readings included, no further back than store.late_limit(). The same message again is left out, another one at the same time is an error.';

-- A tenant's own login is given it by an operator, if at all.
GRANT INSERT ON public.metrics, public.telemetry TO pulse_api;

RESET ROLE;
