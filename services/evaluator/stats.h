/* SPDX-License-Identifier: Apache-2.0 */
/* stats.h - the evaluator's counters, in one place. */
#ifndef EVALUATOR_STATS_H
#define EVALUATOR_STATS_H

#include "common/metrics.h"

struct stats {
    struct counter *messages, *undecodable, *replayed;
    struct counter *taken, *stale, *repeated, *late, *refused;
    struct counter *fired, *resolved;
    struct counter *batches, *batches_failed, *slices_lost;
    struct counter *gaps_expired, *gaps_truncated, *gaps_recreated;
    struct gauge *instances, *sleeping;
    struct gauge *rules, *rules_refused;
    struct gauge *lag_seconds;
    struct histogram *batch_seconds;
};

void stats_init(struct stats *s, struct metrics *m);

#endif
