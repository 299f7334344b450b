/* SPDX-License-Identifier: Apache-2.0 */
/*
 * claim.h - partitions held by this consumer, with their positions in
 * PostgreSQL: the fence that makes a batch's rows and its offsets one
 * transaction (docs/adr/0005).
 *
 * The table (its name is given) has the columns consumer, topic, part,
 * topic_id, first_off, next_off, replay_from, epoch, owner, backend_pid,
 * backend_start and the key (consumer, topic, part). Claiming bumps epoch;
 * advancing is a compare-and-swap on (next_off, epoch), so whoever lost a
 * claim changes no row. One thread.
 */
#ifndef COMMON_CLAIM_H
#define COMMON_CLAIM_H

#include "common/kafka_admin.h"
#include "common/kafka_consumer.h"
#include "common/pg.h"

struct claims;

struct claim {
    size_t topic;
    int32_t part;
    char topic_id[KAFKA_TOPIC_ID_MAX];
    int64_t first;       /* where this consumer ever started */
    int64_t next;        /* offset to read next, as committed */
    int64_t replay_from; /* oldest offset its state is derived from */
    int64_t epoch;
    /* Messages the log no longer had when it was claimed. next is still the
     * committed position: the holder moves it to next + gap by claims_advance,
     * in the transaction that counts the gap, and reads from there. */
    int64_t gap;
    bool recreated; /* the topic's id changed: positions started anew */
    /* Messages missing because the log ends before the position (the broker
     * lost its tail). first and next went back together to the log's end, so
     * next - first still counts what was read. */
    int64_t truncated;
    bool on_hold; /* not held: a gap waits to be accepted (options.hold) */
};

struct claims_options {
    const char *table;         /* "schema.offsets" */
    const char *gaps;          /* "schema.gaps", see gaps.h */
    bool hold;                 /* no claim while a gap is not accepted */
    const char *consumer;      /* "pulse-writer" */
    const char *owner;         /* host and pid, for people */
    const char *const *topics; /* must outlive the claims */
};

struct claims *claims_new(const struct claims_options *options) MUST_USE;
void claims_free(struct claims *c);
DEFINE_AUTO(claims)

/* Claims the partition in a transaction of its own: a new row starts at the
 * log's earliest offset. Claims belong to the connection: after a reconnect
 * take them again. Waits at most 2 s for a row lock; a holder that keeps
 * it longer is a zombie and its backend is terminated (exactly that one: pid
 * and start time), then ERR_RETRY: call again. A gap, a truncation and a
 * re-creation are noted in the table of gaps in the same transaction. On
 * success the claim is kept here, unless it is on hold, and copied to *out. */
bool claims_take(struct claims *c, struct pg *pg, struct kafka_admin *admin,
                 size_t topic, int32_t part, struct claim *out, struct err *err)
    MUST_USE;
void claims_drop(struct claims *c, size_t topic, int32_t part);
/* A gap that the holder itself came upon: noted in its transaction. */
bool claims_note_gap(struct claims *c, struct pg *pg, size_t topic,
                     int32_t part, int64_t from, int64_t to, struct err *err)
    MUST_USE;
const struct claim *claims_get(const struct claims *c, size_t topic,
                               int32_t part); /* NULL if not held */

struct claim_move {
    size_t topic;
    int32_t part;
    int64_t next;        /* new position; may equal the old one */
    int64_t replay_from; /* INT64_MIN: follows next */
    bool held;           /* set: the compare-and-swap matched */
};
/* First statement of a batch's transaction. Moves whose row did not match are
 * held == false: the caller drops their slices before it sends any row, and
 * afterwards calls claims_drop. False only on a database failure. */
bool claims_advance(struct claims *c, struct pg *pg, struct claim_move *moves,
                    size_t count, struct err *err) MUST_USE;
/* After COMMIT: the positions kept here become the moves'. */
void claims_committed(struct claims *c, const struct claim_move *moves,
                      size_t count);

#endif
