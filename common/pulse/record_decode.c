/* SPDX-License-Identifier: Apache-2.0 */
/* Decoding, without libavro: it asks for memory twice per text and believes
 * what the bytes claim (docs/adr/0012). Tests and the fuzzer compare the two.
 */
#include <stdlib.h>

#include "common/pulse/record_slot.h"

static bool read_optional(struct avro_cursor *c, struct str *out)
{
    int64_t branch;
    if (!avro_cursor_branch(c, 2, &branch))
        return false;
    return branch == 0 || avro_cursor_text(c, out);
}

/* ---- a metric's labels ---- */

/* By name, and those of one name as they came: texts of one message. */
static int by_name(const void *a, const void *b)
{
    const struct label *x = a, *y = b;
    int c = str_cmp(x->name, y->name);
    return c != 0 ? c : (x->name.p > y->name.p) - (x->name.p < y->name.p);
}

/* Of one name the last counts. */
static size_t labels_tidy(struct label *labels, size_t count)
{
    size_t kept = 0;
    bool tidy = true;
    for (size_t i = 1; i < count && tidy; i++)
        tidy = str_cmp(labels[i - 1].name, labels[i].name) < 0;
    if (tidy)
        return count;
    qsort(labels, count, sizeof *labels, by_name);
    for (size_t i = 0; i < count; i++) {
        if (i + 1 < count && str_eq(labels[i].name, labels[i + 1].name))
            continue;
        labels[kept++] = labels[i];
    }
    return kept;
}

static struct label *label_add(struct record_scratch *s, size_t *count)
{
    if (*count == s->label_cap) {
        s->label_cap = s->label_cap == 0 ? 16 : s->label_cap * 2;
        s->labels = xreallocarray(s->labels, s->label_cap, sizeof *s->labels);
    }
    return &s->labels[(*count)++];
}

static bool read_labels(struct avro_cursor *c, struct record_scratch *s,
                        struct arena *a, struct metric_record *m)
{
    struct avro_block b;
    size_t count = 0;
    do {
        if (!avro_block_open(c, &b))
            return false;
        for (int64_t i = 0; i < b.count; i++) {
            struct label *l = label_add(s, &count);
            if (!avro_cursor_text(c, &l->name) ||
                !avro_cursor_text(c, &l->value))
                return false;
        }
        if (!avro_block_close(c, &b))
            return false;
    } while (b.count > 0);
    m->label_count = labels_tidy(s->labels, count);
    size_t bytes = m->label_count * sizeof *s->labels;
    struct label *labels = arena_alloc(a, bytes);
    if (bytes > 0)
        memcpy(labels, s->labels, bytes);
    m->labels = labels;
    return true;
}

/* ---- a telemetry's metrics ---- */

/* The union's branches are in the order of enum field_type. */
static bool read_field(struct avro_cursor *c, struct field *f)
{
    int64_t branch;
    if (!avro_cursor_text(c, &f->name) ||
        !avro_cursor_branch(c, FIELD_TEXT + 1, &branch))
        return false;
    f->type = (enum field_type)branch;
    switch (f->type) {
    case FIELD_REAL:
        return avro_cursor_double(c, &f->real);
    case FIELD_INTEGER:
        return avro_cursor_long(c, &f->integer);
    case FIELD_BOOLEAN:
        return avro_cursor_boolean(c, &f->boolean);
    case FIELD_TEXT:
        return avro_cursor_text(c, &f->text);
    }
    return false;
}

static bool read_fields(struct avro_cursor *c, struct record_scratch *s,
                        struct arena *a, struct telemetry_record *t)
{
    struct avro_block b;
    size_t count = 0;
    do {
        if (!avro_block_open(c, &b))
            return false;
        for (int64_t i = 0; i < b.count; i++)
            if (!read_field(c, field_add(s, &count)))
                return false;
        if (!avro_block_close(c, &b))
            return false;
    } while (b.count > 0);
    if (fields_repeat(s->fields, count))
        count = fields_merge(s->fields, count);
    size_t bytes = count * sizeof *s->fields;
    struct field *fields = arena_alloc(a, bytes);
    if (bytes > 0)
        memcpy(fields, s->fields, bytes);
    t->metrics = fields;
    t->metric_count = count;
    return true;
}

/* ---- everything else ---- */

static bool read_part(struct avro_cursor *c, int32_t *part)
{
    int64_t branch, n = 0;
    if (!avro_cursor_branch(c, 2, &branch))
        return false;
    if (branch == 1 && !avro_cursor_range(c, INT32_MIN, INT32_MAX,
                                          "an int has over 32 bits", &n))
        return false;
    *part = (int32_t)n;
    return true;
}

static bool read_offset(struct avro_cursor *c, int64_t *offset)
{
    int64_t branch;
    if (!avro_cursor_branch(c, 2, &branch))
        return false;
    return branch == 0 || avro_cursor_long(c, offset);
}

static bool read_kind(struct avro_cursor *c, struct event_record *e)
{
    int64_t kind;
    if (!avro_cursor_range(c, 0, EVENT_EVENT, "an enum has no such symbol",
                           &kind))
        return false;
    e->kind = (enum event_kind)kind;
    return true;
}

static bool read_slot(struct avro_cursor *c, const struct slot *slot,
                      struct record_scratch *s, struct arena *a,
                      struct record *r)
{
    void *to = (char *)r + slot->at;
    switch (slot->type) {
    case SLOT_ID:
    case SLOT_TEXT:
    case SLOT_JSON:
        return avro_cursor_text(c, to);
    case SLOT_OPTIONAL:
        return read_optional(c, to);
    case SLOT_BYTES:
        return avro_cursor_bytes(c, to);
    case SLOT_LONG:
    case SLOT_TIME:
        return avro_cursor_long(c, to);
    case SLOT_REAL:
        return avro_cursor_double(c, to);
    case SLOT_KIND:
        return read_kind(c, &r->event);
    case SLOT_LABELS:
        return read_labels(c, s, a, &r->metric);
    case SLOT_FIELDS:
        return read_fields(c, s, a, &r->telemetry);
    case SLOT_PART:
        return read_part(c, &r->dead_letter.part);
    case SLOT_OFFSET:
        return read_offset(c, &r->dead_letter.offset);
    }
    return false;
}

bool record_body_read(struct avro_cursor *c, const struct slot *const *slots,
                      size_t count, struct record_scratch *s, struct arena *a,
                      struct record *r)
{
    const char *start = (const char *)c->p;
    for (size_t i = 0; i < count; i++) {
        if (!read_slot(c, slots[i], s, a, r))
            return false;
        /* Up to its labels a metric is its series. */
        if (slots[i]->type == SLOT_LABELS)
            r->metric.series =
                (struct str){start, (size_t)((const char *)c->p - start)};
    }
    if (r->kind == RECORD_METRIC && r->metric.source.p != NULL)
        r->metric.series = (struct str){NULL, 0}; /* may be a label too */
    return c->p == c->end || avro_cursor_fail(c, "bytes are left over");
}
