/* SPDX-License-Identifier: Apache-2.0 */
/* lag.h - how old the next message to read is, told from where the log's end
 * was seen when. Pure. */
#ifndef SERVICES_COLLECTOR_LAG_H
#define SERVICES_COLLECTOR_LAG_H

#include "common/base.h"

enum { LAG_MARKS = 360 }; /* an hour of rounds, 10 s each */

/* Ends of one partition's log, newest last in the ring. */
struct lag_history {
    struct lag_mark {
        int64_t at_us; /* monotonic */
        int64_t end;
    } marks[LAG_MARKS];
    size_t first, count;
};

/* An end that went back (a new topic of the same name) begins anew. */
void lag_note(struct lag_history *h, int64_t at_us, int64_t end);
/* Seconds since message `next` was appended, interpolated between the marks; 0
 * when everything is read; when the message is older than the history, the
 * history's age: at least so much. */
double lag_seconds(const struct lag_history *h, int64_t now_us, int64_t next);

#endif
