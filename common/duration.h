/* SPDX-License-Identifier: Apache-2.0 */
/* duration.h - lengths of time as people write them: 250ms, 10s, 5m, 2h, 7d. */
#ifndef COMMON_DURATION_H
#define COMMON_DURATION_H

#include "common/str.h"

/* A whole number and a unit, nothing else. False, *ms untouched, for all other
 * text and for what does not fit. */
bool duration_parse(struct str s, int64_t *ms) MUST_USE;
enum { DURATION_MAX = 24 }; /* bytes with the final NUL */
/* The largest unit that loses nothing: 90000 gives "90s", 86400000 "1d". */
char *duration_format(int64_t ms, char out[DURATION_MAX]);

#endif
