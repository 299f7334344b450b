/* SPDX-License-Identifier: Apache-2.0 */
#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "build/gen/schemas.h"
#include "common/avro.h"
#include "common/pulse/record_slot.h"

/* A schema version and where each slot is in it: readers of old versions find
 * fields that came later nowhere, and take null. */
struct version {
    struct avro_codec *codec;
    enum record_kind kind;
    int field[SLOTS_MAX]; /* index of the schema's field; -1: none */
};

struct record_codec {
    struct version versions[SCHEMA_COUNT];
    struct version *newest[RECORD_KINDS];
    struct buf name; /* libavro's maps want NUL-terminated keys */
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

static void find_fields(struct version *v)
{
    const struct record_shape *shape = &record_shapes[v->kind];
    avro_value_t *value = avro_codec_value(v->codec);
    for (size_t i = 0; i < shape->slot_count; i++) {
        v->field[i] = avro_schema_record_field_get_index(
            avro_value_get_schema(value), shape->slots[i].name);
    }
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
        find_fields(v);
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
    for (size_t i = 0; i < record_shapes[r->kind].slot_count; i++) {
        avro_value_t field;
        int failed =
            avro_value_get_by_index(value, (size_t)v->field[i], &field, NULL) ||
            put_slot(c, &field, slot_of(r, i), r);
        assert(!failed); /* the shape and the newest schema agree */
    }
    return avro_encode(v->codec, out, err);
}

/* An empty text is not the absence of one: p is not NULL. */
static struct str keep(struct arena *a, const void *p, size_t n)
{
    return n > 0 ? arena_str(a, (struct str){p, n}) : STR("");
}

static struct str get_text(const avro_value_t *field, struct arena *a)
{
    const char *p = "";
    size_t size = 1; /* with the NUL */
    (void)avro_value_get_string(field, &p, &size);
    return keep(a, p, size - 1);
}

static struct str get_bytes(const avro_value_t *field, struct arena *a)
{
    const void *p = "";
    size_t size = 0;
    (void)avro_value_get_bytes(field, &p, &size);
    return keep(a, p, size);
}

/* False: null. */
static bool get_branch(const avro_value_t *field, avro_value_t *other)
{
    int branch = 0;
    (void)avro_value_get_discriminant(field, &branch);
    return branch == 1 && avro_value_get_current_branch(field, other) == 0;
}

static struct str get_optional(const avro_value_t *field, struct arena *a)
{
    avro_value_t text;
    return get_branch(field, &text) ? get_text(&text, a) : (struct str){0};
}

static int64_t get_long(const avro_value_t *field)
{
    int64_t n = 0;
    (void)avro_value_get_long(field, &n);
    return n;
}

static void get_labels(const avro_value_t *map, struct arena *a,
                       struct metric_record *m)
{
    size_t count = 0;
    (void)avro_value_get_size(map, &count);
    struct label *labels = arena_alloc(a, (count + 1) * sizeof *labels);
    for (size_t i = 0; i < count; i++) {
        avro_value_t text;
        const char *name = "";
        (void)avro_value_get_by_index(map, i, &text, &name);
        labels[i].name = keep(a, name, strlen(name));
        labels[i].value = get_text(&text, a);
    }
    bool unique = labels_sort(labels, count);
    assert(unique); /* libavro's map made them so */
    m->labels = labels;
    m->label_count = count;
}

static void get_field(const avro_value_t *entry, struct arena *a,
                      struct field *f)
{
    avro_value_t branch;
    int type = 0, truth = 0;
    (void)avro_value_get_discriminant(entry, &type);
    (void)avro_value_get_current_branch(entry, &branch);
    f->type = (enum field_type)type;
    switch (f->type) {
    case FIELD_REAL:
        (void)avro_value_get_double(&branch, &f->real);
        break;
    case FIELD_INTEGER:
        f->integer = get_long(&branch);
        break;
    case FIELD_BOOLEAN:
        (void)avro_value_get_boolean(&branch, &truth);
        f->boolean = truth != 0;
        break;
    case FIELD_TEXT:
        f->text = get_text(&branch, a);
        break;
    }
}

static void get_fields(const avro_value_t *map, struct arena *a,
                       struct telemetry_record *t)
{
    size_t count = 0;
    (void)avro_value_get_size(map, &count);
    struct field *fields = arena_alloc(a, (count + 1) * sizeof *fields);
    for (size_t i = 0; i < count; i++) {
        avro_value_t entry;
        const char *name = "";
        (void)avro_value_get_by_index(map, i, &entry, &name);
        fields[i].name = keep(a, name, strlen(name));
        get_field(&entry, a, &fields[i]);
    }
    t->metrics = fields;
    t->metric_count = count;
}

static void get_slot(const avro_value_t *field, const struct slot *s,
                     struct arena *a, struct record *r)
{
    void *to = (char *)r + s->at;
    avro_value_t branch;
    int kind = 0;
    switch (s->type) {
    case SLOT_ID:
    case SLOT_TEXT:
    case SLOT_JSON:
        *(struct str *)to = get_text(field, a);
        break;
    case SLOT_OPTIONAL:
        *(struct str *)to = get_optional(field, a);
        break;
    case SLOT_BYTES:
        *(struct str *)to = get_bytes(field, a);
        break;
    case SLOT_LONG:
    case SLOT_TIME:
        *(int64_t *)to = get_long(field);
        break;
    case SLOT_REAL:
        (void)avro_value_get_double(field, (double *)to);
        break;
    case SLOT_KIND:
        (void)avro_value_get_enum(field, &kind);
        r->event.kind = (enum event_kind)kind;
        break;
    case SLOT_LABELS:
        get_labels(field, a, &r->metric);
        break;
    case SLOT_FIELDS:
        get_fields(field, a, &r->telemetry);
        break;
    case SLOT_PART:
        if (get_branch(field, &branch)) {
            (void)avro_value_get_int(&branch, &r->dead_letter.part);
        }
        break;
    case SLOT_OFFSET:
        if (get_branch(field, &branch)) {
            r->dead_letter.offset = get_long(&branch);
        }
        break;
    }
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
    if (!avro_decode(v->codec, body, err)) {
        return false;
    }
    *r = (struct record){.kind = v->kind};
    for (size_t i = 0; i < record_shapes[v->kind].slot_count; i++) {
        avro_value_t field;
        if (v->field[i] >= 0 &&
            avro_value_get_by_index(avro_codec_decoded(v->codec),
                                    (size_t)v->field[i], &field, NULL) == 0) {
            get_slot(&field, slot_of(r, i), a, r);
        }
    }
    if (r->kind == RECORD_METRIC) {
        r->metric.labels = metric_labels(&r->metric, a, &r->metric.label_count);
    }
    return record_check(r, false, err);
}
