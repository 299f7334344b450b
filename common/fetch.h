/* SPDX-License-Identifier: Apache-2.0 */
/* fetch.h - several HTTP GETs at once, in bounded time and memory (libcurl
 * multi). For our own admin ports: plain http, no proxy, no redirect. */
#ifndef COMMON_FETCH_H
#define COMMON_FETCH_H

#include "common/buf.h"

struct fetch {
    char url[256];
    /* filled by fetch_all */
    int status;      /* of HTTP; 0: no complete answer, error says why */
    struct buf body; /* the caller's buf_release */
    char error[128];
    bool too_long; /* the body passed body_max: status is 0 */
    size_t body_max;
};

/* Blocks until all are answered, at most timeout_ms. */
void fetch_all(struct fetch *fetches, size_t count, int64_t timeout_ms,
               size_t body_max);

#endif
