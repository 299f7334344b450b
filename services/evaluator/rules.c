/* SPDX-License-Identifier: Apache-2.0 */
#include "services/evaluator/rules.h"

#include <stdlib.h>

#include "common/buf.h"
#include "common/log.h"

enum { CHANNELS_MAX = 64 };

struct rules {
    int64_t lateness_us;
    struct stats *stats;
    struct ruleset *current;
    struct buf seen; /* digest of what current was loaded from */
};

struct rules *rules_new(int64_t lateness_us, struct stats *stats)
{
    struct rules *r = xcalloc(1, sizeof *r);
    r->lateness_us = lateness_us;
    r->stats = stats;
    r->current = ruleset_new();
    return r;
}

void rules_free(struct rules *r)
{
    if (!r)
        return;
    ruleset_unref(r->current);
    buf_release(&r->seen);
    free(r);
}

struct ruleset *rules_current(const struct rules *r)
{
    return r->current;
}

static const char sql_digest[] =
    "SELECT coalesce(md5(string_agg(id::text || version::text ||"
    " updated_at::text, ',' ORDER BY id)), '') FROM public.alert_rules"
    " WHERE enabled";

static const char sql_load[] =
    "SELECT id::text, tenant_id, name, severity, metric_type, version,"
    " threshold, condition, channels FROM public.alert_rules WHERE enabled"
    " ORDER BY id";

/* False: not evaluated. */
static bool add_rule(const struct rules *r, const struct pg_result *rows,
                     int row, struct ruleset *to)
{
    struct str channels[CHANNELS_MAX];
    size_t count = pg_get_texts(rows, row, 8, channels, CHANNELS_MAX);
    const struct rule_row from = {
        .id = pg_get_str(rows, row, 0),
        .tenant_id = pg_get_str(rows, row, 1),
        .name = pg_get_str(rows, row, 2),
        .severity = pg_get_str(rows, row, 3),
        .metric = pg_get_str(rows, row, 4),
        .version = pg_get_i64(rows, row, 5),
        .threshold = pg_get_f64(rows, row, 6),
        .has_threshold = !pg_is_null(rows, row, 6),
        .condition = pg_get_str(rows, row, 7),
        .channels = channels,
        .channel_count = count < CHANNELS_MAX ? count : CHANNELS_MAX,
    };
    struct err err;
    AUTO(rule) rule = rule_new(&from, r->lateness_us, &err);
    if (!rule) {
        log_warn("rule_refused", LOG_STR("rule", from.id),
                 LOG_STR("tenant", from.tenant_id), LOG_STR("name", from.name),
                 LOG_ERR(&err));
        return false;
    }
    ruleset_add(to, MOVE(rule));
    return true;
}

static bool load(struct rules *r, struct pg *pg, struct err *err)
{
    AUTO(pg_result) rows = pg_run(pg, sql_load, NULL, err);
    if (!rows)
        return false;
    struct ruleset *loaded = ruleset_new();
    int refused = 0;
    for (int i = 0; i < pg_rows(rows); i++)
        refused += !add_rule(r, rows, i, loaded);
    ruleset_unref(r->current);
    r->current = loaded;
    gauge_set(r->stats->rules, (double)ruleset_count(loaded));
    gauge_set(r->stats->rules_refused, refused);
    log_info("rules_loaded", LOG_I("rules", ruleset_count(loaded)),
             LOG_I("refused", refused));
    return true;
}

/* The digest comes first: a change between the two is seen the next time. */
bool rules_refresh(struct rules *r, struct pg *pg, struct err *err)
{
    AUTO(pg_result) row = pg_run(pg, sql_digest, NULL, err);
    if (!row)
        return false;
    struct str digest = pg_get_str(row, 0, 0);
    if (r->seen.p && str_eq(digest, buf_str(&r->seen)))
        return true;
    if (!load(r, pg, err))
        return false;
    buf_reset(&r->seen);
    buf_add_str(&r->seen, digest);
    return true;
}
