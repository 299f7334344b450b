/* SPDX-License-Identifier: Apache-2.0 */
/* partition.h - one Kafka partition as the rules see it: its series, their
 * states, and how far it was read. Knows neither Kafka nor a database:
 * messages in, effects into the batch. */
#ifndef EVALUATOR_PARTITION_H
#define EVALUATOR_PARTITION_H

#include "services/evaluator/batch.h"
#include "services/evaluator/series.h"
#include "services/evaluator/sleepers.h"
#include "services/evaluator/stats.h"

struct partition;

/* Instances of all partitions together, in memory. */
struct budget {
    int64_t used, max;
};

struct partition_options {
    struct place place;
    int64_t next;        /* first offset that is new */
    int64_t replay_from; /* where reading begins, at most next */
    size_t kept_max;     /* samples kept per instance */
    int64_t staleness_us;
    int64_t keep_us;   /* log time a sample stays for; at least the lateness */
    int64_t forget_us; /* log time after which a quiet series is forgotten */
    struct budget *budget;
    struct stats *stats;
};

struct partition *partition_new(const struct partition_options *options)
    MUST_USE;
void partition_free(struct partition *p);
DEFINE_AUTO(partition)

/* What the database knows as of next; before partition_activate. */
void partition_load_state(struct partition *p, const struct sleeper *s);
void partition_load_activation(struct partition *p, struct str rule_id,
                               int64_t version, int64_t off);

/* From the next offset on these are the rules (a batch boundary: nothing of
 * the partition is in *b yet). Instances of an unchanged version go on; a new
 * version keeps an open incident open and forgets the rest; a rule that is
 * gone resolves its incidents. */
void partition_activate(struct partition *p, struct ruleset *rules,
                        struct batch *b);
const struct ruleset *partition_rules(const struct partition *p);

/* A message's samples, then the message itself, in the order of offsets.
 * Below next they only rebuild the history. */
void partition_sample(struct partition *p, const struct series_id *id,
                      const struct sample *s, struct batch *b);
void partition_message(struct partition *p, int64_t offset,
                       int64_t received_at_us);
/* Messages up to offset are gone from the log: the next is expected there.
 * What of them is new goes into the batch as a gap. */
void partition_skip(struct partition *p, int64_t offset, struct batch *b);

/* Before the batch is written: adds changed states and the move. */
void partition_close(struct partition *p, struct batch *b);

struct place partition_place(const struct partition *p);
int64_t partition_next(const struct partition *p); /* offset expected next */
bool partition_live(const struct partition *p);    /* replay is behind it */
size_t partition_sleeping(const struct partition *p);

#endif
