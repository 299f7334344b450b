/* SPDX-License-Identifier: Apache-2.0 */
/* faulty_pg.h - PostgreSQL that fails at a chosen step. The linker puts it
 * between the writer and common/pg (--wrap, see mk/build.mk): every statement,
 * COPY's beginning, rows and end is a step. */
#ifndef TESTS_PROP_FAULTY_PG_H
#define TESTS_PROP_FAULTY_PG_H

#include "common/pg.h"

enum fault_kind {
    LOSE_BEFORE, /* the connection is gone, the step was not done */
    LOSE_AFTER,  /* it was done, nobody heard */
    REFUSE,      /* a deadlock: the transaction is over */
    FAULT_KINDS,
};

/* The nth step from now (1 is the next) on pg fails so; once. 0: none does. */
void faulty_set(struct pg *pg, int64_t nth, enum fault_kind fault);
/* Has it failed? */
bool faulty_done(void);

#endif
