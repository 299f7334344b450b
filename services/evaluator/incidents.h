/* SPDX-License-Identifier: Apache-2.0 */
/* incidents.h - transitions written down: the incident, its timeline and its
 * notifications, inside the caller's transaction. */
#ifndef EVALUATOR_INCIDENTS_H
#define EVALUATOR_INCIDENTS_H

#include "common/pg.h"
#include "services/evaluator/batch.h"

/* Each takes transitions of one kind, at most one per instance. An incident
 * that is open already is left as it is; one that nobody has open is not
 * resolved again. Scratch memory comes from a. */
bool incidents_open(struct pg *pg, struct arena *a,
                    const struct transition_write *const *t, size_t count,
                    struct err *err) MUST_USE;
bool incidents_resolve(struct pg *pg, struct arena *a,
                       const struct transition_write *const *t, size_t count,
                       struct err *err) MUST_USE;

#endif
