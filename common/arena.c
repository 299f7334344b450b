/* SPDX-License-Identifier: Apache-2.0 */
#include "common/arena.h"

#include <assert.h>
#include <stdalign.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/*
 * A list of blocks, filled front to back. A piece larger than a block gets
 * one of its own. Under ASan every piece does (PIECES_APART), so a write
 * behind its end is seen.
 */
#ifdef PULSE_ASAN
enum { PIECES_APART = 1 };
#else
enum { PIECES_APART = 0 };
#endif

struct block {
    struct block *next; /* older */
    size_t size, used;
    alignas(max_align_t) char bytes[];
};

struct arena {
    struct block *blocks; /* newest first; the first is being filled */
    size_t block_bytes;
    size_t handed_out;
};

struct arena *arena_new(size_t block_bytes)
{
    struct arena *a = xcalloc(1, sizeof *a);
    a->block_bytes = block_bytes;
    return a;
}

static void free_blocks(struct block *block)
{
    while (block != NULL) {
        struct block *next = block->next;
        free(block);
        block = next;
    }
}

void arena_free(struct arena *a)
{
    if (a == NULL)
        return;
    free_blocks(a->blocks);
    free(a);
}

void arena_reset(struct arena *a)
{
    struct block *keep = NULL, *next;
    for (struct block *block = a->blocks; block != NULL; block = next) {
        next = block->next;
        if (!PIECES_APART && keep == NULL && block->size == a->block_bytes)
            keep = block;
        else
            free(block);
    }
    if (keep != NULL) {
        keep->next = NULL;
        keep->used = 0;
    }
    a->blocks = keep;
    a->handed_out = 0;
}

static struct block *add_block(struct arena *a, size_t size)
{
    size_t total;
    if (__builtin_add_overflow(sizeof(struct block), size, &total))
        abort();
    struct block *block = xmalloc(total);
    *block = (struct block){.next = a->blocks, .size = size};
    a->blocks = block;
    return block;
}

void *arena_alloc(struct arena *a, size_t n)
{
    size_t padded;
    if (__builtin_add_overflow(n, alignof(max_align_t) - 1, &padded))
        abort();
    padded &= ~(alignof(max_align_t) - 1);
    a->handed_out += n;
    struct block *block = a->blocks;
    if (PIECES_APART)
        block = add_block(a, n);
    else if (block == NULL || block->size - block->used < padded)
        block = add_block(a, padded > a->block_bytes ? padded : a->block_bytes);
    void *p = block->bytes + block->used;
    block->used += PIECES_APART ? n : padded;
    return p;
}

/* The newest piece has its block for itself: the block grows, and nothing is
 * left behind. */
static void *grow_block(struct arena *a, size_t old_n, size_t n)
{
    struct block *block = a->blocks;
    size_t total;
    if (__builtin_add_overflow(sizeof *block, n, &total))
        abort();
    block = xreallocarray(block, total, 1);
    block->size = block->used = n;
    a->blocks = block;
    a->handed_out += n - old_n;
    return block->bytes;
}

void *arena_grow(struct arena *a, void *p, size_t old_n, size_t n)
{
    assert(n >= old_n);
    if (a->blocks != NULL && p == a->blocks->bytes && n > a->block_bytes &&
        a->blocks->size != a->block_bytes)
        return grow_block(a, old_n, n);
    void *grown = arena_alloc(a, n);
    if (old_n > 0)
        memcpy(grown, p, old_n);
    return grown;
}

void *arena_zalloc(struct arena *a, size_t count, size_t size)
{
    size_t n;
    if (__builtin_mul_overflow(count, size, &n))
        abort();
    return memset(arena_alloc(a, n), 0, n);
}

struct str arena_str(struct arena *a, struct str s)
{
    if (s.p == NULL)
        return s;
    char *copy = arena_alloc(a, s.n + 1);
    memcpy(copy, s.p, s.n);
    copy[s.n] = '\0';
    return (struct str){copy, s.n};
}

struct str arena_printf(struct arena *a, const char *format, ...)
{
    va_list args, again;
    va_start(args, format);
    va_copy(again, args);
    int n = vsnprintf(NULL, 0, format, args);
    va_end(args);
    assert(n >= 0);
    char *text = arena_alloc(a, (size_t)n + 1);
    vsnprintf(text, (size_t)n + 1, format, again);
    va_end(again);
    return (struct str){text, (size_t)n};
}

size_t arena_bytes(const struct arena *a)
{
    return a->handed_out;
}
