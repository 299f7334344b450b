/* SPDX-License-Identifier: Apache-2.0 */
/* kafka_admin.h - topics and offsets asked from, and set at, the brokers.
 * Calls block, at most timeout_ms each. */
#ifndef COMMON_KAFKA_ADMIN_H
#define COMMON_KAFKA_ADMIN_H

#include "common/err.h"
#include "common/str.h"

struct kafka_admin; /* one thread */

struct kafka_admin *kafka_admin_new(const char *brokers, const char *client_id,
                                    int64_t timeout_ms, struct err *err)
    MUST_USE;
void kafka_admin_free(struct kafka_admin *a);
DEFINE_AUTO(kafka_admin)

struct kafka_topic_spec {
    const char *name;
    int partitions;
    int replication;
    const char *const *config; /* name, value, …, NULL */
};
enum kafka_topic_change {
    KAFKA_TOPIC_CREATED,
    KAFKA_TOPIC_GROWN, /* partitions added */
    KAFKA_TOPIC_CONFIGURED,
    KAFKA_TOPIC_UNCHANGED,
};
/* Creates what is missing, adds partitions where there are too few, sets the
 * named configs; never deletes or shrinks (ERR_INPUT if asked to shrink). */
bool kafka_topic_apply(struct kafka_admin *a, const struct kafka_topic_spec *t,
                       enum kafka_topic_change *change, struct err *err)
    MUST_USE;

enum { KAFKA_TOPIC_ID_MAX = 40 }; /* text of the topic's UUID, with the NUL */
struct kafka_topic_info {
    char id[KAFKA_TOPIC_ID_MAX];
    int partitions;
};
/* ERR_RETRY also for a topic that does not (yet) exist. */
bool kafka_topic_describe(struct kafka_admin *a, const char *topic,
                          struct kafka_topic_info *info, struct err *err)
    MUST_USE;

struct kafka_log_range {
    const char *topic;
    int32_t part;
    int64_t first; /* earliest offset there is */
    int64_t end;   /* offset of the next message to come */
};
/* Fills first and end of each. */
bool kafka_log_ranges(struct kafka_admin *a, struct kafka_log_range *ranges,
                      size_t count, struct err *err) MUST_USE;

#endif
