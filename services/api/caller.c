/* SPDX-License-Identifier: Apache-2.0 */
/* caller.c - who asks: the key's tenant, or the anonymous one. */

#include "common/clock.h"
#include "common/pulse/keyring.h"
#include "services/api/asking.h"

enum { SCOPES_MAX = 8, KEY_ID_MAX = 32 };

/* pulse_<id>_<secret>; what is no key has an empty id. */
static struct str key_id_of(struct str presented)
{
    struct str prefix, rest, id, secret;
    if (str_cut(presented, '_', &prefix, &rest) && str_is(prefix, "pulse") &&
        str_cut(rest, '_', &id, &secret) && id.n <= KEY_ID_MAX &&
        str_utf8_valid(id) && !str_has_nul(id))
        return id;
    return (struct str){0};
}

static bool key_from_row(const struct pg_result *r, struct key *key)
{
    struct str scopes[SCOPES_MAX], hash = pg_get_str(r, 0, 4);
    size_t count = pg_get_texts(r, 0, 3, scopes, SCOPES_MAX);
    if (hash.n != sizeof key->secret_hash)
        return false;
    *key = (struct key){
        .key_id = pg_get_str(r, 0, 0),
        .tenant_id = pg_get_str(r, 0, 1),
        .expires_at_us = pg_is_null(r, 0, 5) ? INT64_MAX : pg_get_time(r, 0, 5),
    };
    for (size_t i = 0; i < count && i < SCOPES_MAX; i++) {
        unsigned scope;
        if (scope_parse(scopes[i], &scope))
            key->scopes |= scope;
    }
    for (size_t i = 0; i < sizeof key->secret_hash; i++)
        key->secret_hash[i] = (unsigned char)hash.p[i];
    return true;
}

static bool tenant_set(struct asking *a, struct str tenant, struct err *err)
{
    struct pg_params p = {0};
    pg_text(&p, tenant);
    AUTO(pg_result) r =
        pg_run(a->pg,
               "select set_config('app.tenant_id', $1, true),"
               " set_config('transaction_read_only', 'on', true)",
               &p, err);
    return r != NULL;
}

/* Asked anew for each request: a revoked key ends at once. */
static bool key_admit(struct asking *a, struct str presented, struct err *err)
{
    const char *const unknown = "the key is unknown, wrong, expired or revoked";
    struct str id = key_id_of(presented);
    struct pg_params p = {0};
    struct key key;
    if (id.n == 0)
        return refuse(a, 401, "unknown_key", "%s", unknown);
    pg_text(&p, id);
    AUTO(pg_result) r =
        pg_run(a->pg,
               "select key_id, tenant_id, device_id, scopes, secret_hash,"
               " expires_at from api_key_find($1)",
               &p, err);
    if (!r)
        return false;
    AUTO(keyring) ring = keyring_new();
    if (pg_rows(r) == 1 && key_from_row(r, &key))
        keyring_add(ring, &key);
    const struct key *found = keyring_find(ring, presented, clock_wall_us());
    if (!found)
        return refuse(a, 401, "unknown_key", "%s", unknown);
    if (!(found->scopes & SCOPE_READ))
        return refuse(a, 403, "scope_missing", "the key lacks scope read");
    return tenant_set(a, found->tenant_id, err);
}

bool caller_admit(struct asking *a, struct err *err)
{
    struct str presented = key_from_headers(
        http_header(a->request, "Authorization"),
        http_header(a->request, "X-API-Key"), http_arena(a->request));
    struct str anonymous = str_of(a->settings->anonymous_tenant);
    if (presented.n > 0)
        return key_admit(a, presented, err);
    if (anonymous.n > 0)
        return tenant_set(a, anonymous, err);
    return refuse(a, 401, "no_key",
                  "send Authorization: Bearer pulse_<id>_<secret>");
}
