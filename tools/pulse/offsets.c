/* SPDX-License-Identifier: Apache-2.0 */
/* offsets: where each consumer is in Kafka's logs. */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "common/json.h"
#include "common/pulse/topology.h"
#include "tools/pulse/commands.h"
#include "tools/pulse/table.h"
#include "tools/pulse/world.h"

/* ---- positions ---- */

struct position { /* texts live in the result they came from */
    struct str consumer, topic, topic_id, owner;
    int32_t part;
    int64_t first, next;
    bool known; /* the log is: */
    bool same_topic;
    int64_t begin, end;
};

/* One topic of Kafka, asked once. */
struct log {
    struct kafka_topic_info info;
    struct kafka_log_range *ranges;
};

static bool log_ask(struct log *log, const char *topic,
                    struct kafka_admin *admin, struct err *err)
{
    if (!kafka_topic_describe(admin, topic, &log->info, err))
        return false;
    size_t count = (size_t)log->info.partitions;
    log->ranges = xcalloc(count, sizeof *log->ranges);
    for (size_t i = 0; i < count; i++)
        log->ranges[i] =
            (struct kafka_log_range){.topic = topic, .part = (int32_t)i};
    return kafka_log_ranges(admin, log->ranges, count, err);
}

static void position_look(struct position *p, const struct log *log)
{
    if (p->part >= log->info.partitions)
        return; /* a topic with fewer */
    p->known = true;
    p->same_topic = str_is(p->topic_id, log->info.id);
    p->begin = log->ranges[p->part].first;
    p->end = log->ranges[p->part].end;
}

/* Messages that are there to be read, or -1. */
static int64_t lag_of(const struct position *p)
{
    if (!p->known)
        return -1;
    int64_t from = !p->same_topic || p->next < p->begin ? p->begin : p->next;
    return p->end > from ? p->end - from : 0;
}

static const char *state_of(const struct position *p)
{
    return !p->known            ? "not in Kafka"
           : !p->same_topic     ? "another topic"
           : p->next < p->begin ? "before the log"
           : p->next > p->end   ? "behind the log"
           : p->next == p->end  ? "caught up"
                                : "reading";
}

struct positions {
    struct position *at;
    size_t count;
};

/* Is this the first position of its topic? They are sorted by it. */
static bool is_first(const struct positions *all, size_t i)
{
    return i == 0 || !str_eq(all->at[i].topic, all->at[i - 1].topic);
}

/* Is it Pulse's own? Others may have gone. */
static bool is_ours(const char *topic)
{
    size_t i = 0;
    while (i < TOPIC_COUNT && strcmp(topic, topic_names[i]) != 0)
        i++;
    return i < TOPIC_COUNT;
}

/* Ends are asked after the positions, so lags are never negative. */
static bool positions_look(struct positions *all, struct kafka_admin *admin,
                           struct err *err)
{
    bool good = true;
    for (size_t i = 0; i < all->count && good; i++) {
        if (!is_first(all, i))
            continue;
        struct log log = {0};
        char *topic = xstrndup(all->at[i].topic.p, all->at[i].topic.n);
        bool ok = log_ask(&log, topic, admin, err);
        good = ok || !is_ours(topic);
        for (size_t k = i; ok && k < all->count; k++)
            if (str_eq(all->at[k].topic, all->at[i].topic))
                position_look(&all->at[k], &log);
        free(log.ranges);
        free(topic);
    }
    return good || kafka_failed(err);
}

static void positions_fill(struct positions *all, const struct pg_result *r)
{
    all->count = (size_t)pg_rows(r);
    all->at = xcalloc(all->count + 1, sizeof *all->at);
    for (int i = 0; i < pg_rows(r); i++)
        all->at[i] = (struct position){.consumer = pg_get_str(r, i, 0),
                                       .topic = pg_get_str(r, i, 1),
                                       .part = (int32_t)pg_get_i64(r, i, 2),
                                       .first = pg_get_i64(r, i, 3),
                                       .next = pg_get_i64(r, i, 4),
                                       .owner = pg_get_str(r, i, 5),
                                       .topic_id = pg_get_str(r, i, 6)};
}

static void positions_text(const struct positions *all, struct buf *out)
{
    AUTO_RELEASE(table) t;
    table_init(&t, "CONSUMER|TOPIC|PART>|FIRST>|NEXT>|LOG BEGIN>|LOG END>|LAG>|"
                   "STATE|OWNER|TOPIC ID");
    for (size_t i = 0; i < all->count; i++) {
        const struct position *p = &all->at[i];
        const int64_t numbers[] = {p->first, p->next, p->begin, p->end,
                                   lag_of(p)};
        table_cell(&t, p->consumer);
        table_cell(&t, p->topic);
        table_cellf(&t, "%d", p->part);
        for (size_t n = 0; n < ARRAY_LEN(numbers); n++)
            if (n < 2 || p->known)
                table_cellf(&t, "%" PRId64, numbers[n]);
            else
                table_cellf(&t, "?");
        table_cellf(&t, "%s", state_of(p));
        table_cell(&t, p->owner);
        table_cell(&t, p->topic_id);
    }
    table_write(&t, "", out);
}

static void member_text(struct buf *out, const char *key, struct str text)
{
    buf_addf(out, ",\"%s\":", key);
    json_add_str(out, text);
}

static void positions_json(const struct positions *all, struct buf *out)
{
    buf_add_char(out, '[');
    for (size_t i = 0; i < all->count; i++) {
        const struct position *p = &all->at[i];
        buf_addf(out, "%s{\"part\":%d,\"first\":%" PRId64 ",\"next\":%" PRId64,
                 i ? "," : "", p->part, p->first, p->next);
        if (p->known)
            buf_addf(out,
                     ",\"log_begin\":%" PRId64 ",\"log_end\":%" PRId64
                     ",\"lag\":%" PRId64,
                     p->begin, p->end, lag_of(p));
        member_text(out, "consumer", p->consumer);
        member_text(out, "topic", p->topic);
        member_text(out, "state", str_of(state_of(p)));
        member_text(out, "owner", p->owner);
        member_text(out, "topic_id", p->topic_id);
        buf_add_char(out, '}');
    }
    buf_add_text(out, "]\n");
}

static int offsets_list(const struct call *c)
{
    struct err err = {0};
    struct pg *pg = world_pg(c->world, &err);
    AUTO(pg_result) r =
        pg ? pg_run(pg,
                    "select consumer, topic, part, first_off, next_off, owner,"
                    " topic_id from store.consumer_offset"
                    " order by topic, consumer desc, part",
                    NULL, &err)
           : NULL;
    struct kafka_admin *admin = r ? world_admin(c->world, &err) : NULL;
    if (!admin)
        return failure(&err);
    AUTO_RELEASE(buf) out = {0};
    struct positions all;
    positions_fill(&all, r);
    bool ok = positions_look(&all, admin, &err);
    if (ok && call_flag(c, "--json"))
        positions_json(&all, &out);
    else if (ok)
        positions_text(&all, &out);
    free(all.at);
    print(&out);
    return ok ? 0 : failure(&err);
}

/* ---- the commands ---- */

static const struct option list_options[] = {
    {"--json", NULL, "one JSON array", false},
};
#define LIST_DETAILS                                                          \
    "FIRST is where the consumer ever started, NEXT what it reads next; LOG " \
    "BEGIN and LOG END are\nKafka's. LAG counts messages that are there to "  \
    "be read. STATE says when a position does not\nfit the log: before the "  \
    "log (expired), behind the log (truncated), another topic (re-created).\n"
const struct command offsets_command = {
    .name = "offsets",
    .summary = "Show where each consumer is in Kafka's logs",
    .details = LIST_DETAILS,
    .examples = "  pulse offsets\n"
                "  pulse offsets --json | jq '.[] | select(.lag > 0)'\n",
    .options = list_options,
    .option_count = ARRAY_LEN(list_options),
    .run = offsets_list,
};
const struct command offsets_list_command = {
    .name = "offsets list",
    .summary = "The same",
    .details = LIST_DETAILS,
    .examples = "  pulse offsets list\n",
    .options = list_options,
    .option_count = ARRAY_LEN(list_options),
    .run = offsets_list,
};
