/* SPDX-License-Identifier: Apache-2.0 */
#include "services/collector/schedule.h"

enum { AGAIN_FIRST_MS = 1000, AGAIN_MAX_MS = 300000 };
enum { BUSY_LEAST_MS = 50, BUSY_SPREAD_MS = 450 };

void schedule_init(struct schedule *s, int64_t every_ms, int64_t now_ms)
{
    *s = (struct schedule){
        .every_ms = every_ms,
        .due_ms = now_ms,
        .good_ms = now_ms,
        .again = {.first_ms = AGAIN_FIRST_MS,
                  .max_ms = every_ms < AGAIN_MAX_MS ? every_ms : AGAIN_MAX_MS},
    };
}

void schedule_resume(struct schedule *s, int64_t now_ms)
{
    s->good_ms = now_ms;
    s->running = false;
    s->busy = 0;
}

bool schedule_begin(struct schedule *s, int64_t now_ms)
{
    bool first = !s->running;
    if (first)
        s->begun_ms = now_ms;
    s->running = true;
    return first;
}

void schedule_done(struct schedule *s, int64_t now_ms)
{
    s->running = false;
    s->busy = 0;
    backoff_reset(&s->again);
    s->good_ms = now_ms;
    s->due_ms = s->begun_ms + s->every_ms;
    if (s->due_ms < now_ms)
        s->due_ms = now_ms;
}

void schedule_more(struct schedule *s, int64_t now_ms)
{
    s->busy = 0;
    s->due_ms = now_ms;
}

bool schedule_busy(struct schedule *s, int64_t now_ms)
{
    if (s->busy == SCHEDULE_BUSY_MAX) {
        s->busy = 0;
        return false;
    }
    s->busy++;
    s->due_ms = now_ms + BUSY_LEAST_MS +
                (int64_t)(random_unit() * (double)BUSY_SPREAD_MS);
    return true;
}

void schedule_failed(struct schedule *s, int64_t now_ms)
{
    s->running = false;
    s->busy = 0;
    s->due_ms = now_ms + backoff_next_ms(&s->again);
}

int64_t schedule_late_ms(const struct schedule *s, int64_t now_ms)
{
    int64_t late_ms = now_ms - s->good_ms - s->every_ms;
    return late_ms > 0 ? late_ms : 0;
}
