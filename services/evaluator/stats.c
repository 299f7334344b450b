/* SPDX-License-Identifier: Apache-2.0 */
#include "services/evaluator/stats.h"

#define SAMPLES "pulse_evaluator_samples_total"
#define SAMPLES_HELP \
    "Samples that reached a rule instance, by what became of them."
#define TRANSITIONS "pulse_evaluator_transitions_total"
#define TRANSITIONS_HELP "Transitions decided, committed or not yet."

static void intake_init(struct stats *s, struct metrics *m)
{
    s->messages = metrics_counter(m, "pulse_evaluator_messages_total",
                                  "Messages read for the first time.", NULL);
    s->replayed = metrics_counter(m, "pulse_evaluator_replayed_total",
                                  "Messages read again into histories.", NULL);
    s->undecodable = metrics_counter(m, "pulse_evaluator_undecodable_total",
                                     "Messages that could not be read (the "
                                     "writer makes dead letters of them).",
                                     NULL);
    s->lag_seconds = metrics_gauge(m, "pulse_evaluator_lag_seconds",
                                   "Now minus received_at of the message read "
                                   "last.",
                                   NULL);
    s->batches = metrics_counter(m, "pulse_evaluator_batches_total",
                                 "Batches committed.", NULL);
    s->batches_failed =
        metrics_counter(m, "pulse_evaluator_batches_failed_total",
                        "Batches the database failed.", NULL);
    s->slices_lost = metrics_counter(m, "pulse_evaluator_slices_lost_total",
                                     "Slices dropped because another "
                                     "evaluator has the partition.",
                                     NULL);
    s->batch_seconds =
        metrics_histogram(m, "pulse_evaluator_batch_seconds",
                          "Time a batch's transaction takes.", 0.001, 10, NULL);
}

static struct counter *gaps(struct metrics *m, const char *kind)
{
    return metrics_counter(m, "pulse_evaluator_gaps_total",
                           "Times messages were found missing; see"
                           " store.offset_gaps.",
                           "kind", kind, NULL);
}

static void gaps_init(struct stats *s, struct metrics *m)
{
    s->gaps_expired = gaps(m, "expired");
    s->gaps_truncated = gaps(m, "truncated");
    s->gaps_recreated = gaps(m, "recreated");
}

static void rules_init(struct stats *s, struct metrics *m)
{
    s->taken = metrics_counter(m, SAMPLES, SAMPLES_HELP, "fate", "taken", NULL);
    s->stale = metrics_counter(m, SAMPLES, SAMPLES_HELP, "fate", "stale", NULL);
    s->repeated =
        metrics_counter(m, SAMPLES, SAMPLES_HELP, "fate", "repeated", NULL);
    s->late = metrics_counter(m, SAMPLES, SAMPLES_HELP, "fate", "late", NULL);
    s->refused =
        metrics_counter(m, SAMPLES, SAMPLES_HELP, "fate", "refused", NULL);
    s->fired =
        metrics_counter(m, TRANSITIONS, TRANSITIONS_HELP, "kind", "fire", NULL);
    s->resolved = metrics_counter(m, TRANSITIONS, TRANSITIONS_HELP, "kind",
                                  "resolve", NULL);
    s->instances =
        metrics_gauge(m, "pulse_evaluator_instances",
                      "Rule instances with samples in memory.", NULL);
    s->sleeping = metrics_gauge(m, "pulse_evaluator_instances_sleeping",
                                "Rule instances of which only the state is in "
                                "memory.",
                                NULL);
    s->rules =
        metrics_gauge(m, "pulse_evaluator_rules", "Rules evaluated.", NULL);
    s->rules_refused = metrics_gauge(m, "pulse_evaluator_rules_refused",
                                     "Enabled rules this version cannot "
                                     "evaluate; the log names them.",
                                     NULL);
}

void stats_init(struct stats *s, struct metrics *m)
{
    intake_init(s, m);
    gaps_init(s, m);
    rules_init(s, m);
}
