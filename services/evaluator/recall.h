/* SPDX-License-Identifier: Apache-2.0 */
/* recall.h - what the database knows of a partition just claimed. */
#ifndef EVALUATOR_RECALL_H
#define EVALUATOR_RECALL_H

#include "common/pg.h"
#include "services/evaluator/partition.h"

/* Loads states, and activations, which mean nothing (fresh) where the log is
 * not the one they were written for. */
bool recall(struct pg *pg, struct partition *p, bool fresh, struct err *err)
    MUST_USE;

#endif
