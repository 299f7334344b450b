/* SPDX-License-Identifier: Apache-2.0 */
/* client.h - what the benchmarks' programs share: how they end, and Kafka. */
#ifndef BENCH_CLIENT_H
#define BENCH_CLIENT_H

#include <librdkafka/rdkafka.h>

#include "common/base.h"

/* Unless ok says what is wrong and ends the program. */
void check(bool ok, const char *what);

/* brokers and pairs of a setting's name and value. */
rd_kafka_conf_t *client_conf(const char *brokers,
                             const char *const (*settings)[2], size_t count)
    MUST_USE;
/* Takes conf. */
rd_kafka_t *client_new(rd_kafka_type_t type, rd_kafka_conf_t *conf) MUST_USE;

#endif
