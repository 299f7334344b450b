/* SPDX-License-Identifier: Apache-2.0 */
/* mock_kafka.h - librdkafka's mock cluster for tests of common/kafka_*. */
#ifndef TESTS_UNIT_MOCK_KAFKA_H
#define TESTS_UNIT_MOCK_KAFKA_H

#include <librdkafka/rdkafka.h>
#include <librdkafka/rdkafka_mock.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/clock.h"
#include "common/err.h"
#include "common/str.h"

/* Kafka's request types (protocol guide, "API Keys"). */
enum { API_PRODUCE = 0, API_FETCH = 1, API_INIT_PRODUCER_ID = 22 };

struct mock {
    rd_kafka_t *rk; /* a producer too, with an idle broker thread */
    rd_kafka_mock_cluster_t *cluster;
    const char *brokers;
};

static inline struct mock mock_new(int broker_count)
{
    char why[256];
    struct mock m;
    rd_kafka_conf_t *conf = rd_kafka_conf_new();
    rd_kafka_conf_set(conf, "bootstrap.servers", "127.0.0.1:1", why,
                      sizeof why);
    rd_kafka_conf_set(conf, "log_level", "0", why, sizeof why);
    m.rk = rd_kafka_new(RD_KAFKA_PRODUCER, conf, why, sizeof why);
    m.cluster = rd_kafka_mock_cluster_new(m.rk, broker_count);
    m.brokers = rd_kafka_mock_cluster_bootstraps(m.cluster);
    return m;
}

static inline void mock_free(struct mock *m)
{
    rd_kafka_mock_cluster_destroy(m->cluster);
    rd_kafka_destroy(m->rk);
}

/* Waits at most ms until condition, calling work each 2 ms. */
#define WAIT_MS(ms, condition, work)                                 \
    do {                                                             \
        int64_t until_ = clock_mono_us() + (ms) * INT64_C(1000);     \
        while (!(condition) && clock_mono_us() < until_) {           \
            work;                                                    \
            usleep(2000);                                            \
        }                                                            \
        if (!(condition)) {                                          \
            fail_msg("not within %d ms: %s", (int)(ms), #condition); \
        }                                                            \
    } while (0)

#endif
