/* SPDX-License-Identifier: Apache-2.0 */
#include "common/json.h"
#include "common/pulse/record_slot.h"

static void add_name(struct buf *out, struct str name, bool first)
{
    if (!first) {
        buf_add_char(out, ',');
    }
    json_add_str(out, name);
    buf_add_char(out, ':');
}

void labels_json(const struct label *labels, size_t count, struct buf *out)
{
    buf_add_char(out, '{');
    for (size_t i = 0; i < count; i++) {
        add_name(out, labels[i].name, i == 0);
        json_add_str(out, labels[i].value);
    }
    buf_add_char(out, '}');
}

static void add_field(const struct field *f, struct buf *out)
{
    switch (f->type) {
    case FIELD_REAL:
        json_add_double(out, f->real);
        break;
    case FIELD_INTEGER:
        json_add_i64(out, f->integer);
        break;
    case FIELD_BOOLEAN:
        buf_add_text(out, f->boolean ? "true" : "false");
        break;
    case FIELD_TEXT:
        json_add_str(out, f->text);
        break;
    }
}

void fields_json(const struct field *fields, size_t count, struct buf *out)
{
    buf_add_char(out, '{');
    for (size_t i = 0; i < count; i++) {
        add_name(out, fields[i].name, i == 0);
        add_field(&fields[i], out);
    }
    buf_add_char(out, '}');
}

/* An object as it is; anything else, it should not be there, as a text. */
static void add_object(struct str text, struct buf *out)
{
    yyjson_doc *doc = yyjson_read(text.p, text.n, 0);
    if (yyjson_is_obj(yyjson_doc_get_root(doc))) {
        json_add_val(out, yyjson_doc_get_root(doc));
    } else {
        json_add_str(out, text);
    }
    yyjson_doc_free(doc);
}

static void add_slot(const struct record *r, const struct slot *s,
                     struct buf *out)
{
    switch (s->type) {
    case SLOT_ID:
    case SLOT_TEXT:
    case SLOT_OPTIONAL:
        json_add_str(out, *slot_text(r, s));
        break;
    case SLOT_BYTES:
        json_add_bytes(out, *slot_text(r, s));
        break;
    case SLOT_JSON:
        add_object(*slot_text(r, s), out);
        break;
    case SLOT_LONG:
        json_add_i64(out, slot_long(r, s));
        break;
    case SLOT_TIME:
        json_add_time(out, slot_long(r, s));
        break;
    case SLOT_REAL:
        json_add_double(out, slot_real(r, s));
        break;
    case SLOT_KIND:
        buf_add_text(out, r->event.kind == EVENT_LOG ? "\"log\"" : "\"event\"");
        break;
    case SLOT_LABELS:
        labels_json(r->metric.labels, r->metric.label_count, out);
        break;
    case SLOT_FIELDS:
        fields_json(r->telemetry.metrics, r->telemetry.metric_count, out);
        break;
    case SLOT_PART:
        json_add_i64(out, r->dead_letter.part);
        break;
    case SLOT_OFFSET:
        json_add_i64(out, r->dead_letter.offset);
        break;
    }
}

/* Fields that are null are left out. */
static bool absent(const struct record *r, const struct slot *s)
{
    bool placed = s->type == SLOT_PART || s->type == SLOT_OFFSET;
    return (s->type == SLOT_OPTIONAL && slot_text(r, s)->p == NULL) ||
           (placed && r->dead_letter.topic.p == NULL);
}

void record_json(const struct record *r, struct buf *out)
{
    bool first = true;
    buf_add_char(out, '{');
    for (size_t i = 0; i < record_shapes[r->kind].slot_count; i++) {
        const struct slot *s = slot_of(r, i);
        if (!absent(r, s)) {
            add_name(out, str_of(s->name), first);
            add_slot(r, s, out);
            first = false;
        }
    }
    buf_add_char(out, '}');
}
