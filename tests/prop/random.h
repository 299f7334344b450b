/* SPDX-License-Identifier: Apache-2.0 */
/* random.h - dice for property tests: splitmix64, the seed of which is printed.
 * PULSE_SEED repeats a run, PULSE_COUNT makes it longer. */
#ifndef TESTS_PROP_RANDOM_H
#define TESTS_PROP_RANDOM_H

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

static uint64_t random_state;

static inline uint64_t random_next(void)
{
    uint64_t z = (random_state += 0x9e3779b97f4a7c15u);
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
    return z ^ (z >> 31);
}

/* 0 … n-1 */
static inline int64_t below(int64_t n)
{
    return (int64_t)(random_next() % (uint64_t)n);
}

static inline bool chance(int percent)
{
    return below(100) < percent;
}

/* Where a test begins; what it prints is all that repeats it. */
static inline void random_begin(const char *test)
{
    const char *given = getenv("PULSE_SEED");
    random_state = given != NULL && *given != '\0' ? strtoull(given, NULL, 10)
                                                   : (uint64_t)time(NULL);
    printf("# %s: PULSE_SEED=%llu\n", test, (unsigned long long)random_state);
    fflush(stdout);
}

/* How often: usually so many times, or as PULSE_COUNT says. */
static inline int64_t random_count(int64_t usual)
{
    const char *given = getenv("PULSE_COUNT");
    return given != NULL && *given != '\0' ? strtoll(given, NULL, 10) : usual;
}

#endif
