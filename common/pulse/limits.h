/* SPDX-License-Identifier: Apache-2.0 */
/* limits.h - what a tenant may send: the numbers of tenants.limits over the
 * defaults of the process. The edge goes by them, and so does whoever lets a
 * record in later (redrive). */
#ifndef COMMON_PULSE_LIMITS_H
#define COMMON_PULSE_LIMITS_H

#include "common/conf.h"
#include "common/pulse/check.h"

/* The process's settings. */
struct limits {
    int64_t records_rate, records_burst, bytes_rate, bytes_burst;
    int64_t records_max, body_bytes_max; /* of one request */
    int64_t labels_max, fields_max;
    int64_t name_bytes, label_name_bytes, label_value_bytes;
    int64_t time_past_ms, time_future_ms;
    int64_t message_bytes_max; /* of the encoded record */
};
/* The group for conf_program.groups. */
struct conf_group limits_group(struct limits *into);

/* As they are called in tenants.limits. */
enum limit {
    LIMIT_RECORDS_PER_SECOND,
    LIMIT_RECORDS_BURST,
    LIMIT_BYTES_PER_SECOND,
    LIMIT_BYTES_BURST,
    LIMIT_RECORDS_PER_REQUEST,
    LIMIT_BODY_BYTES,
    LIMIT_LABELS,
    LIMIT_FIELDS,
    LIMIT_NAME_BYTES,
    LIMIT_LABEL_NAME_BYTES,
    LIMIT_LABEL_VALUE_BYTES,
    LIMIT_TIME_PAST_SECONDS,
    LIMIT_TIME_FUTURE_SECONDS,
    LIMIT_SERIES, /* the writer's; of no concern to the edge */
    LIMIT_COUNT,
};
/* The ranges are those of store.limit_ranges() in the database. */
struct limit_kind {
    const char *name;
    int64_t min, max; /* whole numbers, in the name's unit */
    const char *help;
};
extern const struct limit_kind limit_kinds[LIMIT_COUNT];
/* LIMIT_COUNT: there is none of this name. */
enum limit limit_find(struct str name);

/* One tenant's. A rate of 0 is no limit; a burst of 0 is ten seconds of it. */
struct tenant_limits {
    int64_t of[LIMIT_COUNT];
};
struct tenant_limits limits_defaults(const struct limits *l);
/* Takes over what json, an object as in tenants.limits, says. Names and values
 * that are none of limit_kinds are passed over. records_per_request and
 * body_bytes cannot exceed the defaults: those bound this process's memory.
 * scratch is used while it runs. */
void limits_override(struct tenant_limits *t, struct str json,
                     struct arena *scratch);
struct check_rules limits_rules(const struct tenant_limits *t);

#endif
