/* SPDX-License-Identifier: Apache-2.0 */
/* map.h - byte keys to pointers: a hash table with a seeded hash and,
 * optionally, a bound with least-recently-used eviction. */
#ifndef COMMON_MAP_H
#define COMMON_MAP_H

#include "common/str.h"

struct map; /* one owner, one thread */

/* max_entries 0: unbounded. A bound evicts the least recently got or put.
 * drop is called for every value that leaves (removed, evicted, replaced,
 * map freed); may be NULL. Keys are copied. */
struct map *map_new(size_t max_entries, void (*drop)(void *value)) MUST_USE;
void map_free(struct map *m);
DEFINE_AUTO(map)
void *map_get(struct map *m, struct str key);        /* NULL if absent */
void *map_peek(const struct map *m, struct str key); /* not a use for LRU */
void map_put(struct map *m, struct str key, void *value); /* replaces */
bool map_remove(struct map *m, struct str key);
void map_clear(struct map *m);
size_t map_count(const struct map *m);
uint64_t map_evictions(const struct map *m); /* since map_new */
/* Calls fn for each entry, in no order; fn returning false removes it. */
void map_each(struct map *m, bool (*fn)(struct str key, void *value, void *arg),
              void *arg);

#endif
