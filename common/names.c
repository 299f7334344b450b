/* SPDX-License-Identifier: Apache-2.0 */
#include "common/names.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <xxhash.h>

enum { FEW = 16 };

static uint64_t seed;
static pthread_once_t once = PTHREAD_ONCE_INIT;

static void seed_make(void)
{
    if (getrandom(&seed, sizeof seed, GRND_NONBLOCK) < 0)
        seed = (uint64_t)(uintptr_t)&once;
}

void names_init(struct names *n, const struct str *first, size_t stride,
                size_t count)
{
    n->first = first;
    n->stride = stride;
    n->count = 0;
    n->marks = 0;
    n->places = NULL;
    if (count <= FEW)
        return;
    pthread_once(&once, seed_make);
    n->place_count = 4 * (size_t)FEW;
    while (n->place_count < 2 * count)
        n->place_count *= 2;
    if (n->place_count <= NAMES_PLACES) {
        n->places = n->own;
        memset(n->own, 0, n->place_count * sizeof *n->own);
    } else {
        n->places = xcalloc(n->place_count, sizeof *n->places);
    }
}

void names_release(struct names *n)
{
    if (n->places != n->own)
        free(n->places);
}

static struct str name_of(const struct names *n, size_t i)
{
    return *(const struct str *)(const void *)((const char *)n->first +
                                               i * n->stride);
}

static size_t add_one_of_few(struct names *n, size_t i)
{
    struct str name = name_of(n, i);
    uint64_t mark = name_mark(name);
    if ((n->marks & mark) != 0)
        for (size_t k = 0; k < n->count; k++)
            if (str_eq(name_of(n, k), name))
                return k;
    n->marks |= mark;
    n->count = i + 1;
    return i;
}

size_t names_add(struct names *n, size_t i)
{
    if (n->places == NULL)
        return add_one_of_few(n, i);
    struct str name = name_of(n, i);
    size_t mask = n->place_count - 1;
    size_t at = XXH3_64bits_withSeed(name.p, name.n, seed) & mask;
    for (; n->places[at] != 0; at = (at + 1) & mask)
        if (str_eq(name_of(n, n->places[at] - 1), name))
            return n->places[at] - 1;
    n->places[at] = (uint32_t)(i + 1);
    return i;
}
