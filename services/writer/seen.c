/* SPDX-License-Identifier: Apache-2.0 */
#include "services/writer/seen.h"

#include <stdlib.h>

/* Keys that share a slot share a group of WAYS entries. */
enum { WAYS = 4 };

struct entry {
    uint64_t key; /* 0: free */
    int64_t last_us;
    uint32_t assignment;
    uint32_t used; /* turn of the last use: the smallest is overwritten */
};

struct seen {
    size_t mask; /* over groups */
    uint32_t turn;
    struct entry entries[];
};

struct seen *seen_new(size_t entries)
{
    size_t groups = 1;
    while (groups * WAYS < entries)
        groups *= 2;
    struct seen *s =
        xcalloc(1, sizeof *s + groups * WAYS * sizeof(struct entry));
    s->mask = groups - 1;
    return s;
}

void seen_free(struct seen *s)
{
    free(s);
}

/* Keys are numbers given one after the other, whose rows come in that order
 * and find their groups side by side; or hashes, the lowest bit always 1. */
static size_t group_of(const struct seen *s, uint64_t key)
{
    return (size_t)(key >> 1 & s->mask) * WAYS;
}

bool seen_newer(const struct seen *s, uint64_t key, uint32_t assignment,
                int64_t time_us)
{
    const struct entry *e = &s->entries[group_of(s, key)];
    for (int i = 0; key != 0 && i < WAYS; i++)
        if (e[i].key == key)
            return e[i].assignment == assignment && time_us > e[i].last_us;
    return false;
}

static struct entry *place_for(struct seen *s, uint64_t key)
{
    struct entry *e = &s->entries[group_of(s, key)], *oldest = e;
    for (int i = 0; i < WAYS; i++) {
        if (e[i].key == key)
            return &e[i];
        if (e[i].used < oldest->used)
            oldest = &e[i];
    }
    return oldest;
}

void seen_note(struct seen *s, uint64_t key, uint32_t assignment,
               int64_t time_us)
{
    if (key == 0)
        return;
    struct entry *e = place_for(s, key);
    bool known = e->key == key && e->assignment == assignment;
    if (!known || e->last_us < time_us)
        e->last_us = time_us;
    e->key = key;
    e->assignment = assignment;
    e->used = ++s->turn;
}
