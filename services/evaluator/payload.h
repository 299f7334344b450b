/* SPDX-License-Identifier: Apache-2.0 */
/* payload.h - what an incident says, as JSON: to its timeline (evidence), to
 * its row (metadata), to receivers (docs/webhooks.md). */
#ifndef EVALUATOR_PAYLOAD_H
#define EVALUATOR_PAYLOAD_H

#include "common/buf.h"
#include "services/evaluator/batch.h"

/* One message to receivers; under 20 kB whatever is in it. */
struct message {
    enum transition_kind kind;
    int64_t decided_at_us; /* wall clock */
    struct str incident_id, title, severity;
    int64_t started_at_us;
    int64_t resolved_at_us; /* INT64_MIN: not resolved */
    struct str rule_id, rule_name;
    int64_t rule_version;
    double threshold;
    struct str operator_text;
    struct str tenant_id, metric, fingerprint;
    struct str labels; /* a JSON object */
    const struct transition_write *decision;
    struct str evidence; /* a JSON object */
};
void payload_message(const struct message *m, struct buf *out);

/* The samples that decided, the rule's version and threshold then. */
void payload_evidence(const struct transition_write *t, struct buf *out);
/* incidents.metadata of a new incident. */
void payload_metadata(const struct transition_write *t, struct buf *out);
/* One line for people. */
void payload_title(const struct transition_write *t, struct buf *out);

#endif
