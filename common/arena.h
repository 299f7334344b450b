/* SPDX-License-Identifier: Apache-2.0 */
/* arena.h - memory of one batch or request, given back all at once.
 * Under ASan every allocation is a malloc of its own, so overruns show. */
#ifndef COMMON_ARENA_H
#define COMMON_ARENA_H

#include "common/str.h"

struct arena; /* one owner, one thread at a time */

struct arena *arena_new(size_t block_bytes) MUST_USE;
void arena_free(struct arena *a);
DEFINE_AUTO(arena)
/* Everything handed out is gone; one block is kept for the next round. */
void arena_reset(struct arena *a);
/* Aligned for any type, not zeroed; arena_zalloc zeroes. Never NULL. */
void *arena_alloc(struct arena *a, size_t n) MUST_USE;
void *arena_zalloc(struct arena *a, size_t count, size_t size) MUST_USE;
/* p of old_n bytes, now of n (more); elsewhere, unless it was the newest and
 * had a block of its own. */
void *arena_grow(struct arena *a, void *p, size_t old_n, size_t n) MUST_USE;
struct str arena_str(struct arena *a, struct str s) MUST_USE; /* a copy */
struct str arena_printf(struct arena *a, const char *format, ...)
    MUST_USE PRINTF_LIKE(2, 3);
size_t arena_bytes(const struct arena *a); /* handed out since the reset */

#endif
