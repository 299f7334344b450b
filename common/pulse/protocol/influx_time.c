/* SPDX-License-Identifier: Apache-2.0 */
#include "common/pulse/protocol/influx_time.h"

const struct influx_unit *influx_unit_find(struct str precision)
{
    static const struct influx_unit units[] = {
        {"ns", 1},
        {"n", 1},
        {"us", 1000},
        {"u", 1000},
        {"ms", 1000000},
        {"s", 1000000000},
        {"m", INT64_C(60) * 1000000000},
        {"h", INT64_C(3600) * 1000000000},
    };

    if (precision.n == 0)
        return &units[0];
    for (size_t i = 0; i < ARRAY_LEN(units); i++)
        if (str_is(precision, units[i].name))
            return &units[i];
    return NULL;
}

bool influx_time_us(const struct influx_unit *unit, int64_t time, int64_t *us)
{
    if (unit->ns < 1000) {
        *us = time / 1000;
        return true;
    }
    return !__builtin_mul_overflow(time, unit->ns / 1000, us);
}
