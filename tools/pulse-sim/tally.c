/* SPDX-License-Identifier: Apache-2.0 */
#include "tools/pulse-sim/tally.h"

enum { SUB = 1 << TALLY_SUB_BITS };

/* Below 2 * SUB one bucket per µs, then SUB buckets per power of two. */
static size_t bucket_of(int64_t us)
{
    if (us < 2 * SUB)
        return us < 0 ? 0 : (size_t)us;
    int shift = 63 - __builtin_clzll((uint64_t)us) - TALLY_SUB_BITS;
    size_t at = (size_t)shift * SUB + (size_t)(us >> shift);
    return at < TALLY_BUCKETS ? at : TALLY_BUCKETS - 1;
}

static int64_t bucket_top(size_t at)
{
    if (at < 2 * SUB)
        return (int64_t)at;
    size_t shift = at / SUB - 1;
    return (int64_t)(((at - shift * SUB) + 1) << shift) - 1;
}

void tally_latency(struct tally *t, int64_t us)
{
    t->latencies[bucket_of(us)]++;
    if (us > t->latency_max_us)
        t->latency_max_us = us;
}

int64_t tally_quantile_us(const struct tally *t, double share)
{
    uint64_t total = 0, seen = 0;

    for (size_t i = 0; i < TALLY_BUCKETS; i++)
        total += t->latencies[i];
    for (size_t i = 0; i < TALLY_BUCKETS; i++) {
        seen += t->latencies[i];
        if (seen > 0 && (double)seen >= share * (double)total) {
            int64_t top = bucket_top(i);
            return top < t->latency_max_us ? top : t->latency_max_us;
        }
    }
    return 0;
}
