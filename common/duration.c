/* SPDX-License-Identifier: Apache-2.0 */
#include "common/duration.h"

#include <inttypes.h>
#include <stdio.h>

static const struct {
    const char *name;
    int64_t ms;
} units[] = {
    {"d", 86400000}, {"h", 3600000}, {"m", 60000}, {"s", 1000}, {"ms", 1},
};

bool duration_parse(struct str s, int64_t *ms)
{
    size_t digits = 0;
    while (digits < s.n && s.p[digits] >= '0' && s.p[digits] <= '9')
        digits++;
    int64_t number;
    if (digits == 0 || !str_to_i64((struct str){s.p, digits}, &number))
        return false;
    struct str unit = {s.p + digits, s.n - digits};
    for (size_t i = 0; i < ARRAY_LEN(units); i++)
        if (str_is(unit, units[i].name))
            return !__builtin_mul_overflow(number, units[i].ms, ms);
    return false;
}

char *duration_format(int64_t ms, char out[DURATION_MAX])
{
    size_t i = 0;
    while (i + 1 < ARRAY_LEN(units) && (ms == 0 || ms % units[i].ms != 0))
        i++;
    snprintf(out, DURATION_MAX, "%" PRId64 "%s", ms / units[i].ms,
             units[i].name);
    return out;
}
