/* SPDX-License-Identifier: Apache-2.0 */
/* rules.h - the enabled rules of alert_rules, as of the last look. */
#ifndef EVALUATOR_RULES_H
#define EVALUATOR_RULES_H

#include "common/pg.h"
#include "services/evaluator/ruleset.h"
#include "services/evaluator/stats.h"

struct rules;

struct rules *rules_new(int64_t lateness_us, struct stats *stats) MUST_USE;
void rules_free(struct rules *r);
DEFINE_AUTO(rules)
/* Looks whether anything changed and then loads all; a rule that cannot be
 * evaluated is logged and left out. */
bool rules_refresh(struct rules *r, struct pg *pg, struct err *err) MUST_USE;
struct ruleset *rules_current(const struct rules *r); /* r keeps it */

#endif
