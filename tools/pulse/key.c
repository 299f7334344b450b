/* SPDX-License-Identifier: Apache-2.0 */
/* key create, list, rotate, revoke: API keys of tenants and devices. */
#include <stdio.h>

#include "common/pulse/keyring.h"
#include "common/timestamp.h"
#include "tools/pulse/commands.h"
#include "tools/pulse/table.h"
#include "tools/pulse/tenant.h"
#include "tools/pulse/world.h"

enum { SCOPES_MAX = 3 };

struct key_wish {
    struct str tenant, device, name; /* p == NULL: none */
    struct str scopes[SCOPES_MAX];
    size_t scope_count;
    int64_t lifetime_ms; /* -1: for ever */
};

static bool scopes_parse(struct key_wish *k, struct str text, struct err *err)
{
    for (struct str name; str_next(&text, ',', &name);) {
        unsigned scope;
        if (!scope_parse(name, &scope) || k->scope_count == SCOPES_MAX) {
            err_set(err, ERR_INPUT,
                    "--scope: write, read, admin, joined by commas");
            return false;
        }
        k->scopes[k->scope_count++] = name;
    }
    return true;
}

static bool wish_parse(struct key_wish *k, const struct call *c,
                       struct err *err)
{
    const char *scope = call_value(c, "--scope");
    *k = (struct key_wish){
        .tenant = str_of(call_value(c, "--tenant")),
        .device = str_of(call_value(c, "--device")),
        .name = str_of(call_value(c, "--name")),
        .lifetime_ms = -1,
    };
    return scopes_parse(k, str_of(scope ? scope : "write"), err) &&
           call_duration(c, "--expires", &k->lifetime_ms, err);
}

static bool key_insert(struct pg *pg, const struct key_wish *k,
                       const struct key_made *made, struct err *err)
{
    struct pg_params p = {0};
    pg_text(&p, str_of(made->key_id));
    pg_text(&p, k->tenant);
    pg_text_opt(&p, k->device);
    pg_text_array(&p, k->scopes, k->scope_count);
    pg_bytea(&p, (struct str){(const char *)made->secret_hash,
                              sizeof made->secret_hash});
    pg_i64(&p, k->lifetime_ms);
    pg_text(&p, k->name);
    return pg_do(
        pg,
        "insert into api_keys (key_id, tenant_id, device_id, scopes,"
        " secret_hash, expires_at, description) values ($1, $2, $3, $4,"
        " $5, now() + nullif($6, -1) * interval '1 millisecond', $7)",
        &p, NULL, err);
}

/* The key alone on stdout, so that KEY=$(pulse key create …) works. */
static void key_print(const struct key_made *made, struct str tenant)
{
    printf("%s\n", made->text);
    fprintf(stderr,
            "Key %s of tenant %.*s. It is shown this once; only a hash is "
            "kept.\n",
            made->key_id, STR_ARG(tenant));
}

static int key_create(const struct call *c)
{
    struct err err = {0};
    struct key_wish wish;
    if (!wish_parse(&wish, c, &err))
        return usage_error(c, &err);
    struct pg *pg = world_pg(c->world, &err);
    struct key_made made;
    key_make(&made);
    if (!pg || !pg_begin(pg, &err) ||
        (call_flag(c, "--create-tenant") &&
         !tenant_create(pg, wish.tenant, &err)) ||
        !tenant_check(pg, wish.tenant, &err) ||
        !key_insert(pg, &wish, &made, &err) || !pg_commit(pg, &err))
        return failure(&err);
    key_print(&made, wish.tenant);
    return 0;
}

static void time_cell(struct table *t, const struct pg_result *r, int row,
                      int column, const char *none)
{
    char text[TIMESTAMP_MAX];
    if (pg_is_null(r, row, column))
        table_cellf(t, "%s", none);
    else /* to the second: 2026-01-31T12:00:00 */
        table_cellf(t, "%.19sZ",
                    timestamp_format(pg_get_time(r, row, column), text));
}

static int key_list(const struct call *c)
{
    struct err err = {0};
    struct pg *pg = world_pg(c->world, &err);
    struct pg_params p = {0};
    pg_text_opt(&p, str_of(call_value(c, "--tenant")));
    AUTO(pg_result) r =
        pg ? pg_run(pg,
                    "select key_id, tenant_id, device_id,"
                    " array_to_string(scopes, ','),"
                    " case when revoked_at <= now() then 'revoked'"
                    " when expires_at <= now() then 'expired' else 'live' end,"
                    " created_at, least(expires_at, revoked_at), last_used_at, "
                    "description"
                    " from api_keys where $1::text is null or tenant_id = $1"
                    " order by tenant_id, created_at",
                    &p, &err)
           : NULL;
    if (!r)
        return failure(&err);
    AUTO_RELEASE(table) t;
    table_init(&t, "ID|TENANT|DEVICE|SCOPES|STATE|CREATED|EXPIRES|LAST USED|"
                   "NAME");
    for (int i = 0; i < pg_rows(r); i++) {
        table_cell(&t, pg_get_str(r, i, 0));
        table_cell(&t, pg_get_str(r, i, 1));
        table_cell(&t, pg_is_null(r, i, 2) ? STR("any") : pg_get_str(r, i, 2));
        table_cell(&t, pg_get_str(r, i, 3));
        table_cell(&t, pg_get_str(r, i, 4));
        time_cell(&t, r, i, 5, "");
        time_cell(&t, r, i, 6, "never");
        time_cell(&t, r, i, 7, "never");
        table_cell(&t, pg_get_str(r, i, 8));
    }
    AUTO_RELEASE(buf) out = {0};
    table_write(&t, "", &out);
    print(&out);
    return 0;
}

/* The row of the key that takes the place of key_id: its tenant, NULL where
 * key_id is not live. */
static struct pg_result *successor_insert(struct pg *pg, const char *key_id,
                                          const struct key_made *made,
                                          int64_t lifetime_ms, struct err *err)
{
    struct pg_params p = {0};
    pg_text(&p, str_of(key_id));
    pg_text(&p, str_of(made->key_id));
    pg_bytea(&p, (struct str){(const char *)made->secret_hash,
                              sizeof made->secret_hash});
    pg_i64(&p, lifetime_ms);
    AUTO(pg_result) r =
        pg_run(pg,
               "insert into api_keys (key_id, tenant_id, device_id, scopes,"
               " secret_hash, description, expires_at)"
               " select $2, tenant_id, device_id, scopes, $3, description,"
               " now() + case when $4 >= 0 then $4 * interval '1 millisecond'"
               " else expires_at - created_at end"
               " from api_keys where key_id = $1"
               " and (revoked_at is null or revoked_at > now())"
               " and (expires_at is null or expires_at > now())"
               " returning tenant_id",
               &p, err);
    if (r && pg_rows(r) == 1)
        return MOVE(r);
    if (r)
        err_set(err, ERR_INPUT, "there is no live key \"%s\"", key_id);
    return NULL;
}

static bool key_end(struct pg *pg, const char *key_id, int64_t keep_ms,
                    struct err *err)
{
    struct pg_params p = {0};
    pg_text(&p, str_of(key_id));
    pg_i64(&p, keep_ms);
    return pg_do(pg,
                 "update api_keys set expires_at ="
                 " least(expires_at, now() + $2 * interval '1 millisecond')"
                 " where key_id = $1",
                 &p, NULL, err);
}

static int key_rotate(const struct call *c)
{
    struct err err = {0};
    int64_t keep_ms = 86400 * 1000, lifetime_ms = -1;
    const char *old = c->positional[0];
    if (!call_duration(c, "--keep", &keep_ms, &err) ||
        !call_duration(c, "--expires", &lifetime_ms, &err))
        return usage_error(c, &err);
    struct pg *pg = world_pg(c->world, &err);
    struct key_made made;
    key_make(&made);
    if (!pg || !pg_begin(pg, &err))
        return failure(&err);
    AUTO(pg_result) r = successor_insert(pg, old, &made, lifetime_ms, &err);
    if (!r || !key_end(pg, old, keep_ms, &err) || !pg_commit(pg, &err))
        return failure(&err);
    key_print(&made, pg_get_str(r, 0, 0));
    fprintf(stderr, "Key %s works for %lld s more at most.\n", old,
            (long long)(keep_ms / 1000));
    return 0;
}

static int key_revoke(const struct call *c)
{
    struct err err = {0};
    int64_t affected = 0;
    struct pg *pg = world_pg(c->world, &err);
    struct pg_params p = {0};
    pg_text(&p, str_of(c->positional[0]));
    if (!pg || !pg_do(pg,
                      "update api_keys"
                      " set revoked_at = coalesce(revoked_at, now())"
                      " where key_id = $1",
                      &p, &affected, &err))
        return failure(&err);
    if (affected == 0) {
        err_set(&err, ERR_INPUT, "there is no key \"%s\"", c->positional[0]);
        return failure(&err);
    }
    printf("Key %s is revoked; services forget it within some 2 s.\n",
           c->positional[0]);
    return 0;
}

static const struct option create_options[] = {
    {"--tenant", "TENANT", "whose records it writes and reads", true},
    {"--device", "DEVICE", "only this device's records", false},
    {"--scope", "SCOPES", "write, read, admin, joined by commas (write)",
     false},
    {"--expires", "DURATION", "such as 90d (never)", false},
    {"--name", "TEXT", "for people", false},
    {"--create-tenant", NULL, "create the tenant unless it is there", false},
};
const struct command key_create_command = {
    .name = "key create",
    .summary = "Make an API key and print it, once",
    .examples =
        "  pulse key create --tenant demo --create-tenant --scope write,read\n"
        "  pulse key create --tenant demo --device pump-7 --expires 90d\n"
        "  KEY=$(pulse key create --tenant demo)\n",
    .options = create_options,
    .option_count = ARRAY_LEN(create_options),
    .run = key_create,
};

static const struct option list_options[] = {
    {"--tenant", "TENANT", "only this tenant's", false},
};
const struct command key_list_command = {
    .name = "key list",
    .summary = "List API keys (never their secrets)",
    .examples = "  pulse key list\n  pulse key list --tenant demo\n",
    .options = list_options,
    .option_count = ARRAY_LEN(list_options),
    .run = key_list,
};

static const struct option rotate_options[] = {
    {"--keep", "DURATION", "how long the old key works on (1d)", false},
    {"--expires", "DURATION", "the new key's life (as long as the old one's)",
     false},
};
const struct command key_rotate_command = {
    .name = "key rotate",
    .positional = "ID",
    .positional_count = 1,
    .summary = "Make the successor of an API key and print it, once",
    .details = "It has the same tenant, device, scopes and name. The old key "
               "works on for a while,\nso that no reading is lost meanwhile; "
               "LAST USED of pulse key list tells when the\nold one is no "
               "longer needed.\n",
    .examples = "  pulse key rotate 3f9c2a71b04d\n"
                "  KEY=$(pulse key rotate 3f9c2a71b04d --keep 2h)\n",
    .options = rotate_options,
    .option_count = ARRAY_LEN(rotate_options),
    .run = key_rotate,
};

const struct command key_revoke_command = {
    .name = "key revoke",
    .positional = "ID",
    .positional_count = 1,
    .summary = "End an API key at once",
    .details = "ID is the middle of pulse_ID_SECRET; pulse key list shows "
               "it.\n",
    .examples = "  pulse key revoke 3f9c2a71b04d\n",
    .run = key_revoke,
};
