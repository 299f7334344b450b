/* SPDX-License-Identifier: Apache-2.0 */
/* kafka_reader.h - reads one topic's partitions from given offsets, without a
 * group: nothing is claimed, committed or rebalanced. For people's tools and
 * live views. One thread. */
#ifndef COMMON_KAFKA_READER_H
#define COMMON_KAFKA_READER_H

#include "common/err.h"
#include "common/str.h"

struct kafka_reader;

struct kafka_reader_options {
    const char *brokers;
    const char *client_id;
    const char *topic;   /* copied */
    const int64_t *from; /* per partition, the offset to start at */
    int partitions;
    int64_t queue_bytes; /* prefetch bound */
};

struct kafka_reading {
    int32_t part;
    int64_t offset;
    struct str key, payload; /* p == NULL: none; valid until the next call */
};

/* NULL and *err (ERR_FATAL) on a bad option. */
struct kafka_reader *kafka_reader_new(
    const struct kafka_reader_options *options, struct err *err) MUST_USE;
void kafka_reader_free(struct kafka_reader *r);
DEFINE_AUTO(kafka_reader)
/* The next message, waiting at most timeout_ms. False: none came, or *err is
 * set (ERR_RETRY heals itself: call again; ERR_FATAL: an offset is outside the
 * log, or the topic is gone). */
bool kafka_reader_next(struct kafka_reader *r, int64_t timeout_ms,
                       struct kafka_reading *out, struct err *err);

#endif
