/* SPDX-License-Identifier: Apache-2.0 */
#include "tools/pulse/ledger.h"

#include <stdlib.h>
#include <string.h>

#include "common/pulse/topology.h"

bool ledger_line_equal(const struct ledger_line *l)
{
    return l->next - l->first == l->stored + l->duplicate + l->dead + l->gap;
}

void ledger_release(struct ledger *l)
{
    free(l->lines);
    *l = (struct ledger){0};
}

static struct ledger_line *line_get(struct ledger *l, size_t topic,
                                    int32_t part)
{
    for (size_t i = 0; i < l->count; i++)
        if (l->lines[i].topic == topic && l->lines[i].part == part)
            return &l->lines[i];
    l->lines = xreallocarray(l->lines, l->count + 1, sizeof *l->lines);
    l->lines[l->count] = (struct ledger_line){
        .topic = topic, .part = part, .end = -1, .lag = -1};
    return &l->lines[l->count++];
}

static int lines_order(const void *a, const void *b)
{
    const struct ledger_line *x = a, *y = b;
    if (x->topic != y->topic)
        return x->topic < y->topic ? -1 : 1;
    return (x->part > y->part) - (x->part < y->part);
}

static void lines_sort(struct ledger *l)
{
    if (l->count)
        qsort(l->lines, l->count, sizeof *l->lines, lines_order);
}

/* TOPIC_COUNT for a topic that is not ours. */
static size_t topic_find(struct str name)
{
    size_t i = 0;
    while (i < TOPIC_COUNT && !str_is(name, topic_names[i]))
        i++;
    return i;
}

bool ledger_read(struct ledger *l, struct world *w, struct err *err)
{
    struct pg *pg = world_pg(w, err);
    if (!pg)
        return false;
    AUTO(pg_result) r =
        pg_run(pg,
               "select topic, part, first_off, next_off, stored, duplicate,"
               " dead, gap from store.ledger",
               NULL, err);
    if (!r)
        return false;
    for (int i = 0; i < pg_rows(r); i++) {
        size_t topic = topic_find(pg_get_str(r, i, 0));
        if (topic == TOPIC_COUNT)
            continue;
        struct ledger_line *line =
            line_get(l, topic, (int32_t)pg_get_i64(r, i, 1));
        line->claimed = true;
        line->first = pg_get_i64(r, i, 2);
        line->next = pg_get_i64(r, i, 3);
        line->stored = pg_get_i64(r, i, 4);
        line->duplicate = pg_get_i64(r, i, 5);
        line->dead = pg_get_i64(r, i, 6);
        line->gap = pg_get_i64(r, i, 7);
    }
    lines_sort(l);
    return true;
}

static bool topic_ends(struct ledger *l, size_t topic,
                       struct kafka_admin *admin, struct err *err)
{
    struct kafka_topic_info info;
    if (!kafka_topic_describe(admin, topic_names[topic], &info, err))
        return false;
    struct kafka_log_range *ranges =
        xcalloc((size_t)info.partitions, sizeof *ranges);
    for (int i = 0; i < info.partitions; i++)
        ranges[i] =
            (struct kafka_log_range){.topic = topic_names[topic], .part = i};
    bool good = kafka_log_ranges(admin, ranges, (size_t)info.partitions, err);
    for (int i = 0; good && i < info.partitions; i++) {
        struct ledger_line *line = line_get(l, topic, i);
        if (!line->claimed)
            line->first = line->next = ranges[i].first;
        line->end = ranges[i].end;
        /* Asked later than the offsets were read, so never behind them. */
        line->lag = line->end > line->next ? line->end - line->next : 0;
    }
    free(ranges);
    return good;
}

bool ledger_read_ends(struct ledger *l, struct world *w, struct err *err)
{
    struct kafka_admin *admin = world_admin(w, err);
    if (!admin)
        return false;
    for (size_t topic = 0; topic < TOPIC_COUNT; topic++)
        if (!topic_ends(l, topic, admin, err))
            return kafka_failed(err);
    lines_sort(l);
    return true;
}
