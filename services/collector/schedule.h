/* SPDX-License-Identifier: Apache-2.0 */
/* schedule.h - when a job is due again. Times are ms of the monotonic clock. */
#ifndef SERVICES_COLLECTOR_SCHEDULE_H
#define SERVICES_COLLECTOR_SCHEDULE_H

#include "common/backoff.h"

struct schedule {
    int64_t every_ms;
    int64_t due_ms;
    int64_t good_ms; /* when it was last known to be in order */
    int64_t begun_ms;
    bool running; /* begun, perhaps in several steps, and not ended */
    int busy;     /* postponed so often in a row */
    struct backoff again;
};

enum { SCHEDULE_BUSY_MAX = 20 };

/* Due at once. */
void schedule_init(struct schedule *s, int64_t every_ms, int64_t now_ms);
/* Leading anew: what ran has ended, as if in order; pauses after failures stay,
 * or a job that ends our connection would run without any. */
void schedule_resume(struct schedule *s, int64_t now_ms);
/* Before each step. True: it is the first of a run. */
bool schedule_begin(struct schedule *s, int64_t now_ms);
/* The run is through: due a period after it began; a run longer than that is
 * followed by one, not by all that were missed. */
void schedule_done(struct schedule *s, int64_t now_ms);
/* The run has another step, at once (others that are due go first). */
void schedule_more(struct schedule *s, int64_t now_ms);
/* Somebody was in the way: once more after a short random pause. False: that
 * was so SCHEDULE_BUSY_MAX times in a row. */
bool schedule_busy(struct schedule *s, int64_t now_ms);
/* After a growing pause, never longer than the period or five minutes. */
void schedule_failed(struct schedule *s, int64_t now_ms);
/* How long ago the run that is due should have been done; 0: on time. */
int64_t schedule_late_ms(const struct schedule *s, int64_t now_ms);

#endif
