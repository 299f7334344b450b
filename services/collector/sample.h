/* SPDX-License-Identifier: Apache-2.0 */
/* sample.h - what one round measured: a bounded list of readings. */
#ifndef SERVICES_COLLECTOR_SAMPLE_H
#define SERVICES_COLLECTOR_SAMPLE_H

#include <stdarg.h>

#include "common/arena.h"
#include "common/pulse/record.h"

struct sample {
    struct str name;
    struct str service;         /* p == NULL: the host or the whole system */
    const struct label *labels; /* sorted, names unique */
    size_t label_count;
    double value; /* finite */
};

/* One owner; all texts live in the arena until samples_reset. */
struct samples {
    struct arena *arena;
    struct sample *at;
    size_t count, max;
    uint64_t dropped; /* beyond max, ever */
};
void samples_init(struct samples *s, size_t max);
void samples_release(struct samples *s);
void samples_reset(struct samples *s);

enum { SAMPLE_LABELS_MAX = 16 };
/* Copies everything. Not finite: left out, silently. labels need not be
 * sorted; a second label of the same name is left out. */
void samples_add(struct samples *s, struct str service, struct str name,
                 double value, const struct label *labels, size_t label_count);
/* Labels as pairs of C strings, ended by NULL. service may be NULL. */
void samples_addf(struct samples *s, const char *service, const char *name,
                  double value, ...) __attribute__((sentinel));

#endif
