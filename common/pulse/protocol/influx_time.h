/* SPDX-License-Identifier: Apache-2.0 */
/* influx_time.h - the units of line protocol's times. */
#ifndef COMMON_PULSE_PROTOCOL_INFLUX_TIME_H
#define COMMON_PULSE_PROTOCOL_INFLUX_TIME_H

#include "common/str.h"

struct influx_unit {
    const char *name;
    int64_t ns;
};

/* By what the parameter precision says; empty: nanoseconds. NULL: no unit. */
const struct influx_unit *influx_unit_find(struct str precision);
/* Cut to µs. False: beyond 64 bits. */
bool influx_time_us(const struct influx_unit *unit, int64_t time, int64_t *us)
    MUST_USE;

#endif
