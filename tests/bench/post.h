/* SPDX-License-Identifier: Apache-2.0 */
/* post.h - one POST of the load generator, ready to be sent again and again:
 * only the times in its records change. */
#ifndef BENCH_POST_H
#define BENCH_POST_H

#include "common/buf.h"

enum post_shape { POST_TELEMETRY, POST_METRIC };

struct post_options {
    const char *host, *path, *key; /* key: may be NULL */
    enum post_shape shape;
    size_t messages; /* 1: an object, more: an array */
};

struct post {
    struct buf bytes; /* head and body */
    size_t *times;    /* where each record's time stands in bytes */
    size_t count;
};

/* Its records speak for devices (or series) first, first + 1, … */
void post_init(struct post *p, const struct post_options *options,
               uint64_t first);
void post_release(struct post *p);
/* Gives each record a time of its own: now, or 1 µs after the one before. */
void post_stamp(struct post *p, int64_t *last_us);

#endif
