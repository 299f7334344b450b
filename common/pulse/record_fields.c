/* SPDX-License-Identifier: Apache-2.0 */
/* Lists of readings while they are made, and names in them that come twice. */
#include <stdlib.h>

#include "common/names.h"
#include "common/pulse/record_slot.h"

/* Mostly all have marks of their own, and that is that. */
static bool fields_differ(const struct field *fields, size_t count)
{
    uint64_t marks = 0;
    for (size_t i = 0; i < count; i++) {
        uint64_t mark = name_mark(fields[i].name);
        if ((marks & mark) != 0)
            return false;
        marks |= mark;
    }
    return true;
}

bool fields_repeat(const struct field *fields, size_t count)
{
    if (fields_differ(fields, count))
        return false;
    AUTO_RELEASE(names) names;
    size_t i = 0;
    names_init(&names, &fields->name, sizeof *fields, count);
    while (i < count && names_add(&names, i) == i)
        i++;
    return i < count;
}

size_t fields_merge(struct field *fields, size_t count)
{
    AUTO_RELEASE(names) names;
    size_t kept = 0;
    names_init(&names, &fields->name, sizeof *fields, count);
    for (size_t i = 0; i < count; i++) {
        fields[kept] = fields[i];
        size_t at = names_add(&names, kept);
        fields[at] = fields[i];
        kept += at == kept;
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
    *s = (struct record_scratch){0};
}
