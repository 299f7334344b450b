/* SPDX-License-Identifier: Apache-2.0 */
/* kafka_consumer.h - a group consumer (cooperative-sticky, no commits to
 * Kafka) whose positions the caller keeps: rebalances are events and are
 * answered when the caller is ready. One thread. Needs librdkafka 2.6.1. */
#ifndef COMMON_KAFKA_CONSUMER_H
#define COMMON_KAFKA_CONSUMER_H

#include "common/err.h"
#include "common/str.h"

struct kafka_consumer;

struct kafka_consumer_options {
    const char *brokers;
    const char *client_id;
    const char *group;
    const char *const *topics; /* must outlive the consumer */
    size_t topic_count;
    int64_t session_timeout_ms;
    int64_t max_poll_interval_ms;
    int64_t queue_bytes; /* prefetch bound, all partitions */
};

struct kafka_partition {
    size_t topic; /* index into options.topics */
    int32_t part;
    int64_t offset; /* where to start (assign, seek) */
};

enum kafka_event_kind {
    KAFKA_MESSAGE,
    KAFKA_ASSIGN, /* answer by kafka_consumer_assign, when claimed; polling
                     goes on meanwhile and nothing of them is delivered */
    KAFKA_REVOKE, /* answer by kafka_consumer_unassign, else the next poll
                     does; drops what of an open ASSIGN is in it */
    KAFKA_GAP,    /* the position (offset) is outside the log: parts[0] says
                     which; it stands still until sought */
    KAFKA_FAULT,  /* err says what; ERR_RETRY heals itself, ERR_FATAL not */
};

struct kafka_event {
    enum kafka_event_kind kind;
    /* KAFKA_MESSAGE */
    size_t topic;
    int32_t part;
    int64_t offset;
    int64_t time_us; /* the topic's timestamp, since 1970; < 0: it has none */
    struct str key, payload; /* p == NULL: a null payload (tombstone) */
    /* KAFKA_ASSIGN, KAFKA_REVOKE, KAFKA_GAP: at least one */
    const struct kafka_partition *parts;
    size_t part_count;
    bool lost; /* KAFKA_REVOKE: already given to others; never write for them */
    struct err err; /* KAFKA_FAULT, KAFKA_GAP */
};

/* Joins the group in the background. NULL and *err (ERR_FATAL). */
struct kafka_consumer *kafka_consumer_new(
    const struct kafka_consumer_options *options, struct err *err) MUST_USE;
/* Leaves the group (bounded by a few seconds). */
void kafka_consumer_free(struct kafka_consumer *c);
DEFINE_AUTO(kafka_consumer)

/* Readable while there may be events: until a poll returned false. */
int kafka_consumer_fd(const struct kafka_consumer *c);
/* The next event, without waiting. Everything *event points at is valid until
 * the next poll. Must be called at least every max_poll_interval_ms. */
bool kafka_consumer_poll(struct kafka_consumer *c, struct kafka_event *event);

/* Each answers or changes the assignment incrementally; several calls may
 * answer one event, the first ends the group's wait. Partitions revoked
 * meanwhile are left out, so are those the call would not change. False and
 * *err: ERR_RETRY, or ERR_FATAL if the consumer is beyond help. */
bool kafka_consumer_assign(struct kafka_consumer *c,
                           const struct kafka_partition *parts, size_t count,
                           struct err *err) MUST_USE;
bool kafka_consumer_unassign(struct kafka_consumer *c,
                             const struct kafka_partition *parts, size_t count,
                             struct err *err) MUST_USE;
/* Purges what was prefetched; resume goes on behind the last event polled. */
bool kafka_consumer_pause(struct kafka_consumer *c,
                          const struct kafka_partition *parts, size_t count,
                          struct err *err) MUST_USE;
bool kafka_consumer_resume(struct kafka_consumer *c,
                           const struct kafka_partition *parts, size_t count,
                           struct err *err) MUST_USE;
/* Next event of an assigned partition is at parts[i].offset. */
bool kafka_consumer_seek(struct kafka_consumer *c,
                         const struct kafka_partition *parts, size_t count,
                         struct err *err) MUST_USE;
/* The partition's end (offset of its next message) as the last fetch told; -1:
 * unknown. */
int64_t kafka_consumer_end(const struct kafka_consumer *c, size_t topic,
                           int32_t part);
bool kafka_consumer_up(const struct kafka_consumer *c); /* a broker answers */
/* Leave the group now (all partitions revoked); poll no more afterwards. */
void kafka_consumer_leave(struct kafka_consumer *c);

#endif
