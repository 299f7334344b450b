/* SPDX-License-Identifier: Apache-2.0 */
/* deadletter list, show: which letters there are, and all of one. */
#include <inttypes.h>
#include <stdio.h>

#include "tools/pulse/commands.h"
#include "tools/pulse/deadletter_planner.h"
#include "tools/pulse/deadletter_text.h"
#include "tools/pulse/table.h"

enum { LIST_DEFAULT = 50, LIST_MAX = 1000, DETAIL_MAX = 100 };

static struct pg_result *page_read(struct pg *pg,
                                   const struct deadletter_filter *f,
                                   int64_t before, int64_t count,
                                   struct err *err)
{
    struct pg_params p = {0};
    deadletter_filter_bind(f, &p);
    pg_i64(&p, before);
    pg_i64(&p, count);
    return pg_run(pg,
                  "SELECT " DEADLETTER_COLUMNS DEADLETTER_FROM
                  " WHERE " DEADLETTER_WHERE
                  " AND d.id < $9 ORDER BY d.id DESC LIMIT $10",
                  &p, err);
}

static void line_add(struct table *t, const struct deadletter *l)
{
    AUTO_RELEASE(buf) failed = {0};
    struct str detail = l->detail;
    if (detail.n > DETAIL_MAX)
        for (detail.n = DETAIL_MAX;
             detail.n > 0 && (detail.p[detail.n] & 0xc0) == 0x80; detail.n--)
            ; /* not inside a UTF-8 sequence */
    time_text(l->failed_us, &failed);
    failed.n = failed.n > 19 ? 19 : failed.n; /* seconds are enough */
    table_cellf(t, "%" PRId64, l->id);
    table_cell(t, buf_str(&failed));
    table_cell(t, l->tenant.p ? l->tenant : STR("-"));
    table_cell(t, l->stage);
    table_cell(t, l->reason);
    table_cell(t, l->device_id.p ? l->device_id : STR("-"));
    table_cell(t, l->status);
    table_cellf(t, "%zu", l->payload.n);
    table_cell(t, detail);
}

static void rows_text(const struct pg_result *r, struct buf *out)
{
    AUTO_RELEASE(table) t;
    struct deadletter l;
    table_init(&t, "ID>|REFUSED (UTC)|TENANT|STAGE|REASON|DEVICE|STATUS|BYTES>|"
                   "DETAIL");
    for (int i = 0; i < pg_rows(r); i++) {
        deadletter_get(r, i, &l);
        line_add(&t, &l);
    }
    table_write(&t, "", out);
}

static void rows_json(const struct pg_result *r, struct buf *out)
{
    struct deadletter l;
    for (int i = 0; i < pg_rows(r); i++) {
        deadletter_get(r, i, &l);
        deadletter_json(&l, NULL, NULL, out);
    }
}

static int list(const struct call *c)
{
    struct err err = {0};
    AUTO_RELEASE(deadletter_filter) filter = {0};
    int64_t count = LIST_DEFAULT, before = INT64_MAX;
    if (!deadletter_filter_parse(&filter, c, &err) ||
        !call_int(c, "-n", 1, LIST_MAX, &count, &err) ||
        !call_int(c, "--before", 1, INT64_MAX, &before, &err))
        return usage_error(c, &err);
    struct pg *pg = world_pg(c->world, &err);
    AUTO(pg_result) r = pg ? page_read(pg, &filter, before, count, &err) : NULL;
    if (!r)
        return failure(&err);
    AUTO_RELEASE(buf) out = {0};
    if (call_flag(c, "--json"))
        rows_json(r, &out);
    else
        rows_text(r, &out);
    print(&out);
    if (pg_rows(r) == count)
        fprintf(stderr, "There may be older ones: --before %" PRId64 "\n",
                pg_get_i64(r, pg_rows(r) - 1, 0));
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
    bool avro = str_is(l->stage, "writer") &&
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
