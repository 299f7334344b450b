/* SPDX-License-Identifier: Apache-2.0 */
#include "services/collector/brokers.h"

#include <stdlib.h>
#include <string.h>

#include "common/clock.h"
#include "common/kafka_admin.h"
#include "common/pulse/topology.h"
#include "services/collector/lag.h"

struct partition {
    struct kafka_log_range range;
    struct lag_history history;
};

struct brokers {
    struct kafka_admin *admin;
    struct topic_log {
        struct partition *parts;
        int count;
        char id[KAFKA_TOPIC_ID_MAX];
    } topics[TOPIC_COUNT];
};

struct brokers *brokers_new(const char *addresses, int64_t timeout_ms,
                            struct err *err)
{
    AUTO(brokers) b = xcalloc(1, sizeof *b);
    b->admin = kafka_admin_new(addresses, "pulse-collector", timeout_ms, err);
    return b->admin ? MOVE(b) : NULL;
}

void brokers_free(struct brokers *b)
{
    if (!b)
        return;
    for (size_t i = 0; i < TOPIC_COUNT; i++)
        free(b->topics[i].parts);
    kafka_admin_free(b->admin);
    free(b);
}

/* Topics grow and are made again. */
static bool topic_learn(struct brokers *b, size_t topic, struct err *err)
{
    struct topic_log *t = &b->topics[topic];
    struct kafka_topic_info info;
    if (!kafka_topic_describe(b->admin, topic_names[topic], &info, err))
        return false;
    bool same = str_is(str_of(t->id), info.id);
    if (same && t->count == info.partitions)
        return true;
    int kept = same ? t->count : 0;
    t->parts =
        xreallocarray(t->parts, (size_t)info.partitions, sizeof *t->parts);
    for (int i = kept; i < info.partitions; i++) {
        t->parts[i] = (struct partition){0};
        t->parts[i].range =
            (struct kafka_log_range){.topic = topic_names[topic], .part = i};
    }
    t->count = info.partitions;
    memcpy(t->id, info.id, sizeof t->id);
    return true;
}

static bool ends_read(struct brokers *b, struct samples *out, struct err *err)
{
    for (size_t topic = 0; topic < TOPIC_COUNT; topic++) {
        struct topic_log *t = &b->topics[topic];
        if (!topic_learn(b, topic, err))
            return false;
        size_t n = (size_t)t->count;
        struct kafka_log_range *ranges = xcalloc(n, sizeof *ranges);
        for (size_t i = 0; i < n; i++)
            ranges[i] = t->parts[i].range;
        bool good = kafka_log_ranges(b->admin, ranges, n, err);
        int64_t now_us = clock_mono_us();
        double sum = 0;
        for (size_t i = 0; good && i < n; i++) {
            t->parts[i].range = ranges[i];
            lag_note(&t->parts[i].history, now_us, ranges[i].end);
            sum += (double)ranges[i].end;
        }
        free(ranges);
        if (!good)
            return false;
        samples_addf(out, "kafka", "kafka_log_end_offset", sum, "topic",
                     topic_names[topic], NULL);
    }
    return true;
}

struct lag {
    double messages, seconds;
};

static struct lag lag_of(const struct partition *p, int64_t now_us,
                         int64_t next)
{
    int64_t behind = p->range.end - next;
    return (struct lag){behind > 0 ? (double)behind : 0,
                        lag_seconds(&p->history, now_us, next)};
}

static void lag_add(struct samples *out, const char *consumer, size_t topic,
                    struct lag lag)
{
    samples_addf(out, "kafka", "consumer_lag_messages", lag.messages,
                 "consumer", consumer, "topic", topic_names[topic], NULL);
    samples_addf(out, "kafka", "consumer_lag_seconds", lag.seconds, "consumer",
                 consumer, "topic", topic_names[topic], NULL);
}

/* Rows of one consumer; a partition without a row counts from the log's
 * start. */
static void consumer_measure(const struct brokers *b,
                             const struct pg_result *rows, const char *consumer,
                             size_t topics, struct samples *out)
{
    int64_t now_us = clock_mono_us();
    for (size_t topic = 0; topic < topics; topic++) {
        struct lag worst = {0};
        for (int part = 0; part < b->topics[topic].count; part++) {
            const struct partition *p = &b->topics[topic].parts[part];
            int64_t next = p->range.first;
            for (int i = 0; i < pg_rows(rows); i++)
                if (str_is(pg_get_str(rows, i, 0), consumer) &&
                    str_is(pg_get_str(rows, i, 1), topic_names[topic]) &&
                    pg_get_i64(rows, i, 2) == part)
                    next = pg_get_i64(rows, i, 3);
            struct lag lag = lag_of(p, now_us, next);
            worst.messages += lag.messages;
            if (lag.seconds > worst.seconds)
                worst.seconds = lag.seconds;
        }
        lag_add(out, consumer, topic, worst);
    }
}

bool brokers_measure(struct brokers *b, struct pg *pg, struct samples *out,
                     struct err *err)
{
    bool good = ends_read(b, out, err);
    samples_addf(out, "kafka", "up", good, NULL);
    if (!good)
        return false;
    /* Offsets after the ends: a lag is never made up. */
    AUTO(pg_result) rows = pg_run(pg,
                                  "select consumer, topic, part, next_off"
                                  " from store.consumer_offset",
                                  NULL, err);
    if (!rows)
        return false;
    consumer_measure(b, rows, GROUP_WRITER, TOPIC_COUNT, out);
    consumer_measure(b, rows, GROUP_EVALUATOR, AT_DEADLETTER, out);
    return true;
}
