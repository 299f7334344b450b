/* SPDX-License-Identifier: Apache-2.0 */
/* sleepers.h - the states of a partition's instances that are not in use:
 * loaded from rule_state, or of series that have fallen silent. */
#ifndef EVALUATOR_SLEEPERS_H
#define EVALUATOR_SLEEPERS_H

#include "common/pulse/fingerprint.h"
#include "common/pulse/instance.h"

struct sleeper {
    struct instance_state state;
    int64_t version;        /* of the rule the phase belongs to */
    int64_t written_max_us; /* event_max of its row; INT64_MIN: no row */
    struct str rule_id, tenant_id, fingerprint; /* owned */
};

struct sleepers;

struct sleepers *sleepers_new(void) MUST_USE;
void sleepers_free(struct sleepers *s);
DEFINE_AUTO(sleepers)
size_t sleepers_count(const struct sleepers *s);
/* Copies *sleeper; replaces the one of the same rule and fingerprint. */
void sleepers_put(struct sleepers *s, const struct sleeper *sleeper);
/* Takes it out: true and *out (its texts empty) if it was there. */
bool sleepers_wake(struct sleepers *s, struct str rule_id,
                   struct str fingerprint, struct sleeper *out) MUST_USE;
/* Calls fn for each; fn returning false removes it. */
void sleepers_each(struct sleepers *s, bool (*fn)(struct sleeper *s, void *arg),
                   void *arg);

#endif
