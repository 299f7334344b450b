/* SPDX-License-Identifier: Apache-2.0 */
/* Random OTLP requests, good and bad, once in protobuf and once in JSON: the
 * same records come out, the same data points are refused for the same
 * reasons. PULSE_SEED repeats a run. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <math.h>
#include <openssl/evp.h>

#include "build/gen/otlp.pb-c.h"
#include "tests/fuzz/otlp_body.h"
#include "tests/prop/random.h"

enum { MESSAGES = 3000, VALUE_DEPTH = 4 };

#define ANY_VALUE (&pulse__otlp__any_value__descriptor)
#define REQUEST (&pulse__otlp__export_metrics_service_request__descriptor)

static struct otlp_fuzz fuzz;

static ProtobufCMessage *some_message(const ProtobufCMessageDescriptor *type,
                                      int depth);

/* --- a random message --------------------------------------------------- */

/* Few names, so that some come twice; now and then an odd one. */
static struct str some_text(void)
{
    static const struct str texts[] = {{"a", 1},
                                       {"b", 1},
                                       {"service.name", 12},
                                       {"device.id", 9},
                                       {"device_id", 9},
                                       {"le", 2},
                                       {"temporality", 11},
                                       {"quantile", 8},
                                       {"d1", 2},
                                       {"\xc3\xa4\"\\\n", 5}};

    if (chance(3))
        return chance(50) ? STR("") : (struct str){"x\0y", 3};
    if (chance(50))
        return arena_printf(fuzz.arena, "n%d", (int)below(1000));
    return texts[below(ARRAY_LEN(texts))];
}

static uint64_t some_u64(void)
{
    return chance(10) ? random_next() : (uint64_t)below(10);
}

/* No -0: protobuf-c packs it as 0, and yyjson reads it as one. */
static double some_double(void)
{
    static const double odd[] = {NAN, INFINITY, -INFINITY, 1e308, 5e-324};

    if (chance(3))
        return odd[below(ARRAY_LEN(odd))];
    return (double)below(1000) / 8;
}

static struct str packed(const ProtobufCMessage *m)
{
    size_t n = protobuf_c_message_get_packed_size(m);
    uint8_t *p = arena_alloc(fuzz.arena, n);

    protobuf_c_message_pack(m, p);
    return (struct str){(const char *)p, n};
}

static bool is_list(const ProtobufCMessageDescriptor *type, unsigned id)
{
    return type == ANY_VALUE && id == PULSE__OTLP__ANY_VALUE__VALUE_ARRAY_VALUE;
}

static bool is_map(const ProtobufCMessageDescriptor *type, unsigned id)
{
    return type == ANY_VALUE &&
           id == PULSE__OTLP__ANY_VALUE__VALUE_KVLIST_VALUE;
}

static void some_bytes(const ProtobufCMessageDescriptor *type, unsigned id,
                       int depth, ProtobufCBinaryData *out)
{
    struct str s = some_text();

    if (is_list(type, id))
        s = packed(
            some_message(&pulse__otlp__array_value__descriptor, depth + 1));
    if (is_map(type, id))
        s = packed(
            some_message(&pulse__otlp__key_value_list__descriptor, depth + 1));
    *out = (ProtobufCBinaryData){s.n, (uint8_t *)(uintptr_t)s.p};
}

static void some_value(const ProtobufCMessageDescriptor *type,
                       const ProtobufCFieldDescriptor *f, int depth, void *at)
{
    switch ((int)f->type) {
    case PROTOBUF_C_TYPE_MESSAGE:
        *(ProtobufCMessage **)at = some_message(f->descriptor, depth + 1);
        break;
    case PROTOBUF_C_TYPE_BYTES:
        some_bytes(type, f->id, depth, at);
        break;
    case PROTOBUF_C_TYPE_DOUBLE:
        *(double *)at = some_double();
        break;
    case PROTOBUF_C_TYPE_BOOL:
        *(protobuf_c_boolean *)at = chance(50);
        break;
    case PROTOBUF_C_TYPE_ENUM:
        *(int32_t *)at = (int32_t)below(3);
        break;
    case PROTOBUF_C_TYPE_SINT32:
        *(int32_t *)at = (int32_t)below(200) - 100;
        break;
    case PROTOBUF_C_TYPE_UINT32:
        *(uint32_t *)at = chance(90) ? 0 : (uint32_t)below(4);
        break;
    default: /* 64 bits */
        *(uint64_t *)at = some_u64();
    }
}

static size_t width(const ProtobufCFieldDescriptor *f)
{
    return f->type == PROTOBUF_C_TYPE_MESSAGE ? sizeof(void *)
                                              : sizeof(uint64_t);
}

static void some_field(ProtobufCMessage *m, const ProtobufCFieldDescriptor *f,
                       int depth)
{
    char *base = (char *)m;
    void *quantifier = base + f->quantifier_offset;

    if (f->label == PROTOBUF_C_LABEL_REPEATED) {
        size_t n = (size_t)below(4);
        char *list = arena_zalloc(fuzz.arena, n + 1, width(f));
        *(void **)(void *)(base + f->offset) = list;
        *(size_t *)quantifier = n;
        for (size_t i = 0; i < n; i++)
            some_value(m->descriptor, f, depth, list + i * width(f));
        return;
    }
    if (f->flags & PROTOBUF_C_FIELD_FLAG_ONEOF) {
        if (*(uint32_t *)quantifier != 0)
            return;
        *(uint32_t *)quantifier = f->id;
    }
    some_value(m->descriptor, f, depth, base + f->offset);
}

/* A histogram that does not contradict itself is rare by chance. */
static void mend(ProtobufCMessage *m)
{
    if (m->descriptor != &pulse__otlp__histogram_data_point__descriptor)
        return;
    Pulse__Otlp__HistogramDataPoint *h = (Pulse__Otlp__HistogramDataPoint *)m;
    if (h->n_bucket_counts == 0)
        h->n_explicit_bounds = 0;
    else if (h->n_explicit_bounds >= h->n_bucket_counts)
        h->n_explicit_bounds = h->n_bucket_counts - 1;
    else
        h->n_bucket_counts = h->n_explicit_bounds + 1;
    for (size_t i = 0; i < h->n_explicit_bounds; i++)
        h->explicit_bounds[i] = (double)i - 0.5;
    for (size_t i = 0; i < h->n_bucket_counts; i++)
        h->count = (i == 0 ? 0 : h->count) + h->bucket_counts[i];
}

static ProtobufCMessage *some_message(const ProtobufCMessageDescriptor *type,
                                      int depth)
{
    ProtobufCMessage *m = arena_alloc(fuzz.arena, type->sizeof_message);
    unsigned first = (unsigned)below(type->n_fields);
    bool end = type == ANY_VALUE && depth > 8 + VALUE_DEPTH;

    protobuf_c_message_init(type, m);
    for (unsigned i = 0; i < type->n_fields && !end; i++) {
        /* From any of them on, so that each of a oneof has its turn. */
        unsigned at = (first + i) % type->n_fields;
        if (chance(90))
            some_field(m, &type->fields[at], depth);
    }
    if (chance(90))
        mend(m);
    return m;
}

/* --- as JSON ------------------------------------------------------------ */

static void message_json(const ProtobufCMessage *m, struct buf *out);

static void name_json(const char *snake, struct buf *out)
{
    buf_add_char(out, '"');
    for (const char *s = snake; *s; s++)
        if (*s == '_' && s[1] >= 'a' && s[1] <= 'z')
            buf_add_char(out, (char)(*++s - 'a' + 'A'));
        else if (*s != '_')
            buf_add_char(out, *s);
    buf_add_text(out, "\":");
}

static void double_json(double value, struct buf *out)
{
    if (isnan(value))
        buf_add_text(out, "\"NaN\"");
    else if (isinf(value))
        buf_add_text(out, value > 0 ? "\"Infinity\"" : "\"-Infinity\"");
    else
        buf_addf(out, chance(50) ? "%.17g" : "\"%.17g\"", value);
}

static void bytes_json(const ProtobufCMessageDescriptor *type, unsigned id,
                       ProtobufCBinaryData bytes, struct buf *out)
{
    const ProtobufCMessageDescriptor *nested = NULL;
    char base64[8192];

    if (is_list(type, id))
        nested = &pulse__otlp__array_value__descriptor;
    if (is_map(type, id))
        nested = &pulse__otlp__key_value_list__descriptor;
    if (nested) {
        ProtobufCMessage *m =
            protobuf_c_message_unpack(nested, NULL, bytes.len, bytes.data);
        message_json(m, out);
        protobuf_c_message_free_unpacked(m, NULL);
    } else if (type == ANY_VALUE &&
               id == PULSE__OTLP__ANY_VALUE__VALUE_BYTES_VALUE) {
        assert_true(bytes.len < 4096);
        int n = EVP_EncodeBlock((unsigned char *)base64, bytes.data,
                                (int)bytes.len);
        json_add_str(out, (struct str){base64, (size_t)n});
    } else {
        json_add_str(out, (struct str){(const char *)bytes.data, bytes.len});
    }
}

static void value_json(const ProtobufCMessageDescriptor *type,
                       const ProtobufCFieldDescriptor *f, const void *at,
                       struct buf *out)
{
    const char *quote = chance(50) ? "\"" : "";

    switch ((int)f->type) {
    case PROTOBUF_C_TYPE_MESSAGE:
        message_json(*(ProtobufCMessage *const *)at, out);
        break;
    case PROTOBUF_C_TYPE_BYTES:
        bytes_json(type, f->id, *(const ProtobufCBinaryData *)at, out);
        break;
    case PROTOBUF_C_TYPE_DOUBLE:
        double_json(*(const double *)at, out);
        break;
    case PROTOBUF_C_TYPE_BOOL:
        buf_add_text(out, *(const protobuf_c_boolean *)at ? "true" : "false");
        break;
    case PROTOBUF_C_TYPE_ENUM:
        if (*quote)
            json_add_str(out, str_of(protobuf_c_enum_descriptor_get_value(
                                         f->descriptor, *(const int32_t *)at)
                                         ->name));
        else
            buf_addf(out, "%d", (int)*(const int32_t *)at);
        break;
    case PROTOBUF_C_TYPE_SINT32:
        buf_addf(out, "%s%d%s", quote, (int)*(const int32_t *)at, quote);
        break;
    case PROTOBUF_C_TYPE_UINT32:
        buf_addf(out, "%s%u%s", quote, (unsigned)*(const uint32_t *)at, quote);
        break;
    case PROTOBUF_C_TYPE_INT64:
    case PROTOBUF_C_TYPE_SFIXED64:
        buf_addf(out, "%s%lld%s", quote, (long long)*(const int64_t *)at,
                 quote);
        break;
    default:
        buf_addf(out, "%s%llu%s", quote,
                 (unsigned long long)*(const uint64_t *)at, quote);
    }
}

static void list_json(const ProtobufCMessage *m,
                      const ProtobufCFieldDescriptor *f, struct buf *out)
{
    const char *base = (const char *)m;
    size_t n = *(const size_t *)(const void *)(base + f->quantifier_offset);
    const char *list = *(char *const *)(const void *)(base + f->offset);

    buf_add_char(out, '[');
    for (size_t i = 0; i < n; i++) {
        if (i > 0)
            buf_add_char(out, ',');
        value_json(m->descriptor, f, list + i * width(f), out);
    }
    buf_add_char(out, ']');
}

static bool is_there(const ProtobufCMessage *m,
                     const ProtobufCFieldDescriptor *f)
{
    const char *base = (const char *)m;

    if (f->flags & PROTOBUF_C_FIELD_FLAG_ONEOF)
        return *(const uint32_t *)(const void *)(base + f->quantifier_offset) ==
               f->id;
    return f->label == PROTOBUF_C_LABEL_REPEATED ||
           f->type != PROTOBUF_C_TYPE_MESSAGE ||
           *(void *const *)(const void *)(base + f->offset);
}

static void message_json(const ProtobufCMessage *m, struct buf *out)
{
    const char *before = chance(10) ? "{\"unknown\":[{}]," : "{";
    const ProtobufCMessageDescriptor *type = m->descriptor;

    for (unsigned i = 0; i < type->n_fields; i++) {
        const ProtobufCFieldDescriptor *f = &type->fields[i];
        if (!is_there(m, f))
            continue;
        buf_add_text(out, before);
        before = ",";
        name_json(f->name, out);
        if (f->label == PROTOBUF_C_LABEL_REPEATED)
            list_json(m, f, out);
        else
            value_json(type, f, (const char *)m + f->offset, out);
    }
    buf_add_text(out, *before == '{' ? "{}" : "}");
}

/* --- the property ------------------------------------------------------- */

static size_t times(struct str s, const char *word)
{
    size_t n = 0;

    for (const char *at = s.p; at && (at = strstr(at, word)); at++)
        n++;
    return n;
}

static void both_encodings_say_the_same(void **state)
{
    size_t good = 0, bad = 0;

    (void)state;
    random_begin("otlp");
    for (int64_t i = random_count(MESSAGES); i > 0; i--) {
        AUTO_RELEASE(buf) json = {0}, a = {0}, b = {0};
        bool device = chance(20);
        fuzz_begin(&fuzz);
        const ProtobufCMessage *m = some_message(REQUEST, 0);
        message_json(m, &json);
        if (!fuzz_body(&fuzz, packed(m), "application/x-protobuf", device,
                       &a) ||
            !fuzz_body(&fuzz, buf_str(&json), "application/json", device, &b))
            continue; /* too large for memory in one of them */
        if (!str_eq(buf_str(&a), buf_str(&b)))
            fail_msg("%s\nin protobuf gives\n%s\nin JSON\n%s", json.p, a.p,
                     b.p);
        good += times(buf_str(&a), "\"name\"");
        bad += times(buf_str(&a), "_");
    }
    assert_true(good > 0 && bad > 0);
}

static int end(void **state)
{
    (void)state;
    arena_free(fuzz.arena);
    record_codec_free(fuzz.codec);
    buf_release(&fuzz.message);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(both_encodings_say_the_same),
    };
    return cmocka_run_group_tests(tests, NULL, end);
}
