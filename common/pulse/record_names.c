/* SPDX-License-Identifier: Apache-2.0 */
/* Names of readings that come twice. Few are compared each with each; more go
 * through a hash table, seeded, so that nobody can choose names that all fall
 * into one place. */
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <xxhash.h>

#include "common/pulse/record_slot.h"

enum { FEW = 16 };

static bool few_repeat(const struct field *fields, size_t count)
{
    for (size_t i = 1; i < count; i++)
        for (size_t k = 0; k < i; k++)
            if (str_eq(fields[i].name, fields[k].name))
                return true;
    return false;
}

/* Empty, and at most half full of count names. */
static void table_clear(struct record_scratch *s, size_t count)
{
    size_t places = s->place_count == 0 ? 64 : s->place_count;
    while (places < 2 * count)
        places *= 2;
    if (places != s->place_count) {
        free(s->places);
        s->places = xcalloc(places, sizeof *s->places);
        s->place_count = places;
    }
    if (s->seed == 0 && getrandom(&s->seed, sizeof s->seed, GRND_NONBLOCK) < 0)
        s->seed = (uint64_t)(uintptr_t)s;
    memset(s->places, 0, places * sizeof *s->places);
}

/* Where the index + 1 of the field of this name is, or 0. */
static size_t *table_place(const struct record_scratch *s,
                           const struct field *fields, struct str name)
{
    size_t mask = s->place_count - 1;
    size_t i = XXH3_64bits_withSeed(name.p, name.n, s->seed) & mask;
    while (s->places[i] != 0 && !str_eq(fields[s->places[i] - 1].name, name))
        i = (i + 1) & mask;
    return &s->places[i];
}

bool fields_repeat(struct record_scratch *s, const struct field *fields,
                   size_t count)
{
    if (count <= FEW)
        return few_repeat(fields, count);
    table_clear(s, count);
    for (size_t i = 0; i < count; i++) {
        size_t *place = table_place(s, fields, fields[i].name);
        if (*place != 0)
            return true;
        *place = i + 1;
    }
    return false;
}

size_t fields_merge(struct record_scratch *s, struct field *fields,
                    size_t count)
{
    size_t kept = 0;
    table_clear(s, count);
    for (size_t i = 0; i < count; i++) {
        size_t *place = table_place(s, fields, fields[i].name);
        if (*place == 0)
            *place = ++kept;
        fields[*place - 1] = fields[i];
    }
    return kept;
}

struct field *field_add(struct record_scratch *s, size_t *count)
{
    if (*count == s->field_cap) {
        s->field_cap = s->field_cap == 0 ? 16 : s->field_cap * 2;
        s->fields = xreallocarray(s->fields, s->field_cap, sizeof *s->fields);
    }
    return &s->fields[(*count)++];
}

void record_scratch_release(struct record_scratch *s)
{
    free(s->labels);
    free(s->fields);
    free(s->places);
    *s = (struct record_scratch){0};
}
