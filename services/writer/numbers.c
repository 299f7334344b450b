/* SPDX-License-Identifier: Apache-2.0 */
#include "services/writer/numbers.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <xxhash.h>

/*
 * Open addressing, the hash beside the pointer, at most half full. Eviction is
 * second chance: a hand goes round the slots, takes the mark of use off those
 * that have it and removes the first that has none. The hash is seeded, so
 * that keys chosen by a client cannot all fall into one place.
 */
struct entry {
    int64_t number;
    uint32_t n;
    bool used; /* got, since the hand last came by */
    char key[];
};

struct slot {
    uint64_t hash;
    struct entry *entry; /* NULL: free */
};

struct numbers {
    struct slot *slots;
    size_t mask, count, max_entries, hand;
    size_t bytes, max_bytes;
    uint64_t seed;
};

enum { SLOTS_FIRST = 1024 };

struct numbers *numbers_new(size_t max_entries, size_t max_bytes)
{
    struct numbers *t = xcalloc(1, sizeof *t);
    t->slots = xcalloc(SLOTS_FIRST, sizeof *t->slots);
    t->mask = SLOTS_FIRST - 1;
    t->max_entries = max_entries;
    t->max_bytes = max_bytes;
    if (getrandom(&t->seed, sizeof t->seed, GRND_NONBLOCK) < 0)
        t->seed = (uint64_t)(uintptr_t)t;
    return t;
}

void numbers_clear(struct numbers *t)
{
    for (size_t i = 0; i <= t->mask && t->count > 0; i++) {
        t->count -= t->slots[i].entry != NULL;
        free(t->slots[i].entry);
        t->slots[i].entry = NULL;
    }
    t->bytes = 0;
}

void numbers_free(struct numbers *t)
{
    if (t == NULL)
        return;
    numbers_clear(t);
    free(t->slots);
    free(t);
}

static uint64_t hash_of(const struct numbers *t, struct str key)
{
    return XXH3_64bits_withSeed(key.p, key.n, t->seed);
}

/* The key's slot, or the free one where it would go. */
static struct slot *find(const struct numbers *t, struct str key, uint64_t hash)
{
    for (size_t i = hash & t->mask;; i = (i + 1) & t->mask) {
        struct slot *s = &t->slots[i];
        if (s->entry == NULL || (s->hash == hash && s->entry->n == key.n &&
                                 memcmp(s->entry->key, key.p, key.n) == 0))
            return s;
    }
}

int64_t numbers_get(struct numbers *t, struct str key)
{
    struct entry *e = find(t, key, hash_of(t, key))->entry;
    if (e == NULL)
        return 0;
    e->used = true;
    return e->number;
}

static void grow(struct numbers *t)
{
    struct slot *old = t->slots;
    size_t count = t->mask + 1;
    t->slots = xcalloc(count * 2, sizeof *t->slots);
    t->mask = count * 2 - 1;
    t->hand = 0;
    for (size_t k = 0; k < count; k++) {
        if (old[k].entry == NULL)
            continue;
        size_t i = old[k].hash & t->mask;
        while (t->slots[i].entry != NULL)
            i = (i + 1) & t->mask;
        t->slots[i] = old[k];
    }
    free(old);
}

/* What stands behind the slot moves up where it would not be found else. */
static void slot_free(struct numbers *t, size_t i)
{
    t->bytes -= t->slots[i].entry->n;
    free(t->slots[i].entry);
    t->slots[i].entry = NULL;
    t->count--;
    for (size_t k = (i + 1) & t->mask; t->slots[k].entry != NULL;
         k = (k + 1) & t->mask) {
        size_t home = t->slots[k].hash & t->mask;
        if (((k - home) & t->mask) < ((k - i) & t->mask))
            continue; /* its home is behind the gap */
        t->slots[i] = t->slots[k];
        t->slots[k].entry = NULL;
        i = k;
    }
}

static void evict(struct numbers *t)
{
    for (;; t->hand = (t->hand + 1) & t->mask) {
        struct entry *e = t->slots[t->hand].entry;
        if (e == NULL)
            continue;
        if (!e->used) {
            slot_free(t, t->hand);
            return;
        }
        e->used = false;
    }
}

void numbers_put(struct numbers *t, struct str key, int64_t number)
{
    assert(number > 0 && key.n <= UINT32_MAX);
    uint64_t hash = hash_of(t, key);
    struct entry *e = find(t, key, hash)->entry;
    if (e != NULL) {
        e->number = number;
        return;
    }
    if (key.n > t->max_bytes)
        return;
    while (t->count >= t->max_entries || t->bytes > t->max_bytes - key.n)
        evict(t);
    if ((t->count + 1) * 2 > t->mask + 1)
        grow(t);
    e = xmalloc(sizeof *e + key.n);
    *e = (struct entry){.number = number, .n = (uint32_t)key.n};
    if (key.n > 0)
        memcpy(e->key, key.p, key.n);
    *find(t, key, hash) = (struct slot){hash, e};
    t->count++;
    t->bytes += key.n;
}

size_t numbers_count(const struct numbers *t)
{
    return t->count;
}

size_t numbers_bytes(const struct numbers *t)
{
    return t->bytes;
}
