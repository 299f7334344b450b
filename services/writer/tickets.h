/* SPDX-License-Identifier: Apache-2.0 */
/* tickets.h - the series of one batch that the cache did not know: asked for
 * at store.series_ids, all at once, by whoever writes the batch. */
#ifndef WRITER_TICKETS_H
#define WRITER_TICKETS_H

#include "common/arena.h"
#include "common/pg.h"
#include "common/pulse/record.h"

struct ticket {
    struct str key;                     /* the cache's */
    struct str tenant_id, name, labels; /* labels: JSON */
    bool wanted;    /* by a row that may be stored; others are not asked for */
    int64_t number; /* once resolved: > 0; 0: refused, the tenant's limit */
};

struct tickets {
    struct arena *arena; /* the batch's: texts live there */
    struct map *open;    /* key → index of its ticket + 1 */
    struct ticket *all;
    size_t count, cap;
    bool resolved;
    struct buf json;
};

void tickets_init(struct tickets *t, struct arena *a);
void tickets_release(struct tickets *t);
void tickets_reset(struct tickets *t);

/* < 0, for tickets_number. Keys are copied, the other texts stay: they are in
 * the arena. */
int64_t tickets_take(struct tickets *t, struct str key, struct str tenant_id,
                     struct str name, const struct label *labels, size_t count);
/* The series is wanted: before tickets_resolve. found may be a number. */
void tickets_want(struct tickets *t, int64_t found);
/* Asks the database for those wanted, in a transaction of its own. */
bool tickets_resolve(struct tickets *t, struct pg *pg, struct err *err)
    MUST_USE;
/* Of a ticket, once resolved: > 0, or 0 for refused or not wanted; of a number
 * itself. */
static inline int64_t tickets_number(const struct tickets *t, int64_t found)
{
    return found >= 0 ? found : t->all[-found - 1].number;
}

#endif
