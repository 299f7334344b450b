/* SPDX-License-Identifier: Apache-2.0 */
/* partition_state.h - what partition.c (samples) and review.c (changed rules)
 * share; nobody else includes it. */
#ifndef EVALUATOR_PARTITION_STATE_H
#define EVALUATOR_PARTITION_STATE_H

#include "common/map.h"
#include "services/evaluator/horizon.h"
#include "services/evaluator/partition.h"

struct activation {
    int64_t version, off;
};

struct partition {
    struct partition_options o;
    int64_t read;        /* offset expected next */
    int64_t live_from;   /* below it messages are read for the second time */
    int64_t replay_from; /* samples below it have left */
    int64_t log_time_us; /* highest received_at read */
    int64_t ahead_us;    /* latest time of a watched sample of this message */
    bool watched;        /* the message, or one still needed, was of use */
    int64_t forgot_us;   /* log time sleepers were looked through at */
    struct ruleset *rules;
    struct map *activations; /* rule id to struct activation */
    struct map *series;      /* by tenant, name and labels */
    struct sleepers *sleepers;
    struct horizon horizon;
    struct watch *oldest, *newest;
    struct watch **dirty;
    size_t dirty_count, dirty_room;
    struct buf key; /* scratch */
};

/* partition.c */
/* The rule's instance on s: as it slept, or new. */
struct watch *partition_watch(struct partition *p, struct series *s,
                              const struct rule *r, int64_t offset);
void partition_unwatch(struct partition *p, struct watch *w);
/* Into the batch. */
void partition_write_state(struct partition *p, struct watch *w,
                           struct batch *b);
struct transition_write *partition_write_transition(struct partition *p,
                                                    const struct watch *w,
                                                    const struct transition *t,
                                                    struct batch *b);

#endif
