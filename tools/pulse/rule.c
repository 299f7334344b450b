/* SPDX-License-Identifier: Apache-2.0 */
/* rule create, list: alert rules on a threshold. */
#include "common/pulse/rule.h"

#include <inttypes.h>
#include <stdio.h>

#include "common/json.h"
#include "tools/pulse/commands.h"
#include "tools/pulse/table.h"
#include "tools/pulse/tenant.h"
#include "tools/pulse/world.h"

enum { CHANNELS_MAX = 16 };
/* The evaluator's own limit is a setting; no rule here names a lateness. */
static const int64_t lateness_us = 30000000;

struct rule_wish {
    struct rule_row row;
    struct buf condition;
    struct str channels[CHANNELS_MAX];
};

/* --above X, --below X: exactly one. */
static bool threshold_parse(struct rule_wish *w, const struct call *c,
                            const char **op, struct err *err)
{
    const char *above = call_value(c, "--above");
    const char *below = call_value(c, "--below");
    if (!above == !below) {
        err_set(err, ERR_INPUT, "needs --above NUMBER or --below NUMBER");
        return false;
    }
    *op = above ? ">" : "<";
    w->row.has_threshold = true;
    if (str_to_double(str_of(above ? above : below), &w->row.threshold))
        return true;
    err_set(err, ERR_INPUT, "\"%s\" is no number", above ? above : below);
    return false;
}

static void condition_span(struct buf *out, const struct call *c,
                           const char *option, const char *key)
{
    const char *text = call_value(c, option);
    if (!text)
        return;
    buf_addf(out, ",\"%s\":", key);
    json_add_str(out, str_of(text));
}

/* --label host=a,room=b */
static bool condition_labels(struct buf *out, struct str text, struct err *err)
{
    if (!text.p)
        return true;
    struct label labels[RULE_LABELS_MAX];
    size_t n = 0;
    for (struct str pair; str_next(&text, ',', &pair); n++) {
        if (n == RULE_LABELS_MAX ||
            !str_cut(pair, '=', &labels[n].name, &labels[n].value)) {
            err_set(err, ERR_INPUT, "--label: name=value, at most %d",
                    RULE_LABELS_MAX);
            return false;
        }
    }
    if (!labels_sort(labels, n)) {
        err_set(err, ERR_INPUT, "--label: a name appears twice");
        return false;
    }
    buf_add_text(out, ",\"labels\":");
    labels_json(labels, n, out);
    return true;
}

static bool wish_channels(struct rule_wish *w, struct str text, struct err *err)
{
    w->row.channels = w->channels;
    for (struct str name; str_next(&text, ',', &name);) {
        if (w->row.channel_count == CHANNELS_MAX) {
            err_set(err, ERR_INPUT, "--channel: at most %d", CHANNELS_MAX);
            return false;
        }
        w->channels[w->row.channel_count++] = name;
    }
    return true;
}

static bool wish_parse(struct rule_wish *w, const struct call *c,
                       struct err *err)
{
    const char *op, *severity = call_value(c, "--severity");
    w->row = (struct rule_row){
        .id = STR("new"),
        .tenant_id = str_of(call_value(c, "--tenant")),
        .name = str_of(call_value(c, "--name")),
        .metric = str_of(call_value(c, "--metric")),
        .severity = str_of(severity ? severity : "high"),
        .version = 1,
    };
    if (!threshold_parse(w, c, &op, err) ||
        !wish_channels(w, str_of(call_value(c, "--channel")), err))
        return false;
    buf_addf(&w->condition, "{\"aggregation\":\"last\",\"operator\":\"%s\"",
             op);
    condition_span(&w->condition, c, "--for", "for");
    condition_span(&w->condition, c, "--clear", "clear");
    if (!condition_labels(&w->condition, str_of(call_value(c, "--label")), err))
        return false;
    buf_add_char(&w->condition, '}');
    w->row.condition = buf_str(&w->condition);
    /* The evaluator's own parser decides what a rule is. */
    AUTO(rule) rule = rule_new(&w->row, lateness_us, err);
    return rule != NULL;
}

/* Names that are no channel of the tenant would never page anybody. */
static bool channels_check(struct pg *pg, const struct rule_row *row,
                           struct err *err)
{
    struct pg_params p = {0};
    pg_text(&p, row->tenant_id);
    pg_text_array(&p, row->channels, row->channel_count);
    AUTO(pg_result) r =
        pg_run(pg,
               "select n from unnest($2::text[]) n where not exists"
               " (select from notification_channels c"
               " where c.tenant_id = $1 and c.name = n)",
               &p, err);
    if (!r)
        return false;
    if (pg_rows(r) == 0)
        return true;
    err_set(err, ERR_INPUT, "tenant %.*s has no channel \"%.*s\"",
            STR_ARG(row->tenant_id), STR_ARG(pg_get_str(r, 0, 0)));
    return false;
}

static bool rule_insert(struct pg *pg, const struct rule_row *row,
                        struct str description, struct err *err)
{
    struct pg_params p = {0};
    pg_text(&p, row->tenant_id);
    pg_text(&p, row->name);
    pg_text_opt(&p, description);
    pg_text(&p, row->metric);
    pg_f64(&p, row->threshold);
    pg_jsonb(&p, row->condition);
    pg_text(&p, row->severity);
    pg_text_array(&p, row->channels, row->channel_count);
    AUTO(pg_result) r =
        pg_run(pg,
               "insert into alert_rules (tenant_id, name, description,"
               " metric_type, threshold, condition, severity, channels)"
               " values ($1, $2, coalesce($3, ''), $4, $5, $6, $7, $8)"
               " on conflict do nothing returning id::text",
               &p, err);
    if (!r)
        return false;
    if (pg_rows(r) == 0) {
        err_set(err, ERR_INPUT, "tenant %.*s already has a rule \"%.*s\"",
                STR_ARG(row->tenant_id), STR_ARG(row->name));
        return false;
    }
    printf("%.*s\n", STR_ARG(pg_get_str(r, 0, 0)));
    return true;
}

static int rule_create(const struct call *c)
{
    struct err err = {0};
    struct rule_wish wish = {0};
    AUTO_RELEASE(buf) condition = {0};
    bool good = wish_parse(&wish, c, &err);
    condition = wish.condition; /* freed on every way out */
    if (!good)
        return usage_error(c, &err);
    struct pg *pg = world_pg(c->world, &err);
    if (!pg || !pg_begin(pg, &err) ||
        !tenant_check(pg, wish.row.tenant_id, &err) ||
        !channels_check(pg, &wish.row, &err) ||
        !rule_insert(pg, &wish.row, str_of(call_value(c, "--description")),
                     &err) ||
        !pg_commit(pg, &err))
        return failure(&err);
    return 0;
}

static int rule_list(const struct call *c)
{
    struct err err = {0};
    struct pg *pg = world_pg(c->world, &err);
    struct pg_params p = {0};
    pg_text_opt(&p, str_of(call_value(c, "--tenant")));
    AUTO(pg_result) r =
        pg ? pg_run(pg,
                    "select tenant_id, name, metric_type,"
                    " coalesce(condition->>'operator', '>'), threshold,"
                    " condition->>'for', condition->>'clear', severity,"
                    " array_to_string(channels, ','), enabled, version::bigint,"
                    " (select count(*) from incidents i where i.rule_id = r.id"
                    " and i.status in ('open', 'investigating'))"
                    " from alert_rules r"
                    " where $1::text is null or tenant_id = $1"
                    " order by tenant_id, name",
                    &p, &err)
           : NULL;
    if (!r)
        return failure(&err);
    AUTO_RELEASE(table) t;
    table_init(&t, "TENANT|NAME|METRIC|WHEN|FOR|CLEAR|SEVERITY|CHANNELS|"
                   "ENABLED|VERSION>|OPEN>");
    for (int i = 0; i < pg_rows(r); i++) {
        for (int column = 0; column < 3; column++)
            table_cell(&t, pg_get_str(r, i, column));
        table_cellf(&t, "%.*s %g", STR_ARG(pg_get_str(r, i, 3)),
                    pg_get_f64(r, i, 4));
        for (int column = 5; column < 9; column++)
            table_cell(&t, pg_get_str(r, i, column));
        table_cellf(&t, "%s", pg_get_bool(r, i, 9) ? "yes" : "no");
        table_cellf(&t, "%" PRId64, pg_get_i64(r, i, 10));
        table_cellf(&t, "%" PRId64, pg_get_i64(r, i, 11));
    }
    AUTO_RELEASE(buf) out = {0};
    table_write(&t, "", &out);
    print(&out);
    return 0;
}

static const struct option create_options[] = {
    {"--tenant", "TENANT", "whose series it watches", true},
    {"--name", "NAME", "unique in the tenant", true},
    {"--metric", "METRIC", "name of the series, or of the telemetry field",
     true},
    {"--above", "NUMBER", "violated when the value is greater", false},
    {"--below", "NUMBER", "violated when the value is less", false},
    {"--for", "DURATION", "violated for so long: fires (at once)", false},
    {"--clear", "DURATION", "good for so long: resolves (at once)", false},
    {"--label", "NAME=VALUE,…", "only series with these labels", false},
    {"--severity", "LEVEL", "low, medium, high, critical (high)", false},
    {"--channel", "NAME,…", "channels to notify", false},
    {"--description", "TEXT", "what to do about it", false},
};
const struct command rule_create_command = {
    .name = "rule create",
    .summary = "Make an alert rule on a threshold; prints its id",
    .details = "Durations run on each series' own event time, not on the "
               "clock of this machine.\n",
    .examples =
        "  pulse rule create --tenant demo --name overheating --metric "
        "temperature --above 80 \\\n"
        "      --for 5s --clear 5s --severity critical --channel oncall\n"
        "  pulse rule create --tenant demo --name disk --metric disk_usage "
        "--above 90 --label host=db1\n",
    .options = create_options,
    .option_count = ARRAY_LEN(create_options),
    .run = rule_create,
};

static const struct option list_options[] = {
    {"--tenant", "TENANT", "only this tenant's", false},
};
const struct command rule_list_command = {
    .name = "rule list",
    .summary = "List alert rules and how many incidents each has open",
    .examples = "  pulse rule list --tenant demo\n",
    .options = list_options,
    .option_count = ARRAY_LEN(list_options),
    .run = rule_list,
};
