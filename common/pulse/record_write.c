/* SPDX-License-Identifier: Apache-2.0 */
/* Encoding, without libavro (docs/adr/0014). One pass checks and writes: *bad
 * is set by what record_check refuses. Tests compare both with libavro. */
#include <assert.h>
#include <math.h>
#include <stdlib.h>

#include "common/avro_put.h"
#include "common/pulse/record_slot.h"

/* For a number and a union's branch or the end of a map before or behind it. */
enum { ROOM = 2 * AVRO_LONG_MAX };

static char *put_real(char *p, double value, bool *bad)
{
    if (!isfinite(value))
        *bad = true;
    return avro_put_double(p, value);
}

/* ---- maps: one block, and the empty one ---- */

static char *put_count(char *p, size_t count)
{
    return count > 0 ? avro_put_long(p, (int64_t)count) : p;
}

static bool labels_tidy(const struct metric_record *m)
{
    for (size_t i = 1; i < m->label_count; i++)
        if (str_cmp(m->labels[i - 1].name, m->labels[i].name) >= 0)
            return false;
    return true;
}

/* The last label of label i's name; NULL: i is not the first of it. */
static const struct label *label_last(const struct metric_record *m, size_t i)
{
    const struct label *last = NULL;
    for (size_t k = 0; k < m->label_count; k++) {
        if (!str_eq(m->labels[k].name, m->labels[i].name))
            continue;
        if (k < i)
            return NULL;
        last = &m->labels[k];
    }
    return last;
}

static char *put_label(char *p, const struct label *l, bool *bad)
{
    p = avro_put_text(p, l->name, bad);
    return avro_put_text(p, l->value, bad);
}

/* Labels out of order, where a name may come twice: as a map keeps them. p has
 * room for them all. */
static char *put_labels_merged(char *p, const struct metric_record *m,
                               bool *bad)
{
    size_t count = 0;
    for (size_t i = 0; i < m->label_count; i++) {
        (void)put_label(p, &m->labels[i], bad); /* all are judged */
        count += label_last(m, i) != NULL;
    }
    p = put_count(p, count);
    for (size_t i = 0; i < m->label_count; i++) {
        const struct label *last = label_last(m, i);
        if (last != NULL)
            p = put_label(p, last, bad);
    }
    return p;
}

static char *put_labels(const struct metric_record *m, struct buf *out,
                        bool *bad)
{
    size_t room = ROOM;
    for (size_t i = 0; i < m->label_count; i++)
        room += ROOM + m->labels[i].name.n + m->labels[i].value.n;
    char *p = buf_reserve(out, room);
    if (labels_tidy(m)) {
        p = put_count(p, m->label_count);
        for (size_t i = 0; i < m->label_count; i++)
            p = put_label(p, &m->labels[i], bad);
    } else {
        p = put_labels_merged(p, m, bad);
    }
    return avro_put_long(p, 0);
}

/* The union's branches are in the order of enum field_type. */
static char *put_field(char *p, const struct field *f, bool *bad)
{
    p = avro_put_text(p, f->name, bad);
    p = avro_put_long(p, f->type);
    switch (f->type) {
    case FIELD_REAL:
        return put_real(p, f->real, bad);
    case FIELD_INTEGER:
        return avro_put_long(p, f->integer);
    case FIELD_BOOLEAN:
        return avro_put_boolean(p, f->boolean);
    case FIELD_TEXT:
        return avro_put_text(p, f->text, bad);
    }
    return p;
}

/* Fields in which names come twice, made such that none does; p has room for
 * them all. */
static size_t fields_tidy(const struct telemetry_record *t,
                          struct record_scratch *s, char *p, bool *bad)
{
    size_t count = 0;
    for (size_t i = 0; i < t->metric_count; i++) {
        (void)put_field(p, &t->metrics[i], bad); /* all are judged */
        *field_add(s, &count) = t->metrics[i];
    }
    return fields_merge(s->fields, count);
}

static char *put_fields(const struct telemetry_record *t,
                        struct record_scratch *s, struct buf *out, bool *bad)
{
    const struct field *fields = t->metrics;
    size_t count = t->metric_count, room = ROOM;
    for (size_t i = 0; i < count; i++)
        room += 2 * ROOM + fields[i].name.n +
                (fields[i].type == FIELD_TEXT ? fields[i].text.n : 0);
    char *p = buf_reserve(out, room);
    if (fields_repeat(fields, count)) {
        count = fields_tidy(t, s, p, bad);
        fields = s->fields;
    }
    p = put_count(p, count);
    for (size_t i = 0; i < count; i++)
        p = put_field(p, &fields[i], bad);
    return avro_put_long(p, 0);
}

/* ---- everything else ---- */

/* ["null", other]: which of them comes. */
static char *put_branch(struct buf *out, struct str other)
{
    char *p = buf_reserve(out, ROOM + other.n);
    return avro_put_long(p, other.p != NULL);
}

static char *put_slot(const struct record *r, const struct slot *slot,
                      struct record_scratch *s, struct buf *out, bool *bad)
{
    struct str text = {0};
    char *p;
    switch (slot->type) {
    case SLOT_ID:
    case SLOT_TEXT:
    case SLOT_JSON:
        if (slot->type == SLOT_ID && slot_text(r, slot)->n == 0)
            *bad = true;
        text = *slot_text(r, slot);
        return avro_put_text(buf_reserve(out, ROOM + text.n), text, bad);
    case SLOT_OPTIONAL:
        text = *slot_text(r, slot);
        p = put_branch(out, text);
        return text.p == NULL ? p : avro_put_text(p, text, bad);
    case SLOT_BYTES:
        text = *slot_text(r, slot);
        return avro_put_bytes(buf_reserve(out, ROOM + text.n), text);
    case SLOT_LONG:
    case SLOT_TIME:
        return avro_put_long(buf_reserve(out, ROOM), slot_long(r, slot));
    case SLOT_REAL:
        return put_real(buf_reserve(out, ROOM), slot_real(r, slot), bad);
    case SLOT_KIND:
        return avro_put_long(buf_reserve(out, ROOM), r->event.kind);
    case SLOT_LABELS:
        return put_labels(&r->metric, out, bad);
    case SLOT_FIELDS:
        return put_fields(&r->telemetry, s, out, bad);
    case SLOT_PART:
        text = r->dead_letter.topic;
        p = put_branch(out, text);
        return text.p == NULL ? p : avro_put_long(p, r->dead_letter.part);
    case SLOT_OFFSET:
        text = r->dead_letter.topic;
        p = put_branch(out, text);
        return text.p == NULL ? p : avro_put_long(p, r->dead_letter.offset);
    }
    abort();
}

bool record_body_write(const struct record *r, const struct slot *const *slots,
                       size_t count, struct record_scratch *s, struct buf *out)
{
    bool bad = false;
    for (size_t i = 0; i < count && !bad; i++) {
        const char *end = put_slot(r, slots[i], s, out, &bad);
        out->n = (size_t)(end - out->p);
        assert(out->n < out->cap);
    }
    out->p[out->n] = '\0';
    return !bad;
}
