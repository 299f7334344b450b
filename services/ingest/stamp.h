/* SPDX-License-Identifier: Apache-2.0 */
/* stamp.h - times for records that came without one: the request's
 * received_at, plus 1 µs or more for each earlier untimed record of the
 * same key in the request; never the same twice for one key in one process. */
#ifndef INGEST_STAMP_H
#define INGEST_STAMP_H

#include <stdatomic.h>

#include "common/map.h"

/* The first µs that no request has taken; one per process, any thread. */
struct stamp_clock {
    _Atomic int64_t free_us;
};

struct stamp { /* one request */
    struct stamp_clock *clock;
    int64_t received_us;
    bool alone;   /* its record is the only one */
    size_t width; /* µs taken, from base_us; 0: none yet */
    int64_t base_us;
    struct map *seen; /* key -> how many of them are used */
};

/* most: records the request may have. */
void stamp_init(struct stamp *s, struct stamp_clock *clock, int64_t received_us,
                size_t most);
void stamp_release(struct stamp *s);
DEFINE_AUTO_RELEASE(stamp)
int64_t stamp_next(struct stamp *s, struct str key);

#endif
