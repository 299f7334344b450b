/* SPDX-License-Identifier: Apache-2.0 */
#include "common/map.h"

#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <xxhash.h>

/*
 * Chained buckets, entries additionally in one list from most to least
 * recently used. The hash is seeded per map, so that keys chosen by a client
 * cannot all fall into one bucket.
 */
struct entry {
    struct entry *next;          /* in the bucket */
    struct entry *newer, *older; /* in order of use */
    uint64_t hash;
    void *value;
    size_t n;
    char key[];
};

struct map {
    struct entry **buckets;
    size_t bucket_count; /* a power of two */
    size_t count, max_entries;
    struct entry *newest, *oldest;
    void (*drop)(void *value);
    uint64_t seed, evictions;
};

struct map *map_new(size_t max_entries, void (*drop)(void *value))
{
    struct map *m = xcalloc(1, sizeof *m);
    m->bucket_count = 16;
    m->buckets = xcalloc(m->bucket_count, sizeof(struct entry *));
    m->max_entries = max_entries;
    m->drop = drop;
    if (getrandom(&m->seed, sizeof m->seed, GRND_NONBLOCK) < 0)
        m->seed = (uint64_t)(uintptr_t)m;
    return m;
}

void map_free(struct map *m)
{
    if (m == NULL)
        return;
    map_clear(m);
    free(m->buckets);
    free(m);
}

static struct entry **slot_of(const struct map *m, uint64_t hash)
{
    return &m->buckets[hash & (m->bucket_count - 1)];
}

static struct entry *find(const struct map *m, struct str key, uint64_t hash)
{
    for (struct entry *e = *slot_of(m, hash); e != NULL; e = e->next)
        if (e->hash == hash && str_eq((struct str){e->key, e->n}, key))
            return e;
    return NULL;
}

static uint64_t hash_of(const struct map *m, struct str key)
{
    return XXH3_64bits_withSeed(key.p, key.n, m->seed);
}

static void use_unlink(struct map *m, struct entry *e)
{
    *(e->newer == NULL ? &m->newest : &e->newer->older) = e->older;
    *(e->older == NULL ? &m->oldest : &e->older->newer) = e->newer;
}

static void use_first(struct map *m, struct entry *e)
{
    e->newer = NULL;
    e->older = m->newest;
    *(m->newest == NULL ? &m->oldest : &m->newest->newer) = e;
    m->newest = e;
}

static void drop_value(struct map *m, void *value)
{
    if (m->drop != NULL)
        m->drop(value);
}

static void entry_remove(struct map *m, struct entry *e)
{
    struct entry **at = slot_of(m, e->hash);
    while (*at != e)
        at = &(*at)->next;
    *at = e->next;
    use_unlink(m, e);
    m->count--;
    drop_value(m, e->value);
    free(e);
}

static void grow(struct map *m)
{
    free(m->buckets);
    m->bucket_count *= 2;
    m->buckets = xcalloc(m->bucket_count, sizeof(struct entry *));
    for (struct entry *e = m->newest; e != NULL; e = e->older) {
        struct entry **at = slot_of(m, e->hash);
        e->next = *at;
        *at = e;
    }
}

void *map_peek(const struct map *m, struct str key)
{
    struct entry *e = find(m, key, hash_of(m, key));
    return e == NULL ? NULL : e->value;
}

void *map_get(struct map *m, struct str key)
{
    struct entry *e = find(m, key, hash_of(m, key));
    if (e == NULL)
        return NULL;
    if (m->newest != e) {
        use_unlink(m, e);
        use_first(m, e);
    }
    return e->value;
}

static void replace(struct map *m, struct entry *e, void *value)
{
    void *old = e->value;
    e->value = value;
    use_unlink(m, e);
    use_first(m, e);
    if (old != value)
        drop_value(m, old);
}

void map_put(struct map *m, struct str key, void *value)
{
    uint64_t hash = hash_of(m, key);
    struct entry *e = find(m, key, hash);
    if (e != NULL) {
        replace(m, e, value);
        return;
    }
    if (m->max_entries > 0 && m->count >= m->max_entries) {
        entry_remove(m, m->oldest);
        m->evictions++;
    }
    if (m->count >= m->bucket_count)
        grow(m);
    e = xmalloc(sizeof *e + key.n);
    *e = (struct entry){.hash = hash, .value = value, .n = key.n};
    if (key.n > 0)
        memcpy(e->key, key.p, key.n);
    struct entry **at = slot_of(m, hash);
    e->next = *at;
    *at = e;
    use_first(m, e);
    m->count++;
}

bool map_remove(struct map *m, struct str key)
{
    struct entry *e = find(m, key, hash_of(m, key));
    if (e == NULL)
        return false;
    entry_remove(m, e);
    return true;
}

void map_clear(struct map *m)
{
    while (m->newest != NULL)
        entry_remove(m, m->newest);
}

size_t map_count(const struct map *m)
{
    return m->count;
}

uint64_t map_evictions(const struct map *m)
{
    return m->evictions;
}

void map_each(struct map *m, bool (*fn)(struct str key, void *value, void *arg),
              void *arg)
{
    struct entry *older;
    for (struct entry *e = m->newest; e != NULL; e = older) {
        older = e->older;
        if (!fn((struct str){e->key, e->n}, e->value, arg))
            entry_remove(m, e);
    }
}
