-- SPDX-License-Identifier: Apache-2.0
-- Tenants, their keys and logins, and the one function that says whose rows a
-- session may see.
SET ROLE pulse_owner;

CREATE TABLE public.tenants (
    tenant_id text PRIMARY KEY CHECK (tenant_id ~ '^[a-z0-9][a-z0-9_-]{0,62}$'),
    name text NOT NULL,
    limits jsonb NOT NULL DEFAULT '{}'
        CHECK (jsonb_typeof(limits) = 'object'
               AND coalesce(jsonb_typeof(limits -> 'series'), 'number') = 'number'),
    created_at timestamptz NOT NULL DEFAULT now()
);
COMMENT ON TABLE public.tenants IS 'Who sends and reads: everything else belongs to one tenant';
COMMENT ON COLUMN public.tenants.tenant_id IS 'Short name in keys, messages and rows: 1-63 of a-z 0-9 _ -, begins with a letter or digit; never changes';
COMMENT ON COLUMN public.tenants.name IS 'Name for people';
COMMENT ON COLUMN public.tenants.limits IS 'Object of numbers that override defaults; series: most series the tenant may have (default 1000000); the edge defines its own, an unknown one is ignored';
COMMENT ON COLUMN public.tenants.created_at IS 'When the row was made, UTC';

CREATE TABLE public.api_keys (
    key_id text PRIMARY KEY CHECK (key_id ~ '^[A-Za-z0-9]{4,32}$'),
    tenant_id text NOT NULL REFERENCES public.tenants,
    device_id text,
    scopes text[] NOT NULL
        CHECK (cardinality(scopes) > 0 AND scopes <@ ARRAY['write', 'read', 'admin']),
    secret_hash bytea NOT NULL CHECK (octet_length(secret_hash) = 32),
    description text NOT NULL DEFAULT '',
    created_at timestamptz NOT NULL DEFAULT now(),
    expires_at timestamptz,
    revoked_at timestamptz,
    last_used_at timestamptz
);
CREATE INDEX api_keys_tenant ON public.api_keys (tenant_id);
COMMENT ON TABLE public.api_keys IS 'API keys pulse_<key_id>_<secret>; for a rotation a tenant has two live ones';
COMMENT ON COLUMN public.api_keys.key_id IS 'Public part of the key: 4-32 letters and digits';
COMMENT ON COLUMN public.api_keys.tenant_id IS 'Tenant the key acts for';
COMMENT ON COLUMN public.api_keys.device_id IS 'The only device the key may write; NULL: any device of the tenant';
COMMENT ON COLUMN public.api_keys.scopes IS 'What the key may do: write, read, admin; at least one';
COMMENT ON COLUMN public.api_keys.secret_hash IS 'SHA-256 of the secret, 32 bytes; the secret itself is kept nowhere';
COMMENT ON COLUMN public.api_keys.description IS 'Free text for people';
COMMENT ON COLUMN public.api_keys.created_at IS 'When the row was made, UTC';
COMMENT ON COLUMN public.api_keys.expires_at IS 'Refused from then on; NULL: never';
COMMENT ON COLUMN public.api_keys.revoked_at IS 'Refused from then on; NULL: not revoked';
COMMENT ON COLUMN public.api_keys.last_used_at IS 'Last use the edge noted, to about a minute; NULL: never used';

CREATE TABLE store.tenant_logins (
    login name PRIMARY KEY,
    tenant_id text NOT NULL REFERENCES public.tenants
);
COMMENT ON TABLE store.tenant_logins IS 'SQL logins given to a tenant (for Grafana): such a session sees this tenant, whatever it sets';
COMMENT ON COLUMN store.tenant_logins.login IS 'Name of the login role, a member of pulse_app';
COMMENT ON COLUMN store.tenant_logins.tenant_id IS 'The tenant it sees';

-- session_user, never current_user: inside a SECURITY DEFINER function that is
-- the owner.
CREATE FUNCTION store.current_tenant() RETURNS text
LANGUAGE sql STABLE PARALLEL SAFE SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $$
    SELECT coalesce(
        (SELECT l.tenant_id FROM store.tenant_logins l WHERE l.login = session_user),
        CASE WHEN pg_has_role(session_user, 'pulse_api', 'MEMBER')
             THEN nullif(current_setting('app.tenant_id', true), '') END)
$$;
COMMENT ON FUNCTION store.current_tenant() IS
    'Tenant of this session: its login''s in tenant_logins; for members of pulse_api the setting app.tenant_id (empty is none); else NULL. Write it as (SELECT store.current_tenant()): asked once per query';

-- The api asks for one key by its id, before it knows the tenant; it cannot
-- list other tenants' keys.
CREATE FUNCTION public.api_key_find(wanted text)
RETURNS TABLE (key_id text, tenant_id text, device_id text, scopes text[],
               secret_hash bytea, expires_at timestamptz)
LANGUAGE sql STABLE PARALLEL SAFE SECURITY DEFINER ROWS 1
SET search_path = pg_catalog, pg_temp
AS $$
    SELECT k.key_id, k.tenant_id, k.device_id, k.scopes, k.secret_hash, k.expires_at
    FROM public.api_keys k
    WHERE k.key_id = wanted AND (k.revoked_at IS NULL OR k.revoked_at > now())
$$;
COMMENT ON FUNCTION public.api_key_find(text) IS
    'The key with this id unless revoked, of whatever tenant; the caller compares the hash and expires_at';

CREATE FUNCTION store.set_updated_at() RETURNS trigger
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    NEW.updated_at := clock_timestamp();
    RETURN NEW;
END
$$;
COMMENT ON FUNCTION store.set_updated_at() IS 'BEFORE UPDATE trigger: updated_at becomes now';

CREATE FUNCTION store.wake() RETURNS trigger
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    PERFORM pg_notify(TG_ARGV[0], '');
    RETURN NULL;
END
$$;
COMMENT ON FUNCTION store.wake() IS
    'Statement trigger: NOTIFY on the channel named by its argument, without payload. Only a hint: listeners poll too';

RESET ROLE;
