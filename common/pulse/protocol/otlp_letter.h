/* SPDX-License-Identifier: Apache-2.0 */
/* otlp_letter.h - a bad data point as Pulse's JSON of its metrics: what a dead
 * letter keeps of it. */
#ifndef COMMON_PULSE_PROTOCOL_OTLP_LETTER_H
#define COMMON_PULSE_PROTOCOL_OTLP_LETTER_H

#include "common/pulse/protocol/otlp_samples.h"

struct otlp_lost {
    struct str name;
    int64_t time_us; /* or CHECK_NO_TIME */
    const struct label *labels;
    size_t label_count;
    const struct otlp_sample *samples;
    size_t sample_count;
};

/* Points share their resource's labels: a small body could make long letters.
 * All of a body have so many bytes. */
struct otlp_letter {
    size_t left;
};

void otlp_letter_init(struct otlp_letter *l, size_t body_bytes);
/* An object, or an array of several. Bytes that are not UTF-8 become U+FFFD.
 * When too much was written, only the metric's name. In a. */
struct str otlp_letter_text(struct otlp_letter *l, struct arena *a,
                            const struct otlp_lost *lost);
/* A bucket's bound or a quantile as its label: "0.5", "+Inf". In a. */
struct str otlp_bound_text(struct arena *a, double bound);

#endif
