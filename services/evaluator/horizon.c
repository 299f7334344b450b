/* SPDX-License-Identifier: Apache-2.0 */
#include "services/evaluator/horizon.h"

#include <stdlib.h>
#include <string.h>

enum { BLOCK = 64 }; /* offsets */

void horizon_release(struct horizon *h)
{
    free(h->entries);
    *h = (struct horizon){0};
}

static struct horizon_entry *last(struct horizon *h)
{
    return h->count ? &h->entries[h->head + h->count - 1] : NULL;
}

static struct horizon_entry *append(struct horizon *h)
{
    if (h->head + h->count == h->room) {
        if (h->head > h->room / 2) {
            memmove(h->entries, h->entries + h->head,
                    h->count * sizeof *h->entries);
            h->head = 0;
        } else {
            h->room = h->room ? h->room * 2 : 64;
            h->entries = xreallocarray(h->entries, h->room, sizeof *h->entries);
        }
    }
    return &h->entries[h->head + h->count++];
}

void horizon_note(struct horizon *h, int64_t offset, int64_t until_us)
{
    struct horizon_entry *e = last(h);
    if (!e || e->first_off / BLOCK != offset / BLOCK) {
        e = append(h);
        *e = (struct horizon_entry){offset, until_us};
    } else if (until_us > e->until_us) {
        e->until_us = until_us;
    }
}

int64_t horizon_from(struct horizon *h, int64_t log_time_us, int64_t next)
{
    while (h->count > 0 && h->entries[h->head].until_us < log_time_us) {
        h->head++;
        h->count--;
    }
    return h->count ? h->entries[h->head].first_off : next;
}
