/* SPDX-License-Identifier: Apache-2.0 */
#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "build/gen/schemas.h"
#include "common/avro.h"
#include "common/pulse/record_slot.h"

/* A schema version and its fields: those of an old version lack what came
 * later, which stays null. */
struct version {
    struct avro_codec *codec;
    enum record_kind kind;
    const struct slot *slots[SLOTS_MAX]; /* in the schema's order */
    size_t slot_count;
};

struct record_codec {
    struct version versions[SCHEMA_COUNT];
    struct version *newest[RECORD_KINDS];
    struct buf name; /* libavro's maps want NUL-terminated keys */
    struct record_scratch scratch;
};

static bool kind_of(const char *schema, enum record_kind *kind)
{
    for (int i = 0; i < RECORD_KINDS; i++) {
        if (strcmp(record_shapes[i].name, schema) == 0) {
            *kind = (enum record_kind)i;
            return true;
        }
    }
    return false;
}

static const struct slot *slot_named(enum record_kind kind, const char *name)
{
    const struct record_shape *shape = &record_shapes[kind];
    for (size_t i = 0; i < shape->slot_count; i++) {
        if (strcmp(shape->slots[i].name, name) == 0) {
            return &shape->slots[i];
        }
    }
    return NULL;
}

/* ["null", of] */
static bool is_optional(avro_schema_t field, avro_type_t of)
{
    return is_avro_union(field) && avro_schema_union_size(field) == 2 &&
           is_avro_null(avro_schema_union_branch(field, 0)) &&
           avro_typeof(avro_schema_union_branch(field, 1)) == of;
}

/* Is the field what record_body_read takes it for? */
static bool fits(const struct slot *s, avro_schema_t field)
{
    switch (s->type) {
    case SLOT_ID:
    case SLOT_TEXT:
    case SLOT_JSON:
        return is_avro_string(field);
    case SLOT_OPTIONAL:
        return is_optional(field, AVRO_STRING);
    case SLOT_BYTES:
        return is_avro_bytes(field);
    case SLOT_LONG:
    case SLOT_TIME:
        return is_avro_int64(field);
    case SLOT_REAL:
        return is_avro_double(field);
    case SLOT_KIND:
        return is_avro_enum(field);
    case SLOT_LABELS:
        return is_avro_map(field) &&
               is_avro_string(avro_schema_map_values(field));
    case SLOT_FIELDS:
        return is_avro_map(field) &&
               is_avro_union(avro_schema_map_values(field));
    case SLOT_PART:
        return is_optional(field, AVRO_INT32);
    case SLOT_OFFSET:
        return is_optional(field, AVRO_INT64);
    }
    return false;
}

static void find_slots(struct version *v)
{
    avro_schema_t schema = avro_value_get_schema(avro_codec_value(v->codec));
    v->slot_count = avro_schema_record_size(schema);
    assert(v->slot_count <= SLOTS_MAX);
    for (size_t i = 0; i < v->slot_count; i++) {
        const char *name = avro_schema_record_field_name(schema, (int)i);
        v->slots[i] = slot_named(v->kind, name);
        assert(v->slots[i] != NULL);
        assert(fits(v->slots[i],
                    avro_schema_record_field_get_by_index(schema, (int)i)));
    }
    /* metric.series: tenant, name, labels, nothing between them. */
    assert(v->kind != RECORD_METRIC || v->slots[2]->type == SLOT_LABELS);
}

struct record_codec *record_codec_new(struct err *err)
{
    AUTO(record_codec) c = xcalloc(1, sizeof *c);
    for (size_t i = 0; i < SCHEMA_COUNT; i++) {
        struct version *v = &c->versions[i];
        bool known = kind_of(schema_defs[i].name, &v->kind);
        assert(known);
        v->codec = avro_codec_new(&schema_defs[i], err);
        if (v->codec == NULL) {
            return NULL;
        }
        find_slots(v);
        c->newest[v->kind] = v; /* they are sorted by version */
    }
    return MOVE(c);
}

void record_codec_free(struct record_codec *c)
{
    if (c == NULL) {
        return;
    }
    for (size_t i = 0; i < SCHEMA_COUNT; i++) {
        avro_codec_free(c->versions[i].codec);
    }
    buf_release(&c->name);
    record_scratch_release(&c->scratch);
    free(c);
}

/* libavro counts the NUL behind a text, and does not read it. */
static int put_text(avro_value_t *field, struct str s)
{
    avro_wrapped_buffer_t bytes;
    avro_wrapped_buffer_new(&bytes, s.n > 0 ? s.p : "", s.n + 1);
    return avro_value_give_string_len(field, &bytes);
}

static int put_bytes(avro_value_t *field, struct str s)
{
    avro_wrapped_buffer_t bytes;
    avro_wrapped_buffer_new(&bytes, s.n > 0 ? s.p : "", s.n);
    return avro_value_give_bytes(field, &bytes);
}

/* Selects null, or the other branch of ["null", other]. */
static int put_branch(avro_value_t *field, bool present, avro_value_t *other)
{
    int failed = avro_value_set_branch(field, present ? 1 : 0, other);
    return failed || present ? failed : avro_value_set_null(other);
}

static int put_optional(avro_value_t *field, struct str s)
{
    avro_value_t text;
    int failed = put_branch(field, s.p != NULL, &text);
    return failed || s.p == NULL ? failed : put_text(&text, s);
}

static int add_entry(struct record_codec *c, avro_value_t *map, struct str name,
                     avro_value_t *entry)
{
    buf_reset(&c->name);
    buf_add_str(&c->name, name);
    buf_add_char(&c->name, '\0');
    return avro_value_add(map, c->name.p, entry, NULL, NULL);
}

static int put_labels(struct record_codec *c, avro_value_t *map,
                      const struct metric_record *m)
{
    int failed = 0;
    for (size_t i = 0; i < m->label_count && !failed; i++) {
        avro_value_t text;
        failed = add_entry(c, map, m->labels[i].name, &text) ||
                 put_text(&text, m->labels[i].value);
    }
    return failed;
}

/* The union's branches are in the order of enum field_type. */
static int put_field(avro_value_t *entry, const struct field *f)
{
    avro_value_t branch;
    if (avro_value_set_branch(entry, (int)f->type, &branch) != 0) {
        return EINVAL;
    }
    switch (f->type) {
    case FIELD_REAL:
        return avro_value_set_double(&branch, f->real);
    case FIELD_INTEGER:
        return avro_value_set_long(&branch, f->integer);
    case FIELD_BOOLEAN:
        return avro_value_set_boolean(&branch, f->boolean);
    case FIELD_TEXT:
        return put_text(&branch, f->text);
    }
    return EINVAL;
}

static int put_fields(struct record_codec *c, avro_value_t *map,
                      const struct telemetry_record *t)
{
    int failed = 0;
    for (size_t i = 0; i < t->metric_count && !failed; i++) {
        avro_value_t entry;
        failed = add_entry(c, map, t->metrics[i].name, &entry) ||
                 put_field(&entry, &t->metrics[i]);
    }
    return failed;
}

static int put_part(avro_value_t *field, const struct dead_letter_record *d)
{
    avro_value_t part;
    int failed = put_branch(field, d->topic.p != NULL, &part);
    return failed || d->topic.p == NULL ? failed
                                        : avro_value_set_int(&part, d->part);
}

static int put_offset(avro_value_t *field, const struct dead_letter_record *d)
{
    avro_value_t off;
    int failed = put_branch(field, d->topic.p != NULL, &off);
    return failed || d->topic.p == NULL ? failed
                                        : avro_value_set_long(&off, d->offset);
}

static int put_slot(struct record_codec *c, avro_value_t *field,
                    const struct slot *s, const struct record *r)
{
    switch (s->type) {
    case SLOT_ID:
    case SLOT_TEXT:
    case SLOT_JSON:
        return put_text(field, *slot_text(r, s));
    case SLOT_OPTIONAL:
        return put_optional(field, *slot_text(r, s));
    case SLOT_BYTES:
        return put_bytes(field, *slot_text(r, s));
    case SLOT_LONG:
    case SLOT_TIME:
        return avro_value_set_long(field, slot_long(r, s));
    case SLOT_REAL:
        return avro_value_set_double(field, slot_real(r, s));
    case SLOT_KIND:
        return avro_value_set_enum(field, (int)r->event.kind);
    case SLOT_LABELS:
        return put_labels(c, field, &r->metric);
    case SLOT_FIELDS:
        return put_fields(c, field, &r->telemetry);
    case SLOT_PART:
        return put_part(field, &r->dead_letter);
    case SLOT_OFFSET:
        return put_offset(field, &r->dead_letter);
    }
    return EINVAL;
}

bool record_encode(struct record_codec *c, const struct record *r,
                   struct buf *out, struct err *err)
{
    struct version *v = c->newest[r->kind];
    if (!record_check(r, true, err)) {
        return false;
    }
    avro_value_t *value = avro_codec_value(v->codec);
    for (size_t i = 0; i < v->slot_count; i++) {
        avro_value_t field;
        int failed = avro_value_get_by_index(value, i, &field, NULL) ||
                     put_slot(c, &field, v->slots[i], r);
        assert(!failed); /* find_slots has looked */
    }
    return avro_encode(v->codec, out, err);
}

static struct version *version_of(struct record_codec *c, uint64_t fingerprint)
{
    for (size_t i = 0; i < SCHEMA_COUNT; i++) {
        if (schema_defs[i].fingerprint == fingerprint) {
            return &c->versions[i];
        }
    }
    return NULL;
}

bool record_decode(struct record_codec *c, struct str message, struct arena *a,
                   struct record *r, struct err *err)
{
    uint64_t fingerprint;
    struct str body;
    if (!avro_peek(message, &fingerprint, &body)) {
        err_set(err, ERR_INPUT, "no Avro single-object encoding");
        return false;
    }
    struct version *v = version_of(c, fingerprint);
    if (v == NULL) {
        err_set(err, ERR_INPUT, "unknown schema fingerprint %016llx",
                (unsigned long long)fingerprint);
        return false;
    }
    struct avro_cursor at = avro_cursor_of(body);
    *r = (struct record){.kind = v->kind};
    if (!record_body_read(&at, v->slots, v->slot_count, &c->scratch, a, r)) {
        err_set(err, ERR_INPUT, "bad %s at byte %zu: %s",
                record_shapes[v->kind].name, body.n - avro_cursor_left(&at),
                at.wrong);
        return false;
    }
    if (r->kind == RECORD_METRIC) {
        r->metric.labels = metric_labels(&r->metric, a, &r->metric.label_count);
    }
    return record_check(r, false, err);
}
