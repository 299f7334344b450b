/* SPDX-License-Identifier: Apache-2.0 */
/* offsets gaps, offsets accept: what consumers never saw, and who took note. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "common/json.h"
#include "common/timestamp.h"
#include "tools/pulse/commands.h"
#include "tools/pulse/table.h"
#include "tools/pulse/world.h"

/* ---- listing ---- */

static const char sql_gaps[] =
    "select id, consumer, topic, part, kind, from_off, to_off, messages,"
    " found_at, accepted_at, coalesce(accepted_by, ''), note, topic_id"
    " from store.offset_gaps where $1 or accepted_at is null order by id";

static struct pg_result *gaps_read(const struct call *c, struct err *err)
{
    struct pg *pg = world_pg(c->world, err);
    struct pg_params p = {0};
    pg_bool(&p, call_flag(c, "--all"));
    return pg ? pg_run(pg, sql_gaps, &p, err) : NULL;
}

static void number_cell(struct table *t, const struct pg_result *r, int row,
                        int column)
{
    if (pg_is_null(r, row, column))
        table_cellf(t, "?");
    else
        table_cellf(t, "%" PRId64, pg_get_i64(r, row, column));
}

static void time_cell(struct table *t, const struct pg_result *r, int row,
                      int column)
{
    char text[TIMESTAMP_MAX];
    if (pg_is_null(r, row, column))
        table_cellf(t, "no");
    else /* to the second: 2026-01-31T12:00:00 */
        table_cellf(t, "%.19sZ",
                    timestamp_format(pg_get_time(r, row, column), text));
}

static void gaps_text(const struct pg_result *r, struct buf *out)
{
    AUTO_RELEASE(table) t;
    table_init(&t, "ID>|CONSUMER|TOPIC|PART>|KIND|FROM>|TO>|MESSAGES>|FOUND|"
                   "ACCEPTED|BY|NOTE");
    for (int i = 0; i < pg_rows(r); i++) {
        number_cell(&t, r, i, 0);
        table_cell(&t, pg_get_str(r, i, 1));
        table_cell(&t, pg_get_str(r, i, 2));
        number_cell(&t, r, i, 3);
        table_cell(&t, pg_get_str(r, i, 4));
        number_cell(&t, r, i, 5);
        number_cell(&t, r, i, 6);
        number_cell(&t, r, i, 7);
        time_cell(&t, r, i, 8);
        time_cell(&t, r, i, 9);
        table_cell(&t, pg_get_str(r, i, 10));
        table_cell(&t, pg_get_str(r, i, 11));
    }
    table_write(&t, "", out);
}

static void member_text(struct buf *out, const char *key, struct str text)
{
    buf_addf(out, ",\"%s\":", key);
    json_add_str(out, text);
}

static void time_json(struct buf *out, const char *key,
                      const struct pg_result *r, int row, int column)
{
    char text[TIMESTAMP_MAX];
    if (pg_is_null(r, row, column))
        buf_addf(out, ",\"%s\":null", key);
    else
        member_text(
            out, key,
            str_of(timestamp_format(pg_get_time(r, row, column), text)));
}

static void gaps_json(const struct pg_result *r, struct buf *out)
{
    buf_add_char(out, '[');
    for (int i = 0; i < pg_rows(r); i++) {
        buf_addf(out,
                 "%s{\"id\":%" PRId64 ",\"part\":%" PRId64 ",\"from\":%" PRId64
                 ",\"to\":%" PRId64,
                 i ? "," : "", pg_get_i64(r, i, 0), pg_get_i64(r, i, 3),
                 pg_get_i64(r, i, 5), pg_get_i64(r, i, 6));
        if (pg_is_null(r, i, 7))
            buf_add_text(out, ",\"messages\":null");
        else
            buf_addf(out, ",\"messages\":%" PRId64, pg_get_i64(r, i, 7));
        member_text(out, "consumer", pg_get_str(r, i, 1));
        member_text(out, "topic", pg_get_str(r, i, 2));
        member_text(out, "topic_id", pg_get_str(r, i, 12));
        member_text(out, "kind", pg_get_str(r, i, 4));
        time_json(out, "found_at", r, i, 8);
        time_json(out, "accepted_at", r, i, 9);
        member_text(out, "accepted_by", pg_get_str(r, i, 10));
        member_text(out, "note", pg_get_str(r, i, 11));
        buf_add_char(out, '}');
    }
    buf_add_text(out, "]\n");
}

static int offsets_gaps(const struct call *c)
{
    struct err err = {0};
    AUTO(pg_result) r = gaps_read(c, &err);
    if (!r)
        return failure(&err);
    AUTO_RELEASE(buf) out = {0};
    if (call_flag(c, "--json"))
        gaps_json(r, &out);
    else
        gaps_text(r, &out);
    print(&out);
    return 0;
}

/* ---- accepting ---- */

static bool ids_parse(const struct call *c, int64_t *ids, struct err *err)
{
    for (int i = 0; i <= c->more_count; i++) {
        const char *text = i == 0 ? c->positional[0] : c->more[i - 1];
        if (!str_to_i64(str_of(text), &ids[i])) {
            err_set(err, ERR_INPUT, "\"%s\" is no number of a gap", text);
            return false;
        }
    }
    return true;
}

static const char sql_unfit[] =
    "select min(i.id) from unnest($1::int8[]) i (id) where not exists"
    " (select from store.offset_gaps g where g.id = i.id"
    " and g.accepted_at is null)";
static const char sql_accept[] =
    "update store.offset_gaps set accepted_at = now(),"
    " accepted_by = coalesce($2, session_user), note = coalesce($3, note)"
    " where id = any($1) and accepted_at is null";

/* All or none. */
static bool accept_all(const struct call *c, struct pg *pg, const int64_t *ids,
                       size_t count, int64_t *accepted, struct err *err)
{
    const char *by = call_value(c, "--by");
    struct pg_params p = {0};
    pg_i64_array(&p, ids, count);
    if (!pg_begin(pg, err))
        return false;
    AUTO(pg_result) r = pg_run(pg, sql_unfit, &p, err);
    if (!r)
        return false;
    if (!pg_is_null(r, 0, 0)) {
        err_set(err, ERR_INPUT,
                "there is no gap %" PRId64 " that waits to be accepted",
                pg_get_i64(r, 0, 0));
        return false;
    }
    pg_i64_array(&p, ids, count);
    pg_text_opt(&p, str_of(by ? by : getenv("USER")));
    pg_text_opt(&p, str_of(call_value(c, "--note")));
    return pg_do(pg, sql_accept, &p, accepted, err) && pg_commit(pg, err);
}

static int offsets_accept(const struct call *c)
{
    struct err err = {0};
    size_t count = (size_t)c->more_count + 1;
    int64_t *ids = xcalloc(count, sizeof *ids), accepted = 0;
    bool ok = ids_parse(c, ids, &err);
    if (!ok) {
        free(ids);
        return usage_error(c, &err);
    }
    struct pg *pg = world_pg(c->world, &err);
    ok = pg && accept_all(c, pg, ids, count, &accepted, &err);
    free(ids);
    if (!ok)
        return failure(&err);
    printf("%" PRId64 " accepted; a partition that waited for it is read "
           "within a few seconds.\n",
           accepted);
    return 0;
}

/* ---- the commands ---- */

static const struct option gaps_options[] = {
    {"--all", NULL, "those accepted too", false},
    {"--json", NULL, "one JSON array", false},
};
const struct command offsets_gaps_command = {
    .name = "offsets gaps",
    .summary = "List what a consumer never saw and nobody has accepted",
    .details =
        "KIND: expired (offsets FROM to TO left the log before they were "
        "read), truncated (the\nbrokers lost the log's tail: it ends at FROM, "
        "the position was TO), recreated (another topic\nof the same name: "
        "position FROM in the old one, TO in the new).\n",
    .examples = "  pulse offsets gaps\n"
                "  pulse offsets gaps --all --json\n",
    .options = gaps_options,
    .option_count = ARRAY_LEN(gaps_options),
    .run = offsets_gaps,
};

static const struct option accept_options[] = {
    {"--note", "TEXT", "why, for people", false},
    {"--by", "NAME", "who accepts ($USER)", false},
};
const struct command offsets_accept_command = {
    .name = "offsets accept",
    .positional = "ID…",
    .positional_count = 1,
    .more = true,
    .summary = "Accept gaps: what is missing is known",
    .details =
        "All of them or none. With PULSE_WRITER_ON_GAP=hold the writer goes on "
        "behind a gap once it\nis accepted; with count it went on already.\n",
    .examples = "  pulse offsets accept 7\n"
                "  pulse offsets accept 7 8 9 --note 'broker 3 lost its "
                "disk'\n",
    .options = accept_options,
    .option_count = ARRAY_LEN(accept_options),
    .run = offsets_accept,
};
