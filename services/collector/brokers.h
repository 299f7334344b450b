/* SPDX-License-Identifier: Apache-2.0 */
/* brokers.h - Kafka's ends against where the consumers are: lag in messages and
 * in seconds. */
#ifndef SERVICES_COLLECTOR_BROKERS_H
#define SERVICES_COLLECTOR_BROKERS_H

#include "common/pg.h"
#include "services/collector/sample.h"

struct brokers; /* one thread */
/* NULL and *err (ERR_FATAL) on a bad address. */
struct brokers *brokers_new(const char *addresses, int64_t timeout_ms,
                            struct err *err) MUST_USE;
void brokers_free(struct brokers *b);
DEFINE_AUTO(brokers)
/* Adds kafka_log_end_offset{topic} (sum over partitions), and per consumer and
 * topic consumer_lag_messages (sum) and consumer_lag_seconds (the partition
 * furthest behind). False and *err (ERR_RETRY) when Kafka or PostgreSQL does
 * not answer: what is known until then was added. */
bool brokers_measure(struct brokers *b, struct pg *pg, struct samples *out,
                     struct err *err) MUST_USE;

#endif
