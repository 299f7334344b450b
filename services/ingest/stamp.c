/* SPDX-License-Identifier: Apache-2.0 */
#include "services/ingest/stamp.h"

void stamp_init(struct stamp *s, struct stamp_clock *clock, int64_t received_us,
                size_t most)
{
    *s = (struct stamp){
        .clock = clock, .received_us = received_us, .alone = most == 1};
}

void stamp_release(struct stamp *s)
{
    map_free(s->seen);
    s->seen = NULL;
}

/*
 * Takes some µs for this request alone: one at first, twice as many whenever a
 * key has used up those. So a request takes no more than it has records,
 * whatever it could have. Keys of others are not looked at: one busy sender
 * moves everybody's untimed records on by some µs; above a million untimed
 * records a second they would run ahead of the clock.
 */
static void stamp_reserve(struct stamp *s)
{
    int64_t base, free_us = atomic_load(&s->clock->free_us);

    s->width = s->width > 0 ? 2 * s->width : 1;
    do
        base = s->received_us > free_us ? s->received_us : free_us;
    while (!atomic_compare_exchange_weak(&s->clock->free_us, &free_us,
                                         base + (int64_t)s->width));
    s->base_us = base;
    if (s->seen)
        map_clear(s->seen);
}

int64_t stamp_next(struct stamp *s, struct str key)
{
    if (s->width == 0)
        stamp_reserve(s);
    if (s->alone)
        return s->base_us;
    if (!s->seen)
        s->seen = map_new(0, NULL);
    uintptr_t earlier = (uintptr_t)map_get(s->seen, key);
    if (earlier == s->width) {
        stamp_reserve(s);
        earlier = 0;
    }
    map_put(s->seen, key, (void *)(earlier + 1));
    return s->base_us + (int64_t)earlier;
}
