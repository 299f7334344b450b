/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/unit/record_oracle.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "build/gen/schemas.h"
#include "common/avro.h"
#include "common/pulse/record_slot.h"

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

static const struct avro_def *def_of(uint64_t fingerprint)
{
    for (size_t i = 0; i < SCHEMA_COUNT; i++)
        if (schema_defs[i].fingerprint == fingerprint)
            return &schema_defs[i];
    return NULL;
}

static enum record_kind kind_of(const char *name)
{
    int kind = 0;
    while (strcmp(record_shapes[kind].name, name) != 0)
        kind++;
    return (enum record_kind)kind;
}

bool oracle_decode(struct str message, struct arena *a, struct record *r)
{
    uint64_t fingerprint;
    struct str body;
    struct err err;
    if (!avro_peek(message, &fingerprint, &body))
        return false;
    const struct avro_def *def = def_of(fingerprint);
    if (def == NULL)
        return false;
    AUTO(avro_codec) c = avro_codec_new(def, &err);
    if (!avro_decode(c, body, &err))
        return false;
    *r = (struct record){.kind = kind_of(def->name)};
    for (size_t i = 0; i < record_shapes[r->kind].slot_count; i++) {
        avro_value_t field;
        if (avro_value_get_by_name(avro_codec_decoded(c), slot_of(r, i)->name,
                                   &field, NULL) == 0)
            get_slot(&field, slot_of(r, i), a, r);
    }
    if (r->kind == RECORD_METRIC)
        r->metric.labels = metric_labels(&r->metric, a, &r->metric.label_count);
    return record_check(r, true, &err);
}

void oracle_compare(struct record_codec *codec, struct str message,
                    struct arena *a)
{
    struct record ours, theirs;
    struct err err;
    AUTO_RELEASE(buf) x = {0};
    AUTO_RELEASE(buf) y = {0};
    bool good = record_decode(codec, message, a, &ours, &err);
    if (good != oracle_decode(message, a, &theirs)) {
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
