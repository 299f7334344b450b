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
    uint64_t fingerprint;
    char header[AVRO_HEADER_BYTES];
    enum record_kind kind;
    const struct slot *slots[SLOTS_MAX]; /* in the schema's order */
    size_t slot_count;
};

struct record_codec {
    struct version versions[SCHEMA_COUNT];
    struct version *newest[RECORD_KINDS];
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

static void find_slots(struct version *v, const struct avro_def *def)
{
    assert(def->field_count <= SLOTS_MAX);
    v->slot_count = def->field_count;
    for (size_t i = 0; i < v->slot_count; i++) {
        const struct slot *s = slot_named(v->kind, def->fields[i].name);
        assert(s != NULL);
        assert(strcmp(slot_types[s->type], def->fields[i].type) == 0);
        v->slots[i] = s;
    }
    /* metric.series: tenant, name, labels, nothing between them. */
    assert(v->kind != RECORD_METRIC || v->slots[2]->type == SLOT_LABELS);
}

struct record_codec *record_codec_new(struct err *err)
{
    struct record_codec *c = xcalloc(1, sizeof *c);
    (void)err;
    for (size_t i = 0; i < SCHEMA_COUNT; i++) {
        struct version *v = &c->versions[i];
        bool known = kind_of(schema_defs[i].name, &v->kind);
        assert(known);
        v->fingerprint = schema_defs[i].fingerprint;
        avro_header(v->header, v->fingerprint);
        find_slots(v, &schema_defs[i]);
        c->newest[v->kind] = v; /* they are sorted by version */
    }
    return c;
}

void record_codec_free(struct record_codec *c)
{
    if (c == NULL) {
        return;
    }
    record_scratch_release(&c->scratch);
    free(c);
}

bool record_encode(struct record_codec *c, const struct record *r,
                   struct buf *out, struct err *err)
{
    const struct version *v = c->newest[r->kind];
    size_t before = out->n;
    buf_add(out, v->header, sizeof v->header);
    if (record_body_write(r, v->slots, v->slot_count, &c->scratch, out)) {
        return true;
    }
    out->n = before;
    out->p[before] = '\0';
    bool good = record_check(r, true, err);
    assert(!good);
    return false;
}

static struct version *version_of(struct record_codec *c, uint64_t fingerprint)
{
    for (size_t i = 0; i < SCHEMA_COUNT; i++) {
        if (c->versions[i].fingerprint == fingerprint) {
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
