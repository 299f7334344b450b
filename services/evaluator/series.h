/* SPDX-License-Identifier: Apache-2.0 */
/* series.h - one series that rules watch, and its instance of each of them. */
#ifndef EVALUATOR_SERIES_H
#define EVALUATOR_SERIES_H

#include "common/pulse/fingerprint.h"
#include "common/pulse/instance.h"

struct series_id {
    struct str tenant_id, name;
    const struct label *labels; /* sorted by name */
    size_t label_count;
};

/* One rule on one series, in memory. */
struct watch {
    struct instance instance;
    const struct rule *rule;
    struct series *series;
    int64_t from;        /* offset at which the rule's version began to count */
    int64_t last_offset; /* of the newest message that reached it */
    int64_t written_max_us; /* event_max in its row; INT64_MIN: no row */
    bool dirty;             /* its row has to be written with the batch */
    struct watch *previous, *next; /* in the partition, by last_offset */
};

struct series {
    struct series_id id; /* owned */
    char fingerprint[FINGERPRINT_MAX];
    struct watch **watches;
    size_t count;
};

/* Copies id. */
struct series *series_new(const struct series_id *id) MUST_USE;
void series_free(struct series *s); /* with its watches */
DEFINE_AUTO(series)

struct watch *series_watch(struct series *s, const struct rule *rule);
void series_unwatch(struct series *s, struct watch *w);
/* The watch of this rule, whichever version; NULL if there is none. */
struct watch *series_find(const struct series *s, struct str rule_id);

#endif
