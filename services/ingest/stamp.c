/* SPDX-License-Identifier: Apache-2.0 */
#include "services/ingest/stamp.h"

#include <assert.h>

void stamp_init(struct stamp *s, struct stamp_clock *clock, int64_t received_us,
                size_t width)
{
    *s = (struct stamp){
        .clock = clock, .received_us = received_us, .width = width};
}

void stamp_release(struct stamp *s)
{
    map_free(s->seen);
    s->seen = NULL;
}

/*
 * Takes width µs for this request alone. Keys are not looked at, so one busy
 * sender moves everybody's untimed records on by some µs; above a million
 * untimed records a second they would run ahead of the clock.
 */
static void stamp_reserve(struct stamp *s)
{
    int64_t base, free_us = atomic_load(&s->clock->free_us);

    do
        base = s->received_us > free_us ? s->received_us : free_us;
    while (!atomic_compare_exchange_weak(&s->clock->free_us, &free_us,
                                         base + (int64_t)s->width));
    s->base_us = base;
}

int64_t stamp_next(struct stamp *s, struct str key)
{
    if (s->base_us == 0)
        stamp_reserve(s);
    if (s->width == 1)
        return s->base_us;
    if (!s->seen)
        s->seen = map_new(0, NULL);
    uintptr_t earlier = (uintptr_t)map_get(s->seen, key);
    assert(earlier < s->width);
    map_put(s->seen, key, (void *)(earlier + 1));
    return s->base_us + (int64_t)earlier;
}
