/* SPDX-License-Identifier: Apache-2.0 */
/* kafka_load.h - numbered records on their way to a mock cluster: what was
 * reported of each, and whether the brokers hold what was acknowledged. */
#ifndef TESTS_UNIT_KAFKA_LOAD_H
#define TESTS_UNIT_KAFKA_LOAD_H

#include <stdatomic.h>

#include "common/kafka_producer.h"
#include "tests/unit/mock_kafka.h"

enum { LOAD_MAX = 200000, LOAD_PARTITIONS = 4 };

struct load {
    struct mock mock;
    struct kafka_producer *producer;
    int64_t sent_us[LOAD_MAX];              /* 0: not sent, or not queued */
    uint8_t reports[LOAD_MAX];              /* how many */
    uint8_t verdicts[LOAD_MAX];             /* of the last report */
    int64_t slowest_us;                     /* from sending to the report */
    atomic_size_t next;                     /* numbers taken */
    atomic_size_t refusals[KAFKA_VERDICTS]; /* not queued, by reason */
    size_t by_verdict[KAFKA_VERDICTS];
};

/* brokers: instead of the mock's, or NULL. Free it with load_free. */
struct load *load_new(int broker_count, const char *brokers,
                      int64_t message_timeout_ms);
void load_free(struct load *l);
/* Serves until the producer's outlook is good. */
void load_up(struct load *l);
/* Sends so many records to topic "load". Any thread; returns how many were
 * queued. */
size_t load_send(struct load *l, size_t count);
/* Serves until every record has its report, at most ms. */
void load_settle(struct load *l, int ms);
/* Rebuilds the producer if it is broken. True: it was. */
bool load_mend(struct load *l);
/* Every record that was queued has one report, nothing else has any; and the
 * brokers hold what was acknowledged. Fails the test otherwise. */
void load_check(struct load *l);
/* The brokers answer the next count Produce requests so. */
void load_errors(struct load *l, rd_kafka_resp_err_t err, size_t count);
/* The next Produce request ends in a fatal error of the producer. */
void load_break(struct load *l);

#endif
