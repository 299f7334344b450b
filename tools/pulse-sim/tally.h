/* SPDX-License-Identifier: Apache-2.0 */
/* tally.h - what became of the messages, and how long they took. */
#ifndef SIM_TALLY_H
#define SIM_TALLY_H

#include "common/base.h"

/* Latencies in buckets that grow by less than 1 %, 1 µs to about 1 h. */
enum { TALLY_SUB_BITS = 7, TALLY_BUCKETS = (32 - 6) << 7 };

struct tally {
    uint64_t due;      /* messages of the schedule so far, gaps apart */
    uint64_t sent;     /* requests, resends and retries among them */
    uint64_t acked;    /* messages answered 2xx */
    uint64_t rejected; /* messages answered 4xx: never to be sent again */
    uint64_t failed;   /* messages given up without a final answer */
    uint64_t retries, resends, gaps;
    uint64_t latencies[TALLY_BUCKETS];
    int64_t latency_max_us;
};

void tally_latency(struct tally *t, int64_t us);
/* The latency that share (0 to 1) of the acknowledged stayed within. */
int64_t tally_quantile_us(const struct tally *t, double share);

#endif
