/* SPDX-License-Identifier: Apache-2.0 */
/* series: what grows, and how much of it a tenant may have. */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "common/json.h"
#include "tools/pulse/commands.h"
#include "tools/pulse/table.h"
#include "tools/pulse/tenant.h"
#include "tools/pulse/world.h"

/* ---- top ---- */

/* One way to look at it. The statement's parameters are the tenant (NULL: all),
 * the span of time in seconds, and how many lines; its columns the headers. */
struct view {
    const char *name, *headers, *keys; /* keys: of JSON, in order */
    const char *sql;
};

#define RECENT "created_at > now() - $2::float8 * interval '1 second'"
#define WHOSE "($1::text IS NULL OR s.tenant_id = $1)"

static const struct view views[] = {
    {"tenant", "TENANT|NEW>|SERIES>|LIMIT>|USED %>",
     "tenant\0new\0series\0limit\0used_percent\0",
     "SELECT t.tenant_id, count(s.series_id) FILTER (WHERE s." RECENT "),"
     " coalesce(max(c.series), 0), store.series_limit(t.tenant_id),"
     " 100 * coalesce(max(c.series), 0)"
     " / greatest(store.series_limit(t.tenant_id), 1)"
     " FROM (SELECT tenant_id FROM tenants"
     "       UNION SELECT tenant_id FROM store.series_counts) t"
     " LEFT JOIN store.series_counts c USING (tenant_id)"
     " LEFT JOIN store.series s ON s.tenant_id = t.tenant_id AND s." RECENT
     " WHERE $1::text IS NULL OR t.tenant_id = $1"
     " GROUP BY t.tenant_id ORDER BY 2 DESC, 3 DESC, 1 LIMIT $3"},
    {"name", "TENANT|NAME|NEW>|SERIES>", "tenant\0name\0new\0series\0",
     "SELECT s.tenant_id, s.name, count(*) FILTER (WHERE s." RECENT
     "), count(*) FROM store.series s WHERE " WHOSE
     " GROUP BY 1, 2 ORDER BY 3 DESC, 4 DESC, 1, 2 LIMIT $3"},
    {"host", "TENANT|HOST|NEW>|SERIES>", "tenant\0host\0new\0series\0",
     "SELECT s.tenant_id, coalesce(s.host, ''), count(*) FILTER (WHERE"
     " s." RECENT "), count(*) FROM store.series s WHERE " WHOSE
     " GROUP BY 1, 2 ORDER BY 3 DESC, 4 DESC, 1, 2 LIMIT $3"},
    {"label", "TENANT|LABEL|NEW>|VALUES>|SERIES>",
     "tenant\0label\0new\0values\0series\0",
     "SELECT l.tenant_id, l.label, count(*) FILTER (WHERE l." RECENT "),"
     " count(*), sum(l.series)::bigint FROM ("
     "  SELECT s.tenant_id, v.key AS label, v.value, count(*) AS series,"
     "   min(s.created_at) AS created_at"
     "  FROM store.series s, jsonb_each_text(s.labels) v WHERE " WHOSE
     "  GROUP BY 1, 2, 3) l"
     " GROUP BY 1, 2 ORDER BY 4 DESC, 3 DESC, 1, 2 LIMIT $3"},
};

static const struct view *view_find(const char *name)
{
    for (size_t i = 0; i < ARRAY_LEN(views); i++)
        if (strcmp(views[i].name, name) == 0)
            return &views[i];
    return NULL;
}

/* The first columns are texts, the others numbers. */
static bool is_text(const struct view *v, int column)
{
    return column == 0 || (column == 1 && v != &views[0]);
}

static void text_write(const struct view *v, const struct pg_result *r,
                       struct buf *out)
{
    AUTO_RELEASE(table) t;
    table_init(&t, v->headers);
    for (int i = 0; i < pg_rows(r); i++)
        for (int n = 0; n < pg_columns(r); n++)
            if (is_text(v, n))
                table_cell(&t, pg_get_str(r, i, n));
            else
                table_cellf(&t, "%" PRId64, pg_get_i64(r, i, n));
    table_write(&t, "", out);
}

static void json_write(const struct view *v, const struct pg_result *r,
                       struct buf *out)
{
    for (int i = 0; i < pg_rows(r); i++) {
        const char *key = v->keys;
        for (int n = 0; n < pg_columns(r); n++, key += strlen(key) + 1) {
            buf_addf(out, "%s\"%s\":", n == 0 ? "{" : ",", key);
            if (is_text(v, n))
                json_add_str(out, pg_get_str(r, i, n));
            else
                json_add_i64(out, pg_get_i64(r, i, n));
        }
        buf_add_text(out, "}\n");
    }
}

static int series_top(const struct call *c)
{
    struct err err = {0};
    int64_t since_ms = 3600 * 1000, lines = 20;
    const char *tenant = call_value(c, "--tenant");
    const char *by = call_value(c, "--by");
    if (by == NULL)
        by = tenant == NULL ? "tenant" : "name";
    const struct view *v = view_find(by);
    if (v == NULL) {
        err_set(&err, ERR_INPUT, "--by \"%s\": tenant, name, host or label",
                by);
        return usage_error(c, &err);
    }
    if (!call_duration(c, "--since", &since_ms, &err) ||
        !call_int(c, "-n", 1, 10000, &lines, &err))
        return usage_error(c, &err);
    struct pg *pg = world_pg(c->world, &err);
    struct pg_params p = {0};
    pg_text_opt(&p, str_of(tenant));
    pg_f64(&p, (double)since_ms / 1000);
    pg_i64(&p, lines);
    AUTO(pg_result) r = pg ? pg_run(pg, v->sql, &p, &err) : NULL;
    if (r == NULL)
        return failure(&err);
    AUTO_RELEASE(buf) out = {0};
    if (call_flag(c, "--json"))
        json_write(v, r, &out);
    else
        text_write(v, r, &out);
    print(&out);
    return 0;
}

static const struct option top_options[] = {
    {"--tenant", "TENANT", "only this tenant's", false},
    {"--by", "WHAT", "tenant, name, host or label", false},
    {"--since", "DURATION", "what counts as new (1h)", false},
    {"-n", "LINES", "how many (20)", false},
    {"--json", NULL, "a JSON object a line", false},
};
const struct command series_top_command = {
    .name = "series top",
    .summary = "Show which series are new and who has most",
    .details =
        "NEW counts those made since; SERIES all there are: they are never "
        "deleted.\nBy label: its different values, NEW those first seen since."
        "\nWithout --by: by tenant, or by name where a tenant is given.\n",
    .examples = "  pulse series top\n"
                "  pulse series top --tenant demo --by label --since 1d\n"
                "  pulse series top --by name -n 50 --json\n",
    .options = top_options,
    .option_count = ARRAY_LEN(top_options),
    .run = series_top,
};

/* ---- limit ---- */

/* NULL in *number: the default. */
static bool limit_parse(const char *text, struct str *number, struct err *err)
{
    int64_t n;
    *number = (struct str){NULL, 0};
    if (strcmp(text, "default") == 0)
        return true;
    if (str_to_i64(str_of(text), &n) && n >= 0 && n <= INT64_C(1000000000)) {
        *number = str_of(text);
        return true;
    }
    err_set(err, ERR_INPUT,
            "\"%s\" is neither a number up to 1000000000 nor \"default\"",
            text);
    return false;
}

static int series_limit(const struct call *c)
{
    struct err err = {0};
    struct str tenant = str_of(c->positional[0]), number;
    if (!limit_parse(c->positional[1], &number, &err))
        return usage_error(c, &err);
    struct pg *pg = world_pg(c->world, &err);
    if (pg == NULL || !tenant_check(pg, tenant, &err))
        return failure(&err);
    struct pg_params p = {0};
    pg_text(&p, tenant);
    pg_text_opt(&p, number);
    AUTO(pg_result) r =
        pg_run(pg,
               "UPDATE tenants SET limits = CASE WHEN $2::text IS NULL"
               " THEN limits - 'series'"
               " ELSE limits || jsonb_build_object('series', $2::bigint) END"
               " WHERE tenant_id = $1"
               " RETURNING"
               " coalesce((SELECT c.series FROM store.series_counts c"
               "           WHERE c.tenant_id = tenants.tenant_id), 0)",
               &p, &err);
    if (r == NULL)
        return failure(&err);
    printf("Tenant %s may have %s series and has %" PRId64
           "; writers take note within 10 s.\n",
           c->positional[0], number.p == NULL ? "1000000" : number.p,
           pg_get_i64(r, 0, 0));
    return 0;
}

const struct command series_limit_command = {
    .name = "series limit",
    .positional = "TENANT NUMBER",
    .positional_count = 2,
    .summary = "Set how many series a tenant may have",
    .details = "NUMBER may be \"default\" (1000000). Series that are there "
               "stay; readings of\nfurther ones are dead letters, reason "
               "series_limit, which can be redriven.\n",
    .examples = "  pulse series limit demo 50000\n"
                "  pulse series limit demo default\n",
    .run = series_limit,
};
