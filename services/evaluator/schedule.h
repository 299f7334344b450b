/* SPDX-License-Identifier: Apache-2.0 */
/* schedule.h - what comes after an attempt: nothing more, another attempt and
 * when, or the end. Pure. */
#ifndef EVALUATOR_SCHEDULE_H
#define EVALUATOR_SCHEDULE_H

#include "common/err.h"
#include "common/str.h"

enum { SCHEDULE_MAX = 32 };
struct schedule {
    int64_t wait_ms[SCHEDULE_MAX]; /* before attempt 1, 2, … */
    size_t count;
};

/* "0s,5s,5m". False and *err (ERR_INPUT). */
bool schedule_parse(struct schedule *s, struct str list, struct err *err)
    MUST_USE;

/* What is known when an attempt has ended. */
struct attempt_result {
    int attempt;            /* from 1 */
    int status;             /* HTTP; 0: no answer */
    int64_t retry_after_ms; /* 0: not told */
    bool permanent;         /* no later attempt can do better */
    bool firing;            /* else a resolve or a test */
    bool incident_open;
    int64_t age_ms;                 /* since it was decided */
    int64_t open_gap_ms, expiry_ms; /* settings */
    double jitter;                  /* 0 to 1 */
};

enum delivery {
    DELIVERY_DONE,
    DELIVERY_RETRY,
    DELIVERY_DEAD,   /* the schedule is used up */
    DELIVERY_FAILED, /* final at once */
    DELIVERY_GONE,   /* failed, and the channel has to be disabled */
};
/* *wait_ms is set for DELIVERY_RETRY. */
enum delivery schedule_next(const struct schedule *s,
                            const struct attempt_result *r, int64_t *wait_ms);

#endif
