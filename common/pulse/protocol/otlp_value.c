/* SPDX-License-Identifier: Apache-2.0 */
#include "common/pulse/protocol/otlp_value.h"

#include <math.h>
#include <openssl/evp.h>

/* What is longer is too long for a label, and not written whole: the resource's
 * attributes are read again for each of its scopes. */
enum { TEXT_MAX = 4 * CHECK_LABEL_VALUE_MAX };

/* What is written, and what stops it. */
struct writer {
    struct check *check;
    struct proto_arena *memory;
    struct buf text;
    int depth;
};

static bool value_add(struct writer *w, const Pulse__Otlp__AnyValue *v);

static void base64_add(struct buf *text, struct str bytes)
{
    int n = (int)(bytes.n < TEXT_MAX ? bytes.n : TEXT_MAX);
    char *p = buf_reserve(text, (size_t)n / 3 * 4 + 5);

    text->n += (size_t)EVP_EncodeBlock((unsigned char *)p,
                                       (const unsigned char *)bytes.p, n);
}

static void string_add(struct buf *text, struct str s)
{
    if (s.n > TEXT_MAX)
        s.n = TEXT_MAX;
    json_add_str(text, s);
}

static void double_add(struct buf *text, double value)
{
    if (isfinite(value))
        json_add_double(text, value);
    else if (isnan(value))
        buf_add_text(text, "NaN");
    else
        buf_add_text(text, value > 0 ? "Infinity" : "-Infinity");
}

static void quoted_add(struct buf *text, const Pulse__Otlp__AnyValue *v)
{
    buf_add_char(text, '"');
    if (v->value_case == PULSE__OTLP__ANY_VALUE__VALUE_BYTES_VALUE)
        base64_add(text, otlp_str(v->bytes_value));
    else
        double_add(text, v->double_value);
    buf_add_char(text, '"');
}

/* Unpacks a list or a map; NULL, with the fault. */
static ProtobufCMessage *nested(struct writer *w,
                                const ProtobufCMessageDescriptor *type,
                                ProtobufCBinaryData bytes)
{
    struct check *c = w->check;
    ProtobufCMessage *m = NULL;

    if (w->depth == OTLP_VALUE_DEPTH)
        fault_set(&c->fault, c->arena, FAULT_WRONG_TYPE, STR("labels"),
                  "holds a value nested deeper than %d", OTLP_VALUE_DEPTH);
    else if (!(m = proto_arena_unpack(w->memory, type, otlp_str(bytes))))
        fault_set(&c->fault, c->arena,
                  w->memory->spent ? FAULT_UNPACKED_TOO_LARGE
                                   : FAULT_MALFORMED_PROTOBUF,
                  STR("labels"), "holds a list or map that cannot be unpacked");
    w->depth++;
    return m;
}

static bool list_add(struct writer *w, ProtobufCBinaryData bytes)
{
    const Pulse__Otlp__ArrayValue *list =
        (const Pulse__Otlp__ArrayValue *)nested(
            w, &pulse__otlp__array_value__descriptor, bytes);

    if (!list)
        return false;
    buf_add_char(&w->text, '[');
    for (size_t i = 0; i < list->n_values && w->text.n <= TEXT_MAX; i++) {
        if (i > 0)
            buf_add_char(&w->text, ',');
        if (!value_add(w, list->values[i]))
            return false;
    }
    buf_add_char(&w->text, ']');
    w->depth--;
    return true;
}

static bool map_add(struct writer *w, ProtobufCBinaryData bytes)
{
    const Pulse__Otlp__KeyValueList *map =
        (const Pulse__Otlp__KeyValueList *)nested(
            w, &pulse__otlp__key_value_list__descriptor, bytes);

    if (!map)
        return false;
    buf_add_char(&w->text, '{');
    for (size_t i = 0; i < map->n_values && w->text.n <= TEXT_MAX; i++) {
        if (i > 0)
            buf_add_char(&w->text, ',');
        string_add(&w->text, otlp_str(map->values[i]->key));
        buf_add_char(&w->text, ':');
        if (!value_add(w, map->values[i]->value))
            return false;
    }
    buf_add_char(&w->text, '}');
    w->depth--;
    return true;
}

/* As JSON. */
static bool value_add(struct writer *w, const Pulse__Otlp__AnyValue *v)
{
    Pulse__Otlp__AnyValue__ValueCase kind =
        v ? v->value_case : PULSE__OTLP__ANY_VALUE__VALUE__NOT_SET;

    switch (kind) {
    case PULSE__OTLP__ANY_VALUE__VALUE_STRING_VALUE:
        string_add(&w->text, otlp_str(v->string_value));
        return true;
    case PULSE__OTLP__ANY_VALUE__VALUE_BOOL_VALUE:
        buf_add_text(&w->text, v->bool_value ? "true" : "false");
        return true;
    case PULSE__OTLP__ANY_VALUE__VALUE_INT_VALUE:
        json_add_i64(&w->text, v->int_value);
        return true;
    case PULSE__OTLP__ANY_VALUE__VALUE_DOUBLE_VALUE:
        if (isfinite(v->double_value))
            json_add_double(&w->text, v->double_value);
        else
            quoted_add(&w->text, v);
        return true;
    case PULSE__OTLP__ANY_VALUE__VALUE_ARRAY_VALUE:
        return list_add(w, v->array_value);
    case PULSE__OTLP__ANY_VALUE__VALUE_KVLIST_VALUE:
        return map_add(w, v->kvlist_value);
    case PULSE__OTLP__ANY_VALUE__VALUE_BYTES_VALUE:
        quoted_add(&w->text, v);
        return true;
    case PULSE__OTLP__ANY_VALUE__VALUE__NOT_SET:
    case _PULSE__OTLP__ANY_VALUE__VALUE__CASE_IS_INT_SIZE:
        break;
    }
    buf_add_text(&w->text, "null");
    return true;
}

bool otlp_value_text(struct check *c, struct proto_arena *memory,
                     const Pulse__Otlp__AnyValue *v, struct str *out)
{
    struct writer w = {.check = c, .memory = memory};
    bool good = true;

    *out = STR("");
    if (!v || v->value_case == PULSE__OTLP__ANY_VALUE__VALUE__NOT_SET)
        return true;
    if (v->value_case == PULSE__OTLP__ANY_VALUE__VALUE_STRING_VALUE) {
        *out = otlp_str(v->string_value);
        return true;
    }
    if (v->value_case == PULSE__OTLP__ANY_VALUE__VALUE_BYTES_VALUE)
        base64_add(&w.text, otlp_str(v->bytes_value));
    else if (v->value_case == PULSE__OTLP__ANY_VALUE__VALUE_DOUBLE_VALUE)
        double_add(&w.text, v->double_value);
    else
        good = value_add(&w, v);
    if (good)
        *out = arena_str(c->arena, buf_str(&w.text));
    buf_release(&w.text);
    return good;
}
