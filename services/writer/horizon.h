/* SPDX-License-Identifier: Apache-2.0 */
/* horizon.h - how far back rows may go: a row beyond the store's late limit is
 * a dead letter, one older than what gets compressed takes the slow way. */
#ifndef WRITER_HORIZON_H
#define WRITER_HORIZON_H

#include "common/pg.h"
#include "services/writer/batch.h"

/* {0} is ready. Times are the database's clock: as of the last asking, moved
 * on by the monotonic clock since. */
struct horizon {
    uint64_t generation; /* the pg_generation that was asked */
    int64_t asked_us;    /* monotonic */
    int64_t late_us, compressed_us;
};

/* Asks store.writer_horizons() on a new connection and every minute. */
bool horizon_ask(struct horizon *h, struct pg *pg, struct err *err) MUST_USE;
/* Rows before it may belong into compressed chunks; INT64_MIN or little more:
 * there are none. */
int64_t horizon_compressed_us(const struct horizon *h);
/* Makes messages whose row is too late dead letters. Once per batch, before
 * anything of it is written. */
void horizon_judge(const struct horizon *h, struct batch *b);

#endif
