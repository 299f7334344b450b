/* SPDX-License-Identifier: Apache-2.0 */
/* ruleset.h - the rules that are evaluated, at one moment: immutable once
 * built, found by tenant and metric. One thread. */
#ifndef EVALUATOR_RULESET_H
#define EVALUATOR_RULESET_H

#include "common/pulse/rule.h"

struct ruleset;

struct rule_list {
    const struct rule **p;
    size_t n;
};

struct ruleset *ruleset_new(void) MUST_USE; /* one reference, the caller's */
struct ruleset *ruleset_ref(struct ruleset *s);
void ruleset_unref(struct ruleset *s);               /* NULL is fine */
void ruleset_add(struct ruleset *s, struct rule *r); /* takes r over */

size_t ruleset_count(const struct ruleset *s);
const struct rule *ruleset_at(const struct ruleset *s, size_t i);
const struct rule *ruleset_get(const struct ruleset *s, struct str id);
/* The rules on this metric of this tenant; NULL where there is none. */
const struct rule_list *ruleset_find(const struct ruleset *s,
                                     struct str tenant_id, struct str metric);

#endif
