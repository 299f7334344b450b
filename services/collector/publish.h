/* SPDX-License-Identifier: Apache-2.0 */
/* publish.h - the readings as records of tenant `pulse` in pulse.metrics, so
 * that Pulse's own rules watch Pulse. */
#ifndef SERVICES_COLLECTOR_PUBLISH_H
#define SERVICES_COLLECTOR_PUBLISH_H

#include "common/loop.h"
#include "common/metrics.h"
#include "services/collector/sample.h"

struct publisher; /* the loop's thread */
/* queue_max: most records waiting for Kafka. NULL and *err (ERR_FATAL). */
struct publisher *publisher_new(const char *brokers, size_t queue_max,
                                struct loop *loop, struct metrics *metrics,
                                struct err *err) MUST_USE;
void publisher_free(struct publisher *p);
DEFINE_AUTO(publisher)
/* Never waits: what the queue does not take is counted and dropped; the rows in
 * system_metrics are the record. */
void publisher_send(struct publisher *p, const struct samples *samples,
                    int64_t time_us);
/* Calls done(arg), once, when nothing waits any more. */
void publisher_drain(struct publisher *p, void (*done)(void *arg), void *arg);

#endif
