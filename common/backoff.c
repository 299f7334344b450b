/* SPDX-License-Identifier: Apache-2.0 */
#include "common/backoff.h"

#include <stdatomic.h>
#include <sys/random.h>

#include "common/clock.h"

/* splitmix64 (Steele, Lea, Flood 2014): enough for jitter. */
double random_unit(void)
{
    static _Atomic uint64_t state;
    if (atomic_load(&state) == 0) {
        uint64_t seed = 0;
        if (getrandom(&seed, sizeof seed, GRND_NONBLOCK) < 0)
            seed = (uint64_t)clock_wall_us();
        atomic_store(&state, seed | 1);
    }
    uint64_t z = atomic_fetch_add(&state, 0x9e3779b97f4a7c15u);
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
    z ^= z >> 31;
    return (double)(z >> 11) * 0x1p-53;
}

int64_t backoff_next_ms(struct backoff *b)
{
    int64_t delay_ms = b->first_ms;
    for (int i = 0; i < b->attempt && delay_ms < b->max_ms; i++)
        delay_ms *= 2;
    if (delay_ms > b->max_ms)
        delay_ms = b->max_ms;
    b->attempt++;
    return (int64_t)((double)delay_ms * (0.5 + random_unit() / 2));
}

void backoff_reset(struct backoff *b)
{
    b->attempt = 0;
}
