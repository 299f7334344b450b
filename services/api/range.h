/* SPDX-License-Identifier: Apache-2.0 */
/* range.h - the time range and the number of points a chart asks for. Pure. */
#ifndef SERVICES_API_RANGE_H
#define SERVICES_API_RANGE_H

#include "common/err.h"
#include "common/str.h"

struct range {
    int64_t start_us, end_us; /* start <= time < end */
};

/* Each is a duration before now (15m, 1h, 7d), RFC 3339, or an epoch number (s,
 * ms, µs, ns by magnitude). Absent (p == NULL): start 1h, end now. False and
 * *err (ERR_INPUT, naming the parameter). */
bool range_parse(struct str start, struct str end, int64_t now_us,
                 struct range *out, struct err *err) MUST_USE;
/* A whole number between min and max; absent: *out is left. */
bool count_parse(const char *name, struct str text, int64_t min, int64_t max,
                 int64_t *out, struct err *err) MUST_USE;

#endif
