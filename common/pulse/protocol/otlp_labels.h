/* SPDX-License-Identifier: Apache-2.0 */
/* otlp_labels.h - the attributes of a resource, a scope and a data point as
 * labels; docs/otlp.md has the rule. */
#ifndef COMMON_PULSE_PROTOCOL_OTLP_LABELS_H
#define COMMON_PULSE_PROTOCOL_OTLP_LABELS_H

#include "common/pulse/protocol/otlp_points.h"
#include "common/pulse/protocol/otlp_value.h"

/* More than any setting allows; what goes beyond is counted but not kept. */
enum { OTLP_LABELS_MAX = 320 };

/* Labels in order of what they come from; later ones of the same name took the
 * place of earlier ones. Not yet judged. */
struct otlp_labels {
    struct label items[OTLP_LABELS_MAX];
    size_t count;
    bool overfull;
};

/* What a data point's labels begin with: resource's (those named in wanted, a
 * list with commas, or all with "*") and scope's. False, with c->fault: a value
 * cannot be read. */
bool otlp_labels_begin(struct otlp_labels *l, struct check *c,
                       struct proto_arena *memory, struct str wanted,
                       const struct otlp_point *p) MUST_USE;
/* Then the point's own. */
bool otlp_labels_point(struct otlp_labels *l, struct check *c,
                       struct proto_arena *memory, const struct otlp_point *p)
    MUST_USE;

#endif
