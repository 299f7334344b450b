/* SPDX-License-Identifier: Apache-2.0 */
/* deadletter list, show: which letters there are, and all of one. */
#include <inttypes.h>
#include <stdio.h>

#include "tools/pulse/commands.h"
#include "tools/pulse/deadletter_planner.h"
#include "tools/pulse/deadletter_text.h"
#include "tools/pulse/table.h"

enum {
    LIST_DEFAULT = 50,
    LIST_MAX = 1000,
    JSON_PAGE = 20,
    SECONDS_BYTES = 19, /* of a time that ends with its seconds */
};

struct listing {
    struct pg *pg;
    const struct deadletter_filter *filter;
    int64_t before; /* the next letter's id is below */
    int64_t left;   /* letters still to list */
};

static void listing_bind(const struct listing *l, int64_t count,
                         struct pg_params *p)
{
    deadletter_filter_bind(l->filter, p);
    pg_i64(p, l->before);
    pg_i64(p, count);
}

static void line_add(struct table *t, const struct pg_result *r, int row)
{
    AUTO_RELEASE(buf) failed = {0};
    struct str tenant = pg_get_str(r, row, 2), device = pg_get_str(r, row, 5);
    time_text(pg_get_time(r, row, 1), &failed);
    failed.n = failed.n > SECONDS_BYTES ? SECONDS_BYTES : failed.n;
    table_cellf(t, "%" PRId64, pg_get_i64(r, row, 0));
    table_cell(t, buf_str(&failed));
    table_cell(t, tenant.p ? tenant : STR("-"));
    table_cell(t, pg_get_str(r, row, 3));
    table_cell(t, pg_get_str(r, row, 4));
    table_cell(t, device.p ? device : STR("-"));
    table_cell(t, pg_get_str(r, row, 6));
    table_cellf(t, "%" PRId64, pg_get_i64(r, row, 7));
    table_cell(t, pg_get_str(r, row, 8));
}

static void listing_moved(struct listing *l, const struct pg_result *r)
{
    int rows = pg_rows(r);
    l->left -= rows;
    if (rows > 0)
        l->before = pg_get_i64(r, rows - 1, 0);
}

static bool list_text(struct listing *l, struct err *err)
{
    AUTO_RELEASE(table) t;
    AUTO_RELEASE(buf) out = {0};
    struct pg_params p = {0};
    table_init(&t, "ID>|REFUSED (UTC)|TENANT|STAGE|REASON|DEVICE|STATUS|BYTES>|"
                   "DETAIL");
    listing_bind(l, l->left, &p);
    AUTO(pg_result) r =
        pg_run(l->pg,
               "SELECT d.id, d.failed_at, d.tenant_id, d.stage, d.reason,"
               " d.device_id, d.status, octet_length(d.payload)::bigint,"
               " left(d.detail, 100) FROM dead_letters d"
               " WHERE " DEADLETTER_WHERE
               " AND d.id < $9 ORDER BY d.id DESC LIMIT $10",
               &p, err);
    if (!r)
        return false;
    for (int i = 0; i < pg_rows(r); i++)
        line_add(&t, r, i);
    listing_moved(l, r);
    table_write(&t, "", &out);
    print(&out);
    return true;
}

/* With their payloads, so a few at a time. */
static bool list_json(struct listing *l, struct err *err)
{
    int rows = JSON_PAGE;
    while (l->left > 0 && rows == JSON_PAGE) {
        AUTO_RELEASE(buf) out = {0};
        struct pg_params p = {0};
        struct deadletter letter;
        listing_bind(l, l->left < JSON_PAGE ? l->left : JSON_PAGE, &p);
        AUTO(pg_result) r =
            pg_run(l->pg,
                   "SELECT " DEADLETTER_COLUMNS DEADLETTER_FROM
                   " WHERE " DEADLETTER_WHERE
                   " AND d.id < $9 ORDER BY d.id DESC LIMIT $10",
                   &p, err);
        if (!r)
            return false;
        rows = pg_rows(r);
        for (int i = 0; i < rows; i++) {
            deadletter_get(r, i, &letter);
            deadletter_json(&letter, NULL, NULL, &out);
        }
        listing_moved(l, r);
        print(&out);
    }
    return true;
}

static int list(const struct call *c)
{
    struct err err = {0};
    AUTO_RELEASE(deadletter_filter) filter = {0};
    struct listing l = {
        .filter = &filter, .before = INT64_MAX, .left = LIST_DEFAULT};
    if (!deadletter_filter_parse(&filter, c, &err) ||
        !call_int(c, "-n", 1, LIST_MAX, &l.left, &err) ||
        !call_int(c, "--before", 1, INT64_MAX, &l.before, &err))
        return usage_error(c, &err);
    l.pg = world_pg(c->world, &err);
    if (!l.pg ||
        !(call_flag(c, "--json") ? list_json(&l, &err) : list_text(&l, &err)))
        return failure(&err);
    if (l.left == 0)
        fprintf(stderr, "There may be older ones: --before %" PRId64 "\n",
                l.before);
    return 0;
}

static void pair_add(struct buf *out, const char *name, struct str value)
{
    if (!value.p || value.n == 0)
        return;
    buf_addf(out, "%-14s", name);
    for (size_t i = 0; i < value.n; i++) {
        unsigned char c = (unsigned char)value.p[i];
        buf_add_char(out, c < 0x20 || c == 0x7f ? '?' : (char)c);
    }
    buf_add_char(out, '\n');
}

static void time_pair(struct buf *out, const char *name, int64_t us)
{
    AUTO_RELEASE(buf) text = {0};
    time_text(us, &text);
    pair_add(out, name, buf_str(&text));
}

static void head_text(const struct deadletter *l, struct buf *out)
{
    AUTO_RELEASE(buf) place = {0};
    if (l->topic.p)
        buf_addf(&place, "%.*s, partition %" PRId64 ", offset %" PRId64,
                 STR_ARG(l->topic), l->part, l->offset);
    buf_addf(out, "%-14s%" PRId64 "\n", "Letter", l->id);
    pair_add(out, "Status", l->status);
    pair_add(out, "Tenant", l->tenant);
    pair_add(out, "Refused by", l->stage);
    pair_add(out, "Reason", l->reason);
    pair_add(out, "Detail", l->detail);
    pair_add(out, "Endpoint", l->endpoint);
    pair_add(out, "Key", l->key_id);
    pair_add(out, "Device", l->device_id);
    pair_add(out, "Topic", buf_str(&place));
    time_pair(out, "Received", l->received_us);
    time_pair(out, "Refused", l->failed_us);
    time_pair(out, "Redriven", l->redriven_us);
    if (l->redrives > 1)
        buf_addf(out, "%-14s%" PRId64 " times\n", "", l->redrives);
    pair_add(out, "Last redrive", l->last_error);
    time_pair(out, "Edited", l->edited_us);
    pair_add(out, "Edited by", l->edited_by);
    pair_add(out, "Content type", l->content_type);
}

static void letter_text(const struct deadletter *l, const struct planner *p,
                        const struct plan *plan, struct buf *out)
{
    AUTO_RELEASE(buf) fate = {0};
    head_text(l, out);
    plan_text(plan, &fate);
    pair_add(out, "A redrive", buf_str(&fate));
    buf_addf(out, "\nPayload, %zu bytes:\n", l->payload.n);
    payload_text(l->payload, out);
    AUTO_RELEASE(buf) record = {0};
    if (payload_record(p->codec, p->arena, l->payload, &record)) {
        buf_add_text(out, "\nThat is:\n");
        payload_text(buf_str(&record), out);
    }
    if (l->edited_us) {
        buf_addf(out, "\nBefore it was edited, %zu bytes:\n", l->original.n);
        payload_text(l->original, out);
    }
}

/* As `edit` takes it: a writer's record as JSON, all else as it is. */
static void payload_only(const struct deadletter *l, const struct planner *p,
                         struct buf *out)
{
    enum record_kind kind;
    bool avro = str_is(l->stage, "writer") && plan_kind(l->topic, &kind) &&
                payload_record(p->codec, p->arena, l->payload, out);
    if (avro)
        buf_add_char(out, '\n');
    else
        buf_add_str(out, l->payload);
}

static int show(const struct call *c)
{
    struct err err = {0};
    struct deadletter l;
    struct plan plan;
    int64_t id;
    if (!deadletter_id_parse(c->positional[0], &id, &err))
        return usage_error(c, &err);
    AUTO(planner) planner = planner_new(c->world, &err);
    struct pg *pg = planner ? world_pg(c->world, &err) : NULL;
    AUTO(pg_result) r = pg ? deadletter_find(pg, id, false, &l, &err) : NULL;
    if (!r)
        return failure(&err);
    AUTO_RELEASE(buf) out = {0};
    bool sends = plan_make(planner, &l, &plan);
    (void)sends; /* the plan says so itself */
    if (call_flag(c, "--payload"))
        payload_only(&l, planner, &out);
    else if (call_flag(c, "--json"))
        deadletter_json(&l, planner, &plan, &out);
    else
        letter_text(&l, planner, &plan, &out);
    print(&out);
    return 0;
}

static const struct option list_options[] = {
    DEADLETTER_FILTER_OPTIONS,
    {"-n", "COUNT", "lines at most (50, up to 1000)", false},
    {"--before", "ID", "older than this one: the next page", false},
    {"--json", NULL, "one JSON object per line", false},
};
const struct command deadletter_list_command = {
    .name = "deadletter list",
    .positional = "[ID…]",
    .more = true,
    .summary = "List dead letters, newest first",
    .details = "What the edge or the writer refused, with its bytes and the "
               "reason (docs/deadletters.md).\n",
    .examples = "  pulse deadletter list --status new\n"
                "  pulse deadletter list --tenant demo --reason series_limit "
                "--since 1d\n",
    .options = list_options,
    .option_count = ARRAY_LEN(list_options),
    .run = list,
};

static const struct option show_options[] = {
    {"--payload", NULL, "only the payload, as edit takes it", false},
    {"--json", NULL, "one JSON object", false},
};
const struct command deadletter_show_command = {
    .name = "deadletter show",
    .positional = "ID",
    .positional_count = 1,
    .summary = "Show a dead letter and what a redrive would do",
    .examples = "  pulse deadletter show 1234\n"
                "  pulse deadletter show 1234 --payload >letter.json\n",
    .options = show_options,
    .option_count = ARRAY_LEN(show_options),
    .run = show,
};
