/* SPDX-License-Identifier: Apache-2.0 */
/* effects.h - writes a batch in one transaction: positions first, then what
 * followed from them (the effect fence). */
#ifndef EVALUATOR_EFFECTS_H
#define EVALUATOR_EFFECTS_H

#include "common/claim.h"
#include "common/pg.h"
#include "services/evaluator/batch.h"

/* Commits the slices that are still held; b->moves says which. After a
 * failure nothing is written, or (the connection broke at COMMIT) everything:
 * claiming anew tells. */
bool effects_commit(struct batch *b, struct pg *pg, struct claims *claims,
                    struct err *err) MUST_USE;

#endif
