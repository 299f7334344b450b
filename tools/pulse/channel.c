/* SPDX-License-Identifier: Apache-2.0 */
/* channel create, list: where notifications go. */
#include <assert.h>
#include <inttypes.h>
#include <stdio.h>

#include <openssl/rand.h>

#include "common/base64.h"
#include "tools/pulse/commands.h"
#include "tools/pulse/table.h"
#include "tools/pulse/tenant.h"
#include "tools/pulse/world.h"

enum { SECRET_BYTES = 32 }; /* Standard Webhooks: 24 to 64 */
#define SECRET_PREFIX "whsec_"

/* whsec_ and base64 of random bytes. */
static void secret_make(struct buf *out)
{
    unsigned char bytes[SECRET_BYTES];
    int rc = RAND_bytes(bytes, sizeof bytes);
    assert(rc == 1);
    buf_add_text(out, SECRET_PREFIX);
    base64_add(out, (struct str){(const char *)bytes, sizeof bytes});
}

static bool channel_insert(struct pg *pg, const struct call *c,
                           struct str secret, struct err *err)
{
    struct str tenant = str_of(call_value(c, "--tenant"));
    struct str name = str_of(call_value(c, "--name"));
    struct pg_params p = {0};
    int64_t affected = 0;
    pg_text(&p, tenant);
    pg_text(&p, name);
    pg_text_opt(&p, str_of(call_value(c, "--kind")));
    pg_text(&p, str_of(call_value(c, "--url")));
    pg_text_array(&p, &secret, 1);
    if (!pg_do(pg,
               "insert into notification_channels (tenant_id, name, kind, url,"
               " secrets) values ($1, $2, coalesce($3, 'webhook'), $4, $5)"
               " on conflict do nothing",
               &p, &affected, err))
        return false;
    if (affected == 1)
        return true;
    err_set(err, ERR_INPUT, "tenant %.*s already has a channel \"%.*s\"",
            STR_ARG(tenant), STR_ARG(name));
    return false;
}

static bool options_check(const struct call *c, struct err *err)
{
    struct str kind = str_of(call_value(c, "--kind"));
    struct str url = str_of(call_value(c, "--url"));
    if (kind.p && !str_is(kind, "webhook"))
        err_set(err, ERR_INPUT, "--kind \"%.*s\": only webhook is supported",
                STR_ARG(kind));
    else if (!str_starts(url, STR("http://")) &&
             !str_starts(url, STR("https://")))
        err_set(err, ERR_INPUT, "--url \"%.*s\": http:// or https://",
                STR_ARG(url));
    return err->kind == ERR_NONE;
}

static int channel_create(const struct call *c)
{
    struct err err = {0};
    if (!options_check(c, &err))
        return usage_error(c, &err);
    AUTO_RELEASE(buf) secret = {0};
    secret_make(&secret);
    struct pg *pg = world_pg(c->world, &err);
    if (!pg || !pg_begin(pg, &err) ||
        !tenant_check(pg, str_of(call_value(c, "--tenant")), &err) ||
        !channel_insert(pg, c, buf_str(&secret), &err) || !pg_commit(pg, &err))
        return failure(&err);
    printf("%s\n", secret.p);
    fprintf(stderr, "The secret that signs its webhooks. It is shown this "
                    "once.\n");
    return 0;
}

static int channel_list(const struct call *c)
{
    struct err err = {0};
    struct pg *pg = world_pg(c->world, &err);
    struct pg_params p = {0};
    pg_text_opt(&p, str_of(call_value(c, "--tenant")));
    AUTO(pg_result) r =
        pg ? pg_run(pg,
                    "select tenant_id, name, kind, url, enabled,"
                    " (select count(*) from alert_notifications n"
                    " where n.tenant_id = c.tenant_id and n.channel = c.name"
                    " and n.status = 'delivered'),"
                    " (select count(*) from alert_notifications n"
                    " where n.tenant_id = c.tenant_id and n.channel = c.name"
                    " and n.status in ('pending', 'sending', 'failed'))"
                    " from notification_channels c"
                    " where $1::text is null or tenant_id = $1"
                    " order by tenant_id, name",
                    &p, &err)
           : NULL;
    if (!r)
        return failure(&err);
    AUTO_RELEASE(table) t;
    table_init(&t, "TENANT|NAME|KIND|URL|ENABLED|DELIVERED>|WAITING>");
    for (int i = 0; i < pg_rows(r); i++) {
        for (int column = 0; column < 4; column++)
            table_cell(&t, pg_get_str(r, i, column));
        table_cellf(&t, "%s", pg_get_bool(r, i, 4) ? "yes" : "no");
        table_cellf(&t, "%" PRId64, pg_get_i64(r, i, 5));
        table_cellf(&t, "%" PRId64, pg_get_i64(r, i, 6));
    }
    AUTO_RELEASE(buf) out = {0};
    table_write(&t, "", &out);
    print(&out);
    return 0;
}

static const struct option create_options[] = {
    {"--tenant", "TENANT", "whose rules may use it", true},
    {"--name", "NAME", "unique in the tenant; rules name it", true},
    {"--url", "URL", "where webhooks are posted", true},
    {"--kind", "KIND", "webhook (the default)", false},
};
const struct command channel_create_command = {
    .name = "channel create",
    .summary = "Make a notification channel; prints its secret, once",
    .details = "Webhooks are signed as Standard Webhooks describes; the "
               "receiver checks with the secret\n(docs/webhooks.md).\n",
    .examples = "  pulse channel create --tenant demo --name oncall --url "
                "https://example.org/hook\n",
    .options = create_options,
    .option_count = ARRAY_LEN(create_options),
    .run = channel_create,
};

static const struct option list_options[] = {
    {"--tenant", "TENANT", "only this tenant's", false},
};
const struct command channel_list_command = {
    .name = "channel list",
    .summary = "List notification channels and what they delivered",
    .examples = "  pulse channel list --tenant demo\n",
    .options = list_options,
    .option_count = ARRAY_LEN(list_options),
    .run = channel_list,
};
