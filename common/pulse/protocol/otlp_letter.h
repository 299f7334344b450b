/* SPDX-License-Identifier: Apache-2.0 */
/* otlp_letter.h - a bad data point as Pulse's JSON of its metrics: what a dead
 * letter keeps of it. */
#ifndef COMMON_PULSE_PROTOCOL_OTLP_LETTER_H
#define COMMON_PULSE_PROTOCOL_OTLP_LETTER_H

#include "common/pulse/protocol/metric_letter.h"
#include "common/pulse/protocol/otlp_samples.h"

/* What all metrics of the point have; name is yet without suffix. */
struct otlp_lost {
    struct metric_lost common;
    const struct otlp_sample *samples;
    size_t sample_count;
};

/* An object, or an array of several; see metric_letter. In a. */
struct str otlp_letter(struct metric_letters *l, struct arena *a,
                       const struct otlp_lost *lost);
/* A bucket's bound or a quantile as its label: "0.5", "+Inf". In a. */
struct str otlp_bound_text(struct arena *a, double bound);

#endif
