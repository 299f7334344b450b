/* SPDX-License-Identifier: Apache-2.0 */
#include "tools/pulse/ledger.h"

#include <stdio.h>
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

/* TOPIC_COUNT for one that is archived. */
static size_t topic_find(struct str name)
{
    size_t i = 0;
    while (i < TOPIC_COUNT && !str_is(name, topic_names[i]))
        i++;
    return i;
}

static struct ledger_line *line_get(struct ledger *l, struct str name,
                                    int32_t part)
{
    for (size_t i = 0; i < l->count; i++)
        if (str_is(name, l->lines[i].name) && l->lines[i].part == part)
            return &l->lines[i];
    l->lines = xreallocarray(l->lines, l->count + 1, sizeof *l->lines);
    struct ledger_line *line = &l->lines[l->count++];
    *line = (struct ledger_line){
        .topic = topic_find(name), .part = part, .end = -1};
    snprintf(line->name, sizeof line->name, "%.*s", STR_ARG(name));
    return line;
}

static int lines_order(const void *a, const void *b)
{
    const struct ledger_line *x = a, *y = b;
    if (x->topic != y->topic)
        return x->topic < y->topic ? -1 : 1;
    int c = strcmp(x->name, y->name);
    return c != 0 ? c : (x->part > y->part) - (x->part < y->part);
}

static void lines_sort(struct ledger *l)
{
    if (l->count)
        qsort(l->lines, l->count, sizeof *l->lines, lines_order);
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
        struct ledger_line *line =
            line_get(l, pg_get_str(r, i, 0), (int32_t)pg_get_i64(r, i, 1));
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

static bool topic_ends(struct ledger *l, const char *topic,
                       struct kafka_admin *admin, struct err *err)
{
    struct kafka_topic_info info;
    if (!kafka_topic_describe(admin, topic, &info, err))
        return false;
    struct kafka_log_range *ranges =
        xcalloc((size_t)info.partitions, sizeof *ranges);
    for (int i = 0; i < info.partitions; i++)
        ranges[i] = (struct kafka_log_range){.topic = topic, .part = i};
    bool good = kafka_log_ranges(admin, ranges, (size_t)info.partitions, err);
    for (int i = 0; good && i < info.partitions; i++) {
        struct ledger_line *line = line_get(l, str_of(topic), i);
        if (!line->claimed)
            line->first = line->next = ranges[i].first;
        line->end = ranges[i].end;
        /* Asked later than the offsets were read, so never behind them. */
        line->lag = line->end > line->next ? line->end - line->next : 0;
    }
    free(ranges);
    return good;
}

/* One that was read once and is gone now only has no end. Lines are sorted, and
 * those of partitions nobody claimed come behind. */
static void archives_ends(struct ledger *l, struct kafka_admin *admin)
{
    struct err err;
    char last[sizeof l->lines->name] = "";
    size_t count = l->count;
    for (size_t i = 0; i < count; i++) {
        if (l->lines[i].topic < TOPIC_COUNT ||
            strcmp(l->lines[i].name, last) == 0)
            continue;
        memcpy(last, l->lines[i].name, sizeof last);
        (void)topic_ends(l, last, admin, &err);
    }
}

bool ledger_read_ends(struct ledger *l, struct world *w, struct err *err)
{
    struct kafka_admin *admin = world_admin(w, err);
    if (!admin)
        return false;
    for (size_t topic = 0; topic < TOPIC_COUNT; topic++)
        if (!topic_ends(l, topic_names[topic], admin, err))
            return kafka_failed(err);
    archives_ends(l, admin);
    lines_sort(l);
    return true;
}
