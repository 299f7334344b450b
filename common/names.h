/* SPDX-License-Identifier: Apache-2.0 */
/* names.h - a set of names that stand in a list, to see which come twice. Few
 * are compared one by one; more go through a hash table, seeded, so that nobody
 * can choose names that all fall into one place. */
#ifndef COMMON_NAMES_H
#define COMMON_NAMES_H

#include "common/str.h"

/* One bit of 64: names of different bits are different. */
static inline uint64_t name_mark(struct str name)
{
    if (name.n == 0)
        return 1;
    unsigned first = (unsigned char)name.p[0];
    unsigned last = (unsigned char)name.p[name.n - 1];
    return UINT64_C(1) << ((first + 7 * last + 13 * name.n) & 63);
}

enum { NAMES_PLACES = 512 };

struct names {
    const struct str *first; /* name of item 0 */
    size_t stride;           /* bytes from an item's name to the next one's */
    size_t count;            /* few: items 0 … count-1 are in */
    uint64_t marks;          /* of those */
    uint32_t *places;        /* a table of index + 1; NULL: few */
    size_t place_count;      /* a power of two */
    uint32_t own[NAMES_PLACES];
};

/* An empty set of items of a list that has count of them and outlives it. */
void names_init(struct names *n, const struct str *first, size_t stride,
                size_t count);
void names_release(struct names *n);
DEFINE_AUTO_RELEASE(names)
/* Item i joins; items join in their order. Returns which item of the same name
 * is in already, or i. */
size_t names_add(struct names *n, size_t i);

#endif
