-- SPDX-License-Identifier: Apache-2.0
-- What may stand in tenants.limits: a wrong value is refused when it is
-- written, with a sentence, not ignored by an edge nobody looks at.
SET ROLE pulse_owner;

CREATE FUNCTION store.limit_ranges()
RETURNS TABLE (name text, lowest bigint, highest bigint)
LANGUAGE sql IMMUTABLE PARALLEL SAFE
SET search_path = pg_catalog, pg_temp
AS $$
    VALUES ('records_per_second', 0, 1000000000), ('records_burst', 0, 1000000000),
        ('bytes_per_second', 0, 1000000000000), ('bytes_burst', 0, 1000000000000),
        ('records_per_request', 1, 1000000), ('body_bytes', 1, 1073741824),
        ('labels', 1, 256), ('fields', 1, 4096),
        ('name_bytes', 1, 200), ('label_name_bytes', 1, 128), ('label_value_bytes', 1, 1024),
        ('time_past_seconds', 1, 315360000), ('time_future_seconds', 0, 86400),
        ('series', 0, 1000000000)
$$;
COMMENT ON FUNCTION store.limit_ranges() IS
    'The names that mean something in tenants.limits, and the range of each; whole numbers. The edge and the command pulse know the same (common/pulse/limits.c)';

CREATE FUNCTION store.tenant_limits_check() RETURNS trigger
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    r record;
BEGIN
    FOR r IN
        SELECT l.name, l.lowest, l.highest, NEW.limits -> l.name AS value
        FROM store.limit_ranges() l WHERE jsonb_exists(NEW.limits, l.name)
    LOOP
        CONTINUE WHEN CASE WHEN jsonb_typeof(r.value) = 'number'
                           THEN r.value::numeric BETWEEN r.lowest AND r.highest
                                AND r.value::numeric = trunc(r.value::numeric)
                           ELSE false END;
        RAISE EXCEPTION 'limit % must be a whole number from % to %, not %',
                        r.name, r.lowest, r.highest, left(r.value::text, 40)
            USING ERRCODE = '23514', SCHEMA = 'public', TABLE = 'tenants',
                  COLUMN = 'limits', CONSTRAINT = 'tenants_limits_range';
    END LOOP;
    RETURN NEW;
END
$$;
COMMENT ON FUNCTION store.tenant_limits_check() IS
    'Trigger of tenants: refuses a limit that is no whole number or out of its range (23514, constraint tenants_limits_range); names that mean nothing are let be';
CREATE TRIGGER limits BEFORE INSERT OR UPDATE OF limits ON public.tenants
    FOR EACH ROW EXECUTE FUNCTION store.tenant_limits_check();
COMMENT ON TRIGGER limits ON public.tenants IS 'Each limit is a whole number within its range';

COMMENT ON COLUMN public.tenants.limits IS
    'Object of whole numbers that override the edge''s settings: records_per_second, records_burst, bytes_per_second, bytes_burst, records_per_request, body_bytes, labels, fields, name_bytes, label_name_bytes, label_value_bytes, time_past_seconds, time_future_seconds; and series: most series the tenant may have (default 1000000). Ranges: store.limit_ranges(); other names are ignored';

-- Also asked by the trigger, as whoever writes.
GRANT EXECUTE ON FUNCTION store.limit_ranges() TO pulse_operator;

RESET ROLE;
