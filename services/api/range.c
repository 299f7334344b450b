/* SPDX-License-Identifier: Apache-2.0 */
#include "services/api/range.h"

#include <inttypes.h>

#include "common/duration.h"
#include "common/timestamp.h"

static bool moment_parse(struct str text, int64_t now_us, int64_t *out)
{
    int64_t number, span_us;
    double real;
    if (duration_parse(text, &number))
        return !__builtin_mul_overflow(number, 1000, &span_us) &&
               !__builtin_sub_overflow(now_us, span_us, out);
    if (str_to_i64(text, &number))
        return timestamp_from_epoch(number, out);
    if (str_to_double(text, &real))
        return timestamp_from_epoch_real(real, out);
    return timestamp_parse(text, out);
}

static bool moment_or(const char *name, struct str text, int64_t fallback_us,
                      int64_t now_us, int64_t *out, struct err *err)
{
    *out = fallback_us;
    if (!text.p || moment_parse(text, now_us, out))
        return true;
    err_set(err, ERR_INPUT,
            "%s is no duration (15m, 1h, 7d), RFC 3339 time or epoch number",
            name);
    return false;
}

bool range_parse(struct str start, struct str end, int64_t now_us,
                 struct range *out, struct err *err)
{
    const int64_t hour_us = INT64_C(3600000000);
    if (!moment_or("start", start, now_us - hour_us, now_us, &out->start_us,
                   err) ||
        !moment_or("end", end, now_us, now_us, &out->end_us, err))
        return false;
    if (out->start_us < out->end_us && out->start_us >= 0)
        return true;
    err_set(err, ERR_INPUT, "start must lie before end, and after 1970");
    return false;
}

bool count_parse(const char *name, struct str text, int64_t min, int64_t max,
                 int64_t *out, struct err *err)
{
    int64_t n;
    if (!text.p)
        return true;
    if (str_to_i64(text, &n) && n >= min && n <= max) {
        *out = n;
        return true;
    }
    err_set(err, ERR_INPUT, "%s must be a number from %" PRId64 " to %" PRId64,
            name, min, max);
    return false;
}
