/* SPDX-License-Identifier: Apache-2.0 */
/* limits.h - what a record may be to get in: settings of the edge that whoever
 * lets a record in later (redrive) goes by too. */
#ifndef COMMON_PULSE_LIMITS_H
#define COMMON_PULSE_LIMITS_H

#include "common/conf.h"
#include "common/pulse/check.h"

struct limits {
    int64_t time_past_ms, time_future_ms;
    int64_t labels_max, fields_max;
    int64_t message_bytes_max; /* of the encoded record */
};
/* The group for conf_program.groups. */
struct conf_group limits_group(struct limits *into);
struct check_rules limits_rules(const struct limits *l);

#endif
