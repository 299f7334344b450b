/* SPDX-License-Identifier: Apache-2.0 */
/* backoff.h - waiting times that grow, with jitter. */
#ifndef COMMON_BACKOFF_H
#define COMMON_BACKOFF_H

#include "common/base.h"

struct backoff {
    int64_t first_ms, max_ms;
    int attempt; /* failures so far */
};

/* The next delay: first * 2^attempt, at most max, times a random 0.5 to 1. */
int64_t backoff_next_ms(struct backoff *b);
void backoff_reset(struct backoff *b); /* after a success */
/* Uniform in [0, 1), seeded per process; for jitter, not for secrets. */
double random_unit(void);

#endif
