/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/unit/record_oracle.h"

#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "build/gen/schemas.h"
#include "common/pulse/record_slot.h"
#include "tests/unit/avro_codec.h"

struct oracle {
    struct avro_codec *codecs[SCHEMA_COUNT];
    struct buf name; /* libavro's maps want NUL-terminated keys */
};

struct oracle *oracle_new(void)
{
    struct oracle *o = xcalloc(1, sizeof *o);
    struct err err;
    for (size_t i = 0; i < SCHEMA_COUNT; i++) {
        o->codecs[i] = avro_codec_new(&schema_defs[i], &err);
        assert(o->codecs[i] != NULL);
    }
    return o;
}

void oracle_free(struct oracle *o)
{
    if (o == NULL)
        return;
    for (size_t i = 0; i < SCHEMA_COUNT; i++)
        avro_codec_free(o->codecs[i]);
    buf_release(&o->name);
    free(o);
}

/* ---- decoding ---- */

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
    if (!labels_sort(labels, count))
        abort(); /* libavro's map made them unique */
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
    if (f->type == FIELD_REAL)
        (void)avro_value_get_double(&branch, &f->real);
    else if (f->type == FIELD_INTEGER)
        f->integer = get_long(&branch);
    else if (f->type == FIELD_TEXT)
        f->text = get_text(&branch, a);
    else if (avro_value_get_boolean(&branch, &truth) == 0)
        f->boolean = truth != 0;
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
        if (get_branch(field, &branch))
            *(struct str *)to = get_text(&branch, a);
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
        if (get_branch(field, &branch))
            (void)avro_value_get_int(&branch, &r->dead_letter.part);
        break;
    case SLOT_OFFSET:
        if (get_branch(field, &branch))
            r->dead_letter.offset = get_long(&branch);
        break;
    }
}

static enum record_kind kind_of(const char *name)
{
    int kind = 0;
    while (strcmp(record_shapes[kind].name, name) != 0)
        kind++;
    return (enum record_kind)kind;
}

/* SCHEMA_COUNT: none. */
static size_t schema_of(uint64_t fingerprint)
{
    size_t i = 0;
    while (i < SCHEMA_COUNT && schema_defs[i].fingerprint != fingerprint)
        i++;
    return i;
}

bool oracle_decode(struct oracle *o, struct str message, struct arena *a,
                   struct record *r)
{
    uint64_t fingerprint;
    struct str body;
    struct err err;
    if (!avro_peek(message, &fingerprint, &body))
        return false;
    size_t schema = schema_of(fingerprint);
    if (schema == SCHEMA_COUNT || !avro_decode(o->codecs[schema], body, &err))
        return false;
    *r = (struct record){.kind = kind_of(schema_defs[schema].name)};
    for (size_t i = 0; i < record_shapes[r->kind].slot_count; i++) {
        avro_value_t field;
        if (avro_value_get_by_name(avro_codec_decoded(o->codecs[schema]),
                                   slot_of(r, i)->name, &field, NULL) == 0)
            get_slot(&field, slot_of(r, i), a, r);
    }
    if (r->kind == RECORD_METRIC)
        r->metric.labels = metric_labels(&r->metric, a, &r->metric.label_count);
    return record_check(r, true, &err);
}

/* ---- encoding ---- */

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

static int add_entry(struct oracle *o, avro_value_t *map, struct str name,
                     avro_value_t *entry)
{
    buf_reset(&o->name);
    buf_add_str(&o->name, name);
    buf_add_char(&o->name, '\0');
    return avro_value_add(map, o->name.p, entry, NULL, NULL);
}

static int put_labels(struct oracle *o, avro_value_t *map,
                      const struct metric_record *m)
{
    int failed = 0;
    for (size_t i = 0; i < m->label_count && !failed; i++) {
        avro_value_t text;
        failed = add_entry(o, map, m->labels[i].name, &text) ||
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

static int put_fields(struct oracle *o, avro_value_t *map,
                      const struct telemetry_record *t)
{
    int failed = 0;
    for (size_t i = 0; i < t->metric_count && !failed; i++) {
        avro_value_t entry;
        failed = add_entry(o, map, t->metrics[i].name, &entry) ||
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

static int put_slot(struct oracle *o, avro_value_t *field, const struct slot *s,
                    const struct record *r)
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
        return put_labels(o, field, &r->metric);
    case SLOT_FIELDS:
        return put_fields(o, field, &r->telemetry);
    case SLOT_PART:
        return put_part(field, &r->dead_letter);
    case SLOT_OFFSET:
        return put_offset(field, &r->dead_letter);
    }
    return EINVAL;
}

/* The newest version: they are sorted. */
static struct avro_codec *codec_for(struct oracle *o, enum record_kind kind)
{
    size_t i = SCHEMA_COUNT;
    do
        i--;
    while (kind_of(schema_defs[i].name) != kind);
    return o->codecs[i];
}

bool oracle_encode(struct oracle *o, const struct record *r, struct buf *out)
{
    struct err err;
    if (!record_check(r, true, &err))
        return false;
    struct avro_codec *c = codec_for(o, r->kind);
    avro_value_t *value = avro_codec_value(c);
    for (size_t i = 0; i < record_shapes[r->kind].slot_count; i++) {
        const struct slot *s = slot_of(r, i);
        avro_value_t field;
        int failed = avro_value_get_by_name(value, s->name, &field, NULL) ||
                     put_slot(o, &field, s, r);
        assert(!failed);
    }
    bool good = avro_encode(c, out, &err);
    assert(good);
    return true;
}

/* ---- both ---- */

static void show(const char *whose, struct str bytes)
{
    fprintf(stderr, "%s", whose);
    for (size_t i = 0; i < bytes.n; i++)
        fprintf(stderr, " %02x", (unsigned char)bytes.p[i]);
    fputc('\n', stderr);
}

void oracle_compare_encoding(struct oracle *o, struct record_codec *codec,
                             const struct record *r)
{
    struct err err;
    AUTO_RELEASE(buf) ours = {0};
    AUTO_RELEASE(buf) theirs = {0};
    bool good = record_encode(codec, r, &ours, &err);
    if (good != oracle_encode(o, r, &theirs) ||
        !str_eq(buf_str(&ours), buf_str(&theirs))) {
        show("here:   ", buf_str(&ours));
        show("libavro:", buf_str(&theirs));
        abort();
    }
}

void oracle_compare(struct oracle *o, struct record_codec *codec,
                    struct str message, struct arena *a)
{
    struct record ours, theirs;
    struct err err;
    AUTO_RELEASE(buf) x = {0};
    AUTO_RELEASE(buf) y = {0};
    bool good = record_decode(codec, message, a, &ours, &err);
    if (good != oracle_decode(o, message, a, &theirs)) {
        fprintf(stderr, "%s by libavro, not so here: %s\n",
                good ? "refused" : "read", good ? "read" : err.text);
        abort();
    }
    if (!good)
        return;
    record_json(&ours, &x);
    record_json(&theirs, &y);
    if (ours.kind != theirs.kind || !str_eq(buf_str(&x), buf_str(&y))) {
        fprintf(stderr, "here:    %s\nlibavro: %s\n", x.p, y.p);
        abort();
    }
}
