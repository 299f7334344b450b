/* SPDX-License-Identifier: Apache-2.0 */
/* otlp_samples.h - a data point as the numbers that it is stored as: a
 * histogram's are its buckets, its count and its sum. */
#ifndef COMMON_PULSE_PROTOCOL_OTLP_SAMPLES_H
#define COMMON_PULSE_PROTOCOL_OTLP_SAMPLES_H

#include "common/pulse/check.h"
#include "common/pulse/protocol/otlp_points.h"

enum {
    OTLP_BUCKETS_MAX = 1024, /* of a histogram, quantiles of a summary */
    /*
     * Exponential histograms change their scale as values come, and a bucket
     * is a series: finer ones are merged to this scale, whose bounds are
     * always the same four from each power of two to the next.
     */
    OTLP_SCALE_MAX = 2,
};

struct otlp_sample {
    const char *suffix; /* of the metric's name; "" for a single number */
    const char *label;  /* "le" or "quantile"; NULL: none */
    double bound;       /* the label's value; may be infinite */
    double value;       /* finite */
};

/* Of one point; {0} at first. The next takes the same room: of a small body
 * there may be ten thousand with a thousand buckets each. */
struct otlp_samples {
    struct otlp_sample *items;
    size_t count, room;
};

/* In c's arena. False, with c->fault: no value, a value that is not finite, a
 * histogram that contradicts itself; *out then is what can be shown of it. */
bool otlp_samples_make(struct check *c, const struct otlp_point *p,
                       struct otlp_samples *out) MUST_USE;
/* As many as otlp_samples_make gives, or a few more. */
size_t otlp_samples_bound(const struct otlp_point *p);

#endif
