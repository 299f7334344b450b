/* SPDX-License-Identifier: Apache-2.0 */
#include "common/pulse/protocol/otlp_json.h"

#include <assert.h>
#include <math.h>

/* Messages have no more fields; a bit for each says that it was there. */
enum { FIELDS_MAX = 64 };

struct reader {
    struct proto_arena *memory;
    struct fault *fault;
    struct str name; /* of the member at hand */
};

/* Where a value of a field goes. */
struct place {
    const ProtobufCMessageDescriptor *message;
    const ProtobufCFieldDescriptor *field;
    void *at;
};

static ProtobufCMessage *message_read(struct reader *r,
                                      const ProtobufCMessageDescriptor *type,
                                      yyjson_val *v);

static bool refuse(struct reader *r, enum fault_code code, const char *why)
{
    enum { SHOWN_MAX = 64 };
    struct str name = r->name;

    if (name.n > SHOWN_MAX || !str_utf8_valid(name))
        name = (struct str){0};
    return fault_set(r->fault, r->memory->arena, code, name, "%s", why);
}

static void *room(struct reader *r, size_t n)
{
    void *p = proto_arena_alloc(r->memory, n);

    if (!p)
        refuse(r, FAULT_UNPACKED_TOO_LARGE, "makes the body too large");
    return p;
}

/* --- scalars ------------------------------------------------------------ */

static bool u64_parse(struct str s, uint64_t *out)
{
    *out = 0;
    for (size_t i = 0; i < s.n; i++)
        if (s.p[i] < '0' || s.p[i] > '9' ||
            __builtin_mul_overflow(*out, 10, out) ||
            __builtin_add_overflow(*out, (uint64_t)(s.p[i] - '0'), out))
            return false;
    return s.n > 0;
}

static bool u64_read(yyjson_val *v, uint64_t *out)
{
    if (yyjson_is_str(v))
        return u64_parse(json_str(v), out);
    *out = yyjson_get_uint(v);
    return yyjson_is_uint(v);
}

static bool i64_read(yyjson_val *v, int64_t *out)
{
    if (yyjson_is_str(v))
        return str_to_i64(json_str(v), out);
    *out = yyjson_get_sint(v);
    return yyjson_is_sint(v) ||
           (yyjson_is_uint(v) && yyjson_get_uint(v) <= INT64_MAX);
}

static bool i32_read(yyjson_val *v, int32_t *out)
{
    int64_t wide = 0;
    bool good = i64_read(v, &wide) && wide >= INT32_MIN && wide <= INT32_MAX;

    *out = good ? (int32_t)wide : 0;
    return good;
}

static bool u32_read(yyjson_val *v, uint32_t *out)
{
    uint64_t wide = 0;
    bool good = u64_read(v, &wide) && wide <= UINT32_MAX;

    *out = good ? (uint32_t)wide : 0;
    return good;
}

static bool double_read(yyjson_val *v, double *out)
{
    struct str text = json_str(v);

    *out = yyjson_get_num(v);
    if (yyjson_is_num(v))
        return true;
    if (str_is(text, "NaN"))
        *out = NAN;
    else if (str_is(text, "Infinity"))
        *out = INFINITY;
    else if (str_is(text, "-Infinity"))
        *out = -INFINITY;
    else
        return str_to_double(text, out);
    return true;
}

static bool enum_read(const ProtobufCEnumDescriptor *type, yyjson_val *v,
                      int32_t *out)
{
    if (!yyjson_is_str(v))
        return i32_read(v, out);
    for (unsigned i = 0; i < type->n_value_names; i++)
        if (yyjson_equals_str(v, type->values_by_name[i].name)) {
            *out = type->values[type->values_by_name[i].index].value;
            return true;
        }
    return false;
}

/* Text, and bytes, which stay as base64: they end up as that in a label. */
static bool text_read(yyjson_val *v, ProtobufCBinaryData *out)
{
    struct str s = json_str(v);

    /* protobuf-c's structs are not const. */
    *out = (ProtobufCBinaryData){s.n, (uint8_t *)(uintptr_t)s.p};
    return yyjson_is_str(v);
}

/* --- messages ----------------------------------------------------------- */

/* A list or map within a value: kept packed, as it comes in protobuf. */
static bool packed_read(struct reader *r,
                        const ProtobufCMessageDescriptor *type, yyjson_val *v,
                        ProtobufCBinaryData *out)
{
    const ProtobufCMessage *m = message_read(r, type, v);

    if (!m)
        return false;
    out->len = protobuf_c_message_get_packed_size(m);
    out->data = room(r, out->len);
    if (out->data)
        protobuf_c_message_pack(m, out->data);
    return out->data;
}

static bool bytes_read(struct reader *r, const struct place *p, yyjson_val *v)
{
    bool nested = p->message == &pulse__otlp__any_value__descriptor;
    unsigned id = p->field->id;
    Pulse__Otlp__AnyValue *value;

    if (nested && id == PULSE__OTLP__ANY_VALUE__VALUE_ARRAY_VALUE)
        return packed_read(r, &pulse__otlp__array_value__descriptor, v, p->at);
    if (nested && id == PULSE__OTLP__ANY_VALUE__VALUE_KVLIST_VALUE)
        return packed_read(r, &pulse__otlp__key_value_list__descriptor, v,
                           p->at);
    if (!text_read(v, p->at))
        return refuse(r, FAULT_WRONG_TYPE, "must be text");
    if (nested && id == PULSE__OTLP__ANY_VALUE__VALUE_BYTES_VALUE) {
        value = (Pulse__Otlp__AnyValue *)((char *)p->at -
                                          offsetof(Pulse__Otlp__AnyValue,
                                                   bytes_value));
        value->value_case = PULSE__OTLP__ANY_VALUE__VALUE_STRING_VALUE;
    }
    return true;
}

static bool scalar_read(struct reader *r, const struct place *p, yyjson_val *v)
{
    bool good = false;

    switch (p->field->type) {
    case PROTOBUF_C_TYPE_FIXED64:
    case PROTOBUF_C_TYPE_UINT64:
        good = u64_read(v, p->at);
        break;
    case PROTOBUF_C_TYPE_SFIXED64:
    case PROTOBUF_C_TYPE_SINT64:
    case PROTOBUF_C_TYPE_INT64:
        good = i64_read(v, p->at);
        break;
    case PROTOBUF_C_TYPE_SFIXED32:
    case PROTOBUF_C_TYPE_SINT32:
    case PROTOBUF_C_TYPE_INT32:
        good = i32_read(v, p->at);
        break;
    case PROTOBUF_C_TYPE_FIXED32:
    case PROTOBUF_C_TYPE_UINT32:
        good = u32_read(v, p->at);
        break;
    case PROTOBUF_C_TYPE_DOUBLE:
        good = double_read(v, p->at);
        break;
    case PROTOBUF_C_TYPE_BOOL:
        *(protobuf_c_boolean *)p->at = yyjson_is_true(v);
        good = yyjson_is_bool(v);
        break;
    case PROTOBUF_C_TYPE_ENUM:
        good = enum_read(p->field->descriptor, v, p->at);
        break;
    case PROTOBUF_C_TYPE_FLOAT:   /* not in our .proto */
    case PROTOBUF_C_TYPE_STRING:  /* likewise */
    case PROTOBUF_C_TYPE_BYTES:   /* see value_read */
    case PROTOBUF_C_TYPE_MESSAGE: /* likewise */
        break;
    }
    return good || refuse(r, FAULT_WRONG_TYPE,
                          "has a wrong type, or a number "
                          "beyond what it may hold");
}

static bool value_read(struct reader *r, const struct place *p, yyjson_val *v)
{
    if (p->field->type == PROTOBUF_C_TYPE_MESSAGE) {
        ProtobufCMessage **m = p->at;
        *m = message_read(r, p->field->descriptor, v);
        return *m;
    }
    if (p->field->type == PROTOBUF_C_TYPE_BYTES)
        return bytes_read(r, p, v);
    return scalar_read(r, p, v);
}

static size_t size_of(ProtobufCType type)
{
    if (type == PROTOBUF_C_TYPE_MESSAGE)
        return sizeof(ProtobufCMessage *);
    return sizeof(uint64_t); /* repeated ones are 64-bit numbers */
}

static bool list_read(struct reader *r, const struct place *p, yyjson_val *v,
                      size_t *count)
{
    size_t i, n, size = size_of(p->field->type);
    yyjson_val *item;
    char **list = p->at;

    if (!yyjson_is_arr(v))
        return refuse(r, FAULT_WRONG_TYPE, "must be an array");
    if (yyjson_arr_size(v) == 0)
        return true;
    if (!(*list = room(r, yyjson_arr_size(v) * size)))
        return false;
    struct str name = r->name;
    yyjson_arr_foreach(v, i, n, item)
    {
        struct place one = {p->message, p->field, *list + i * size};
        r->name = name;
        if (!value_read(r, &one, item))
            return false;
    }
    *count = n;
    return true;
}

static bool member_read(struct reader *r, ProtobufCMessage *m,
                        const ProtobufCFieldDescriptor *field, yyjson_val *v)
{
    char *base = (char *)m;
    struct place p = {m->descriptor, field, base + field->offset};

    if (field->label == PROTOBUF_C_LABEL_REPEATED)
        return list_read(r, &p, v, (void *)(base + field->quantifier_offset));
    if (field->flags & PROTOBUF_C_FIELD_FLAG_ONEOF) {
        uint32_t *which = (void *)(base + field->quantifier_offset);
        if (*which != 0)
            return refuse(r, FAULT_DUPLICATE_KEY,
                          "stands beside another of which there may be one");
        *which = field->id;
    }
    return value_read(r, &p, v);
}

/* Is camel "timeUnixNano" where snake is "time_unix_nano"? */
static bool name_matches(struct str camel, const char *snake)
{
    size_t i = 0;

    for (const char *s = snake; *s; s++, i++) {
        bool raised = *s == '_';
        char c = raised ? *++s : *s;
        if (raised && c >= 'a' && c <= 'z')
            c = (char)(c - 'a' + 'A');
        if (i == camel.n || camel.p[i] != c)
            return false;
    }
    return i == camel.n;
}

static const ProtobufCFieldDescriptor *field_find(
    const ProtobufCMessageDescriptor *type, struct str name)
{
    for (unsigned i = 0; i < type->n_fields; i++)
        if (name_matches(name, type->fields[i].name))
            return &type->fields[i];
    return NULL;
}

static bool members_read(struct reader *r, ProtobufCMessage *m, yyjson_val *v)
{
    size_t i, n;
    yyjson_val *key, *value;
    uint64_t seen = 0;

    yyjson_obj_foreach(v, i, n, key, value)
    {
        const ProtobufCFieldDescriptor *field =
            field_find(m->descriptor, json_str(key));
        if (!field)
            continue;
        uint64_t bit = UINT64_C(1) << (field - m->descriptor->fields);
        r->name = json_str(key);
        if (seen & bit)
            return refuse(r, FAULT_DUPLICATE_KEY,
                          "appears twice in one object");
        seen |= bit;
        if (!yyjson_is_null(value) && !member_read(r, m, field, value))
            return false;
    }
    return true;
}

static ProtobufCMessage *message_read(struct reader *r,
                                      const ProtobufCMessageDescriptor *type,
                                      yyjson_val *v)
{
    assert(type->n_fields <= FIELDS_MAX);
    if (!yyjson_is_obj(v)) {
        refuse(r, FAULT_WRONG_TYPE, "must be a JSON object");
        return NULL;
    }
    ProtobufCMessage *m = room(r, type->sizeof_message);
    if (!m)
        return NULL;
    protobuf_c_message_init(type, m);
    return members_read(r, m, v) ? m : NULL;
}

ProtobufCMessage *otlp_json_read(struct proto_arena *memory,
                                 const ProtobufCMessageDescriptor *type,
                                 yyjson_val *v, struct fault *fault)
{
    struct reader r = {.memory = memory, .fault = fault};

    return message_read(&r, type, v);
}
