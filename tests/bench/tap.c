/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/bench/tap.h"

#include <stdlib.h>
#include <string.h>

#include "tests/bench/client.h"

enum { PARTITIONS_MAX = 64, TIMEOUT_MS = 30000 };

struct tap {
    rd_kafka_t *rk;
    rd_kafka_queue_t *queue;
    int64_t end[PARTITIONS_MAX]; /* 0: nothing (more) to read of it */
    int open;                    /* partitions not at their end */
};

static rd_kafka_t *consumer_new(const char *brokers)
{
    static const char *const settings[][2] = {
        {"group.id", "bench"},
        {"enable.auto.commit", "false"},
        {"auto.offset.reset", "error"},
        {"fetch.wait.max.ms", "50"},
        {"fetch.queue.backoff.ms", "50"},
        {"fetch.max.bytes", "8388608"},
        {"fetch.message.max.bytes", "1048576"},
        {"queued.min.messages", "20000"},
        {"queued.max.messages.kbytes", "16384"}};
    return client_new(RD_KAFKA_CONSUMER,
                      client_conf(brokers, settings, ARRAY_LEN(settings)));
}

static void open_partition(struct tap *t, const char *name, int32_t part,
                           int64_t from, rd_kafka_topic_partition_list_t *list)
{
    int64_t low, high;
    check(part >= 0 && part < PARTITIONS_MAX, "too many partitions");
    check(rd_kafka_query_watermark_offsets(t->rk, name, part, &low, &high,
                                           TIMEOUT_MS) == 0,
          "no watermarks");
    if (high <= from)
        return;
    t->end[part] = high;
    t->open++;
    rd_kafka_topic_partition_list_add(list, name, part)->offset = from;
}

struct tap *tap_open(const char *brokers, const char *name, const char *from)
{
    struct tap *t = xcalloc(1, sizeof *t);
    rd_kafka_topic_partition_list_t *list =
        rd_kafka_topic_partition_list_new(8);
    struct str rest = str_of(from), field, part, offset;
    int64_t p, at;
    t->rk = consumer_new(brokers);
    while (str_next(&rest, ',', &field)) {
        check(str_cut(field, ':', &part, &offset) && str_to_i64(part, &p) &&
                  str_to_i64(offset, &at),
              "FROM is PART:OFFSET,…");
        open_partition(t, name, (int32_t)p, at, list);
    }
    rd_kafka_poll_set_consumer(t->rk);
    check(rd_kafka_assign(t->rk, list) == 0, "cannot assign");
    rd_kafka_topic_partition_list_destroy(list);
    t->queue = rd_kafka_queue_get_consumer(t->rk);
    return t;
}

void tap_close(struct tap *t)
{
    rd_kafka_queue_destroy(t->queue);
    rd_kafka_consumer_close(t->rk);
    rd_kafka_destroy(t->rk);
    free(t);
}

rd_kafka_message_t *tap_next(struct tap *t)
{
    while (t->open > 0) {
        rd_kafka_message_t *m = rd_kafka_consume_queue(t->queue, TIMEOUT_MS);
        check(m != NULL, "the topic ends early");
        check(m->err == 0, rd_kafka_message_errstr(m));
        if (m->offset < t->end[m->partition]) {
            t->open -= m->offset + 1 == t->end[m->partition];
            return m;
        }
        rd_kafka_message_destroy(m);
    }
    return NULL;
}
