/* SPDX-License-Identifier: Apache-2.0 */
/* kafka_client.h - what the Kafka producer, consumer and admin are made from:
 * configuration, log, wake-ups, errors. Only common/kafka_*.c include it. */
#ifndef COMMON_KAFKA_CLIENT_H
#define COMMON_KAFKA_CLIENT_H

#include <librdkafka/rdkafka.h>

#include "common/err.h"

/* False and *err (ERR_FATAL) below 2.6.1: its batch and assignor defects lose
 * or repeat records. version is rd_kafka_version()'s. */
bool kafka_version_check(int version, struct err *err) MUST_USE;

struct kafka_setting {
    const char *name;
    const char *value; /* NULL: number instead */
    int64_t number;
};
/* A handle with the common settings and these. Its log goes to common/log.
 * events: mask for rd_kafka_conf_set_events. NULL and *err (ERR_FATAL). */
rd_kafka_t *kafka_client_new(rd_kafka_type_t type, const char *brokers,
                             const char *client_id, int events,
                             const struct kafka_setting *settings,
                             size_t setting_count, struct err *err) MUST_USE;

/* A non-blocking eventfd that turns readable when the queue gets its first
 * event; the caller closes it after the queue is gone. */
int kafka_wake_fd(rd_kafka_queue_t *queue) MUST_USE;
/* The same in two steps, for an eventfd of several queues, one by one. */
int kafka_wake_new(void) MUST_USE;
void kafka_wake_on(rd_kafka_queue_t *queue, int fd);
void kafka_wake_drain(int fd);

/* ERR_RETRY "what: librdkafka's words"; ERR_FATAL for a fatal error. */
void kafka_err_set(struct err *err, rd_kafka_resp_err_t code, const char *what);

/* A thread that asks the brokers for metadata every 2 s: keeps topics known
 * and says whether somebody answers. */
struct kafka_probe;
/* topics: how many of the handle's topics must exist for it to be up. */
struct kafka_probe *kafka_probe_new(rd_kafka_t *rk, size_t topics) MUST_USE;
/* Before the handle goes; waits at most a second for the last answer. */
void kafka_probe_free(struct kafka_probe *p);
/* RD_KAFKA_RESP_ERR_NO_ERROR: a broker answers and all topics are there; else
 * what is wrong. Any thread. */
rd_kafka_resp_err_t kafka_probe_state(const struct kafka_probe *p);
bool kafka_probe_up(const struct kafka_probe *p); /* nothing is wrong */
/* All brokers are known to be gone: not up until one answers again. */
void kafka_probe_down(struct kafka_probe *p);

#endif
