/* SPDX-License-Identifier: Apache-2.0 */
/* batch.h - what one transaction will write: how far each partition got, and
 * what followed from it. */
#ifndef EVALUATOR_BATCH_H
#define EVALUATOR_BATCH_H

#include "common/arena.h"
#include "common/claim.h"
#include "common/pulse/fingerprint.h"
#include "common/pulse/instance.h"
#include "services/evaluator/ruleset.h"

/* Where an effect comes from; lost with its partition. */
struct place {
    size_t topic;
    int32_t part;
};

struct state_write {
    struct place place;
    struct str rule_id, tenant_id, fingerprint;
    int64_t version;
    struct instance_state state;
    bool forget; /* delete the row instead */
};

enum { EVIDENCE_SAMPLES = 10 };

struct transition_write {
    struct place place;
    struct transition transition;
    const struct rule *rule; /* NULL: the rule is gone */
    struct str rule_id, tenant_id, fingerprint;
    struct str metric;
    const struct label *labels;
    size_t label_count;
    struct kept_sample samples[EVIDENCE_SAMPLES]; /* the newest of the run */
    size_t sample_count;
    int64_t log_time_us; /* highest received_at read in the partition */
    const char *reason;  /* why, where no sample decided; else NULL */
};

/* Below off the rule's version has seen nothing. */
struct activation_write {
    struct place place;
    struct str rule_id, tenant_id;
    int64_t version;
    int64_t off;
    bool withdrawn; /* the rule is gone from the partition, with its states */
};

/* Messages that were gone from the log before they were evaluated. */
struct gap_write {
    struct place place;
    int64_t from, to;
};

struct batch {
    struct arena *memory;
    struct claim_move *moves;
    struct state_write *states;
    struct transition_write *transitions;
    struct activation_write *activations;
    struct gap_write *gaps;
    size_t move_count, state_count, transition_count, activation_count;
    size_t gap_count;
    size_t move_room, state_room, transition_room, activation_room;
    size_t gap_room;
    struct ruleset **rules; /* kept alive for the transitions */
    size_t rules_count;
};

void batch_init(struct batch *b);
void batch_release(struct batch *b);
void batch_reset(struct batch *b);             /* empty again */
bool batch_has_effects(const struct batch *b); /* beside moves */

/* Each returns the new zeroed element, valid until the next of its kind. */
struct claim_move *batch_add_move(struct batch *b);
struct state_write *batch_add_state(struct batch *b);
struct transition_write *batch_add_transition(struct batch *b);
struct activation_write *batch_add_activation(struct batch *b);
struct gap_write *batch_add_gap(struct batch *b);
/* Holds a reference until the reset. */
void batch_keep_rules(struct batch *b, struct ruleset *rules);
/* True if the partition's move matched its row. */
bool batch_holds(const struct batch *b, struct place place);

#endif
