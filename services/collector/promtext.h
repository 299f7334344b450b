/* SPDX-License-Identifier: Apache-2.0 */
/* promtext.h - reads Prometheus text (exposition format 0.0.4), sample by
 * sample. Pure. */
#ifndef SERVICES_COLLECTOR_PROMTEXT_H
#define SERVICES_COLLECTOR_PROMTEXT_H

#include "common/arena.h"
#include "common/pulse/record.h"

enum { PROMTEXT_LABELS_MAX = 16 };

struct promtext {
    struct str rest;     /* what is still to read */
    struct arena *arena; /* unescaped label values */
    uint64_t bad_lines;  /* skipped */
};

struct promtext_sample {
    struct str name;
    struct label labels[PROMTEXT_LABELS_MAX];
    size_t label_count;
    double value; /* may be NaN or infinite; a timestamp is ignored */
};

/* Comments and blank lines are passed over, bad lines counted. False at the
 * end. */
bool promtext_next(struct promtext *p, struct promtext_sample *out);

#endif
