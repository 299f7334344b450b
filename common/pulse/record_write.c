/* SPDX-License-Identifier: Apache-2.0 */
/* Encoding, without libavro: its generic values cost three times what parsing
 * the record's JSON does (docs/adr/0014). Tests compare the two byte by byte.
 */
#include "common/avro_put.h"
#include "common/pulse/record_slot.h"

/* ["null", other]: which of them follows. */
static bool put_branch(struct avro_put *w, bool present)
{
    avro_put_long(w, present);
    return present;
}

/* A map is one block and the empty one. */
static void put_count(struct avro_put *w, size_t count)
{
    if (count > 0)
        avro_put_long(w, (int64_t)count);
}

/* ---- a metric's labels ---- */

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

static void put_label(struct avro_put *w, const struct label *l)
{
    avro_put_bytes(w, l->name);
    avro_put_bytes(w, l->value);
}

/* Labels out of order, where a name may come twice: as a map keeps them. */
static void put_labels_merged(struct avro_put *w, const struct metric_record *m)
{
    size_t count = 0;
    for (size_t i = 0; i < m->label_count; i++)
        count += label_last(m, i) != NULL;
    put_count(w, count);
    for (size_t i = 0; i < m->label_count; i++) {
        const struct label *last = label_last(m, i);
        if (last != NULL)
            put_label(w, last);
    }
}

static void put_labels(struct avro_put *w, const struct metric_record *m)
{
    if (labels_tidy(m)) {
        put_count(w, m->label_count);
        for (size_t i = 0; i < m->label_count; i++)
            put_label(w, &m->labels[i]);
    } else {
        put_labels_merged(w, m);
    }
    avro_put_long(w, 0);
}

/* ---- a telemetry's metrics ---- */

/* The union's branches are in the order of enum field_type. */
static void put_field(struct avro_put *w, const struct field *f)
{
    avro_put_bytes(w, f->name);
    avro_put_long(w, f->type);
    switch (f->type) {
    case FIELD_REAL:
        avro_put_double(w, f->real);
        break;
    case FIELD_INTEGER:
        avro_put_long(w, f->integer);
        break;
    case FIELD_BOOLEAN:
        avro_put_boolean(w, f->boolean);
        break;
    case FIELD_TEXT:
        avro_put_bytes(w, f->text);
        break;
    }
}

static void put_fields(struct avro_put *w, struct record_scratch *s,
                       const struct telemetry_record *t)
{
    const struct field *fields = t->metrics;
    size_t count = t->metric_count;
    if (fields_repeat(s, fields, count)) {
        count = 0;
        for (size_t i = 0; i < t->metric_count; i++)
            *field_add(s, &count) = t->metrics[i];
        count = fields_merge(s, s->fields, count);
        fields = s->fields;
    }
    put_count(w, count);
    for (size_t i = 0; i < count; i++)
        put_field(w, &fields[i]);
    avro_put_long(w, 0);
}

/* ---- everything else ---- */

static void put_slot(struct avro_put *w, const struct slot *slot,
                     struct record_scratch *s, const struct record *r)
{
    switch (slot->type) {
    case SLOT_ID:
    case SLOT_TEXT:
    case SLOT_JSON:
    case SLOT_BYTES:
        avro_put_bytes(w, *slot_text(r, slot));
        break;
    case SLOT_OPTIONAL:
        if (put_branch(w, slot_text(r, slot)->p != NULL))
            avro_put_bytes(w, *slot_text(r, slot));
        break;
    case SLOT_LONG:
    case SLOT_TIME:
        avro_put_long(w, slot_long(r, slot));
        break;
    case SLOT_REAL:
        avro_put_double(w, slot_real(r, slot));
        break;
    case SLOT_KIND:
        avro_put_long(w, r->event.kind);
        break;
    case SLOT_LABELS:
        put_labels(w, &r->metric);
        break;
    case SLOT_FIELDS:
        put_fields(w, s, &r->telemetry);
        break;
    case SLOT_PART:
    case SLOT_OFFSET:
        if (put_branch(w, r->dead_letter.topic.p != NULL))
            avro_put_long(w, slot->type == SLOT_PART ? r->dead_letter.part
                                                     : r->dead_letter.offset);
        break;
    }
}

void record_body_write(const struct record *r, const struct slot *const *slots,
                       size_t count, struct record_scratch *s, struct buf *out)
{
    struct avro_put w = avro_put_open(out);
    for (size_t i = 0; i < count; i++)
        put_slot(&w, slots[i], s, r);
    avro_put_close(&w);
}
