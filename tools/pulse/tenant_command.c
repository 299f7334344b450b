/* SPDX-License-Identifier: Apache-2.0 */
/* tenant create, list, limits: who sends, and how much. */
#include <inttypes.h>
#include <stdio.h>

#include "common/json.h"
#include "tools/pulse/commands.h"
#include "tools/pulse/table.h"
#include "tools/pulse/tenant.h"
#include "tools/pulse/world.h"

/* ---- create, list ---- */

static int create_run(const struct call *c)
{
    struct err err = {0};
    struct str tenant = str_of(c->positional[0]);
    struct pg *pg = world_pg(c->world, &err);
    if (!pg || !tenant_create(pg, tenant, &err))
        return failure(&err);
    printf("Tenant %s is there.\n", c->positional[0]);
    return 0;
}

const struct command tenant_create_command = {
    .name = "tenant create",
    .positional = "TENANT",
    .positional_count = 1,
    .summary = "Create a tenant unless it is there",
    .examples = "  pulse tenant create demo\n",
    .run = create_run,
};

static int list_run(const struct call *c)
{
    struct err err = {0};
    struct pg *pg = world_pg(c->world, &err);
    AUTO(pg_result) r =
        pg ? pg_run(pg,
                    "select t.tenant_id, t.name, (select count(*) from api_keys"
                    " k where k.tenant_id = t.tenant_id and (k.revoked_at is"
                    " null or k.revoked_at > now()) and (k.expires_at is null"
                    " or k.expires_at > now())), t.limits"
                    " from tenants t order by t.tenant_id",
                    NULL, &err)
           : NULL;
    if (!r)
        return failure(&err);
    AUTO_RELEASE(table) t;
    table_init(&t, "TENANT|NAME|LIVE KEYS>|LIMITS OF ITS OWN");
    for (int i = 0; i < pg_rows(r); i++) {
        table_cell(&t, pg_get_str(r, i, 0));
        table_cell(&t, pg_get_str(r, i, 1));
        table_cellf(&t, "%" PRId64, pg_get_i64(r, i, 2));
        table_cell(&t, pg_get_str(r, i, 3));
    }
    AUTO_RELEASE(buf) out = {0};
    table_write(&t, "", &out);
    print(&out);
    return 0;
}

const struct command tenant_list_command = {
    .name = "tenant list",
    .summary = "List tenants, their keys and limits",
    .examples = "  pulse tenant list\n",
    .run = list_run,
};

/* ---- limits ---- */

/* What is to be changed. */
struct wish {
    struct str names[LIMIT_COUNT];
    size_t count; /* all that are named: they go, and the ones set come back */
    struct str set[LIMIT_COUNT];
    int64_t values[LIMIT_COUNT];
    size_t set_count;
};

static bool name_unknown(struct str name, struct err *err)
{
    AUTO_RELEASE(buf) known = {0};
    for (size_t i = 0; i < LIMIT_COUNT; i++)
        buf_addf(&known, "%s %s", i > 0 ? "," : "", limit_kinds[i].name);
    err_set(err, ERR_INPUT, "\"%.*s\" is no limit; there are%s", STR_ARG(name),
            known.p);
    return false;
}

/* NAME=VALUE or NAME=default. */
static bool wish_add(struct wish *w, const char *word, struct err *err)
{
    struct str name, value;
    int64_t number;
    if (!str_cut(str_of(word), '=', &name, &value)) {
        err_set(err, ERR_INPUT, "\"%s\": write NAME=VALUE", word);
        return false;
    }
    enum limit limit = limit_find(name);
    if (limit == LIMIT_COUNT)
        return name_unknown(name, err);
    for (size_t i = 0; i < w->count; i++)
        if (str_eq(w->names[i], name)) {
            err_set(err, ERR_INPUT, "%s is given twice", word);
            return false;
        }
    const struct limit_kind *kind = &limit_kinds[limit];
    w->names[w->count++] = name;
    if (str_is(value, "default"))
        return true;
    if (!str_to_i64(value, &number) || number < kind->min ||
        number > kind->max) {
        err_set(err, ERR_INPUT,
                "%s: a whole number from %" PRId64 " to %" PRId64
                ", or \"default\"",
                word, kind->min, kind->max);
        return false;
    }
    w->set[w->set_count] = name;
    w->values[w->set_count++] = number;
    return true;
}

static bool wish_parse(struct wish *w, const struct call *c, struct err *err)
{
    for (int i = 0; i < c->more_count; i++)
        if (!wish_add(w, c->more[i], err))
            return false;
    return true;
}

static struct pg_result *limits_change(struct pg *pg, struct str tenant,
                                       const struct wish *w, struct err *err)
{
    struct pg_params p = {0};
    pg_text(&p, tenant);
    pg_text_array(&p, w->names, w->count);
    pg_text_array(&p, w->set, w->set_count);
    pg_i64_array(&p, w->values, w->set_count);
    return pg_run(pg,
                  "update tenants set limits = (limits - $2::text[]) ||"
                  " coalesce((select jsonb_object_agg(s.name, s.value) from"
                  " unnest($3::text[], $4::bigint[]) s (name, value)), '{}')"
                  " where tenant_id = $1 returning limits",
                  &p, err);
}

static struct pg_result *limits_read(struct pg *pg, struct str tenant,
                                     struct err *err)
{
    struct pg_params p = {0};
    pg_text(&p, tenant);
    return pg_run(pg, "select limits from tenants where tenant_id = $1", &p,
                  err);
}

/* What the tenant gets, and whether that is its own. */
struct shown {
    struct tenant_limits limits;
    bool own[LIMIT_COUNT];
};

static struct shown shown_of(const struct call *c, struct str json)
{
    AUTO(arena) a = arena_new(4096);
    struct shown s = {.limits = limits_defaults(c->world->limits)};
    yyjson_val *object = yyjson_doc_get_root(json_parse(a, json, NULL));
    for (size_t i = 0; i < LIMIT_COUNT; i++)
        s.own[i] = yyjson_obj_get(object, limit_kinds[i].name) != NULL;
    limits_override(&s.limits, json, a);
    return s;
}

static void json_write(const struct shown *s, struct buf *out)
{
    for (size_t i = 0; i < LIMIT_COUNT; i++)
        buf_addf(out,
                 "{\"limit\":\"%s\",\"value\":%" PRId64 ",\"own\":%s,"
                 "\"lowest\":%" PRId64 ",\"highest\":%" PRId64 "}\n",
                 limit_kinds[i].name, s->limits.of[i],
                 s->own[i] ? "true" : "false", limit_kinds[i].min,
                 limit_kinds[i].max);
}

static void text_write(const struct shown *s, struct buf *out)
{
    AUTO_RELEASE(table) t;
    table_init(&t, "LIMIT|VALUE>|FROM|WHAT");
    for (size_t i = 0; i < LIMIT_COUNT; i++) {
        table_cellf(&t, "%s", limit_kinds[i].name);
        table_cellf(&t, "%" PRId64, s->limits.of[i]);
        table_cellf(&t, "%s", s->own[i] ? "tenant" : "default");
        table_cellf(&t, "%s", limit_kinds[i].help);
    }
    table_write(&t, "", out);
}

static int limits_run(const struct call *c)
{
    struct err err = {0};
    struct str tenant = str_of(c->positional[0]);
    struct wish wish = {0};
    AUTO_RELEASE(buf) out = {0};
    if (!wish_parse(&wish, c, &err))
        return usage_error(c, &err);
    struct pg *pg = world_pg(c->world, &err);
    if (!pg || !tenant_check(pg, tenant, &err))
        return failure(&err);
    AUTO(pg_result) r = wish.count > 0 ? limits_change(pg, tenant, &wish, &err)
                                       : limits_read(pg, tenant, &err);
    if (!r)
        return failure(&err);
    const struct shown s = shown_of(c, pg_get_str(r, 0, 0));
    if (call_flag(c, "--json"))
        json_write(&s, &out);
    else
        text_write(&s, &out);
    print(&out);
    return 0;
}

static const struct option limits_options[] = {
    {"--json", NULL, "a JSON object a line", false},
};
const struct command tenant_limits_command = {
    .name = "tenant limits",
    .positional = "TENANT [NAME=VALUE…]",
    .positional_count = 1,
    .more = true,
    .summary = "Show or set how much a tenant may send",
    .details =
        "VALUE may be \"default\": the limit is then the services' setting, "
        "shown here as\nthis environment has it. Edges take note within some "
        "2 s, writers within 10 s.\ndocs/limits.md says what each limit "
        "does.\n",
    .examples = "  pulse tenant limits demo\n"
                "  pulse tenant limits demo records_per_second=1000 labels=16\n"
                "  pulse tenant limits demo records_per_second=default\n",
    .options = limits_options,
    .option_count = ARRAY_LEN(limits_options),
    .run = limits_run,
};
