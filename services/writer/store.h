/* SPDX-License-Identifier: Apache-2.0 */
/* store.h - one batch, one transaction: positions first, then rows, dead
 * letters and the ledger, COMMIT. */
#ifndef WRITER_STORE_H
#define WRITER_STORE_H

#include "common/claim.h"
#include "common/pg.h"
#include "services/writer/batch.h"
#include "services/writer/stats.h"

struct store;

struct store_options {
    size_t series_seen, devices_seen; /* entries of the seen tables */
};

/* Borrows all three. */
struct store *store_new(const struct store_options *options, struct pg *pg,
                        struct claims *claims, struct stats *stats) MUST_USE;
void store_free(struct store *s);
DEFINE_AUTO(store)

/* Puts the batch's rows in the order of writing, if it waits for no series'
 * numbers. store_write does it otherwise: this is for whoever has time
 * before. */
void store_sort(struct batch *b);
/* Commits the batch; afterwards claims have moved and each slice's held says
 * whether it was in (those that were not have lost their claim, which is
 * dropped here). False: nothing is known to be committed; claims must be taken
 * again to learn it. */
bool store_write(struct store *s, struct batch *b, struct err *err) MUST_USE;

#endif
