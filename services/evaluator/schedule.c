/* SPDX-License-Identifier: Apache-2.0 */
#include "services/evaluator/schedule.h"

#include "common/duration.h"

enum { GONE = 410 };
/* A receiver cannot silence an alert for longer by Retry-After. */
static const int64_t retry_after_max_ms = INT64_C(24) * 3600 * 1000;

bool schedule_parse(struct schedule *s, struct str list, struct err *err)
{
    *s = (struct schedule){.count = 0};
    struct str item;
    while (str_next(&list, ',', &item)) {
        item = str_trim(item);
        if (s->count == SCHEDULE_MAX ||
            !duration_parse(item, &s->wait_ms[s->count])) {
            err_set(err, ERR_INPUT,
                    "PULSE_WEBHOOK_SCHEDULE: \"%.*s\" is no duration (5s,"
                    " 30m), or there are more than %d",
                    STR_ARG(item), SCHEDULE_MAX);
            return false;
        }
        s->count++;
    }
    if (s->count == 0)
        err_set(err, ERR_INPUT, "PULSE_WEBHOOK_SCHEDULE: empty");
    return s->count > 0;
}

static int64_t least(int64_t a, int64_t b)
{
    return a < b ? a : b;
}

static int64_t most(int64_t a, int64_t b)
{
    return a > b ? a : b;
}

/* A firing of an open incident is never given up, and the gaps stay short. One
 * whose incident is over has until its expiry, on the same gaps, because the
 * resolve waits for it. */
static enum delivery firing_next(const struct schedule *s,
                                 const struct attempt_result *r,
                                 int64_t *wait_ms)
{
    size_t next = (size_t)r->attempt;
    int64_t wait = s->wait_ms[next < s->count ? next : s->count - 1];
    wait = least(wait, r->open_gap_ms);
    if (!r->incident_open) {
        int64_t left = r->expiry_ms - r->age_ms;
        if (left <= 0)
            return DELIVERY_DEAD;
        wait = least(wait, left);
    }
    *wait_ms = wait;
    return DELIVERY_RETRY;
}

enum delivery schedule_next(const struct schedule *s,
                            const struct attempt_result *r, int64_t *wait_ms)
{
    if (r->status >= 200 && r->status < 300)
        return DELIVERY_DONE;
    if (r->status == GONE)
        return DELIVERY_GONE;
    if (r->permanent)
        return DELIVERY_FAILED;
    if (r->firing) {
        if (firing_next(s, r, wait_ms) == DELIVERY_DEAD)
            return DELIVERY_DEAD;
    } else {
        if ((size_t)r->attempt >= s->count)
            return DELIVERY_DEAD;
        *wait_ms = s->wait_ms[r->attempt];
    }
    *wait_ms += (int64_t)((double)*wait_ms * 0.1 * r->jitter);
    *wait_ms = most(*wait_ms, least(r->retry_after_ms, retry_after_max_ms));
    return DELIVERY_RETRY;
}
