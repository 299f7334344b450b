/* SPDX-License-Identifier: Apache-2.0 */
/* timestamp.h - RFC 3339 and epoch numbers to and from µs since 1970 UTC. */
#ifndef COMMON_TIMESTAMP_H
#define COMMON_TIMESTAMP_H

#include "common/str.h"

/* RFC 3339 "2026-01-31T12:00:00.123456Z", offset or Z required, 't'/' ' as
 * separator allowed, fractions beyond µs are cut, leap second :60 becomes
 * :59.999999. Years 1970 to 9999. */
bool timestamp_parse(struct str s, int64_t *us) MUST_USE;
/* Epoch number with automatic unit by magnitude: below 1e11 s, below 1e14 ms,
 * below 1e17 µs, else ns (cut to µs). Negative: false. */
bool timestamp_from_epoch(int64_t n, int64_t *us) MUST_USE;
/* Epoch seconds (or ms … by the same magnitudes) with a fraction. */
bool timestamp_from_epoch_real(double n, int64_t *us) MUST_USE;
enum { TIMESTAMP_MAX = 28 }; /* bytes with the final NUL */
/* Always UTC with six digits: 2026-01-31T12:00:00.123456Z. Returns out. */
char *timestamp_format(int64_t us, char out[TIMESTAMP_MAX]);

#endif
