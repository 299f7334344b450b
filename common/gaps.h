/* SPDX-License-Identifier: Apache-2.0 */
/*
 * gaps.h - what a consumer could not read, kept in a table until a person has
 * accepted it.
 *
 * The table (its name is given) has the columns consumer, topic, topic_id,
 * part, kind, from_off, to_off, messages, accepted_at and, of the rows of kind
 * 'expired', the unique key (consumer, topic, part, topic_id, from_off).
 */
#ifndef COMMON_GAPS_H
#define COMMON_GAPS_H

#include "common/pg.h"

struct gaps; /* one thread */

struct gaps *gaps_new(const char *table, const char *consumer) MUST_USE;
void gaps_free(struct gaps *g);
DEFINE_AUTO(gaps)

enum gap_kind {
    GAP_EXPIRED,   /* the log begins after the position: [from, to) is gone */
    GAP_TRUNCATED, /* it ends before the position: [from, to) will be anew */
    GAP_RECREATED, /* another topic: position from in the old, to in the new */
};

struct gap {
    enum gap_kind kind;
    const char *topic, *topic_id;
    int32_t part;
    int64_t from, to;
};

/* In the transaction that finds it. An expired one may be found again, and
 * have grown: what was not yet accepted grows with it, what was accepted stays
 * and the rest is a gap of its own. */
bool gaps_note(struct gaps *g, struct pg *pg, const struct gap *gap,
               struct err *err) MUST_USE;
/* How many of the partition's gaps nobody has accepted. */
bool gaps_open(struct gaps *g, struct pg *pg, const char *topic, int32_t part,
               int64_t *count, struct err *err) MUST_USE;

#endif
