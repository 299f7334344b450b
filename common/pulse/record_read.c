/* SPDX-License-Identifier: Apache-2.0 */
/* A record from the JSON that record_json writes. */
#include <assert.h>

#include "common/json.h"
#include "common/pulse/record_slot.h"
#include "common/timestamp.h"

struct reading {
    struct arena *arena;
    struct record *record;
    struct err *err;
};

static bool bad(const struct reading *in, struct str field, const char *what)
{
    err_set(in->err, ERR_INPUT, "%.*s %s", STR_ARG(field), what);
    return false;
}

/* An object without repeated names. */
static bool object_ok(const struct reading *in, struct str field, yyjson_val *v)
{
    struct str key;
    if (!yyjson_is_obj(v)) {
        return bad(in, field, "must be a JSON object");
    }
    return !json_duplicate(v, &key) || bad(in, key, "appears twice");
}

static bool read_labels(const struct reading *in, yyjson_val *v)
{
    size_t i, n;
    yyjson_val *key, *value;
    if (!object_ok(in, STR("labels"), v)) {
        return false;
    }
    struct label *labels =
        arena_alloc(in->arena, (yyjson_obj_size(v) + 1) * sizeof *labels);
    yyjson_obj_foreach(v, i, n, key, value)
    {
        if (!yyjson_is_str(value)) {
            return bad(in, json_str(key), "must be text");
        }
        labels[i] = (struct label){json_str(key), json_str(value)};
    }
    bool unique = labels_sort(labels, n);
    assert(unique);
    in->record->metric.labels = labels;
    in->record->metric.label_count = n;
    return true;
}

static bool read_long(yyjson_val *v, int64_t *out)
{
    bool whole = yyjson_is_sint(v) ||
                 (yyjson_is_uint(v) && yyjson_get_uint(v) <= INT64_MAX);
    if (whole) {
        *out = yyjson_get_sint(v);
    }
    return whole;
}

static bool read_field(yyjson_val *v, struct field *f)
{
    if (read_long(v, &f->integer)) {
        f->type = FIELD_INTEGER;
    } else if (yyjson_is_num(v)) {
        f->type = FIELD_REAL;
        f->real = yyjson_get_num(v);
    } else if (yyjson_is_bool(v)) {
        f->type = FIELD_BOOLEAN;
        f->boolean = yyjson_get_bool(v);
    } else {
        f->type = FIELD_TEXT;
        f->text = json_str(v);
        return yyjson_is_str(v);
    }
    return true;
}

static bool read_fields(const struct reading *in, yyjson_val *v)
{
    size_t i, n;
    yyjson_val *key, *value;
    if (!object_ok(in, STR("metrics"), v)) {
        return false;
    }
    struct field *fields =
        arena_alloc(in->arena, (yyjson_obj_size(v) + 1) * sizeof *fields);
    yyjson_obj_foreach(v, i, n, key, value)
    {
        fields[i].name = json_str(key);
        if (!read_field(value, &fields[i])) {
            return bad(in, json_str(key),
                       "must be a number, true, false or text");
        }
    }
    in->record->telemetry.metrics = fields;
    in->record->telemetry.metric_count = n;
    return true;
}

static bool read_object(const struct reading *in, struct str field,
                        yyjson_val *v, struct str *out)
{
    AUTO_RELEASE(buf) text = {0};
    if (!object_ok(in, field, v)) {
        return false;
    }
    json_add_val(&text, v);
    *out = arena_str(in->arena, buf_str(&text));
    return true;
}

static bool read_kind(yyjson_val *v, enum event_kind *out)
{
    struct str kind = json_str(v);
    *out = str_is(kind, "log") ? EVENT_LOG : EVENT_EVENT;
    return str_is(kind, "log") || str_is(kind, "event");
}

static bool read_slot(const struct reading *in, const struct slot *s,
                      yyjson_val *v)
{
    void *to = (char *)in->record + s->at;
    struct str name = str_of(s->name);
    switch (s->type) {
    case SLOT_ID:
    case SLOT_TEXT:
    case SLOT_OPTIONAL:
        *(struct str *)to = json_str(v);
        return yyjson_is_str(v) || bad(in, name, "must be text");
    case SLOT_JSON:
        return read_object(in, name, v, to);
    case SLOT_LONG:
        return read_long(v, to) || bad(in, name, "must be a whole number");
    case SLOT_TIME:
        return timestamp_parse(json_str(v), to) ||
               bad(in, name, "must be RFC 3339 with Z or offset");
    case SLOT_REAL:
        *(double *)to = yyjson_get_num(v);
        return yyjson_is_num(v) || bad(in, name, "must be a number");
    case SLOT_KIND:
        return read_kind(v, &in->record->event.kind) ||
               bad(in, name, "must be \"log\" or \"event\"");
    case SLOT_LABELS:
        return read_labels(in, v);
    case SLOT_FIELDS:
        return read_fields(in, v);
    case SLOT_BYTES:
    case SLOT_PART:
    case SLOT_OFFSET:
        break;
    }
    return bad(in, name, "cannot be given as JSON");
}

static const struct slot *slot_called(const struct record *r, struct str name)
{
    for (size_t i = 0; i < record_shapes[r->kind].slot_count; i++) {
        if (str_is(name, slot_of(r, i)->name)) {
            return slot_of(r, i);
        }
    }
    return NULL;
}

static bool read_members(const struct reading *in, yyjson_val *root)
{
    size_t i, n;
    yyjson_val *key, *value;
    yyjson_obj_foreach(root, i, n, key, value)
    {
        const struct slot *s = slot_called(in->record, json_str(key));
        if (!s) {
            return bad(in, json_str(key), "is no field of this record");
        }
        if (!yyjson_is_null(value) && !read_slot(in, s, value)) {
            return false;
        }
    }
    return true;
}

static bool nothing_missing(const struct reading *in, yyjson_val *root)
{
    for (size_t i = 0; i < record_shapes[in->record->kind].slot_count; i++) {
        const struct slot *s = slot_of(in->record, i);
        yyjson_val *v = yyjson_obj_get(root, s->name);
        if (s->type != SLOT_OPTIONAL && (!v || yyjson_is_null(v))) {
            return bad(in, str_of(s->name), "is missing");
        }
    }
    return true;
}

bool record_from_json(enum record_kind kind, struct str json, struct arena *a,
                      struct record *r, struct err *err)
{
    struct reading in = {a, r, err};
    assert(kind != RECORD_DEAD_LETTER);
    *r = (struct record){.kind = kind};
    yyjson_doc *doc = json_parse(a, json, err);
    if (!doc) {
        return false;
    }
    yyjson_val *root = yyjson_doc_get_root(doc);
    return object_ok(&in, STR("the record"), root) && read_members(&in, root) &&
           nothing_missing(&in, root) && record_check(r, true, err);
}
