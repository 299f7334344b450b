/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "build/gen/schemas.h"
#include "tests/unit/avro_codec.h"

/* Canonical forms and fingerprints of the specification's own tests
 * (share/test/data/schema-tests.txt of Apache Avro). */
static void test_fingerprints_are_the_specifications(void **state)
{
    static const struct {
        const char *canonical;
        uint64_t fingerprint;
    } cases[] = {
        {"\"null\"", 0x63dd24e7cc258f8a},
        {"\"int\"", 0x7275d51a3f395c8f},
        {"\"boolean\"", (uint64_t)INT64_C(-6970731678124411036)},
        {"\"long\"", (uint64_t)INT64_C(-3434872931120570953)},
        {"\"float\"", (uint64_t)INT64_C(5583340709985441680)},
        {"\"double\"", (uint64_t)INT64_C(-8181574048448539266)},
        {"\"bytes\"", (uint64_t)INT64_C(5746618253357095269)},
        {"\"string\"", (uint64_t)INT64_C(-8142146995180207161)},
        {"[\"int\",\"boolean\"]", (uint64_t)INT64_C(5392556393470105090)},
        {"{\"name\":\"x.y.foo\",\"type\":\"record\",\"fields\":[]}",
         (uint64_t)INT64_C(5916914534497305771)},
        {"{\"name\":\"foo\",\"type\":\"record\",\"fields\":[{\"name\":\"f1\","
         "\"type\":\"boolean\"},{\"name\":\"f2\",\"type\":\"int\"}]}",
         (uint64_t)INT64_C(-4860222112080293046)},
        {"{\"name\":\"x.y.z.foo\",\"type\":\"enum\",\"symbols\":[\"A1\","
         "\"A2\"]}",
         (uint64_t)INT64_C(-4448647247586288245)},
        {"{\"type\":\"map\",\"values\":\"string\"}",
         (uint64_t)INT64_C(-8732877298790414990)},
    };
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        if (avro_fingerprint(str_of(cases[i].canonical)) !=
            cases[i].fingerprint) {
            fail_msg("%s", cases[i].canonical);
        }
    }
}

static void test_generated_fingerprints_fit_their_forms(void **state)
{
    (void)state;
    assert_int_equal(SCHEMA_COUNT >= 4, 1);
    for (size_t i = 0; i < SCHEMA_COUNT; i++) {
        assert_true(avro_fingerprint(str_of(schema_defs[i].canonical)) ==
                    schema_defs[i].fingerprint);
    }
}

/* A codec of any schema; the canonical form does not matter here. */
static struct avro_codec *codec_of(const char *json, struct avro_def *def)
{
    struct err err = {0};
    *def = (struct avro_def){
        .name = "T", .version = 1, .json = json, .canonical = "\"null\""};
    def->fingerprint = avro_fingerprint(str_of(def->canonical));
    struct avro_codec *c = avro_codec_new(def, &err);
    if (c == NULL) {
        fail_msg("%s: %s", json, err.text);
    }
    return c;
}

#define DEEP                                                              \
    "{\"type\":\"record\",\"name\":\"R\",\"fields\":[{\"name\":\"next\"," \
    "\"type\":[\"null\",\"R\"]}]}"
#define ARRAY "{\"type\":\"array\",\"items\":\"long\"}"
#define MAP "{\"type\":\"map\",\"values\":\"string\"}"
#define TEXT "\"string\""

static const struct check_case {
    const char *schema;
    struct str body;
    const char *wrong; /* NULL: fine */
} check_cases[] = {
    {"\"null\"", {"", 0}, NULL},
    {"\"null\"", {"\0", 1}, "left over"},
    {"\"boolean\"", {"\1", 1}, NULL},
    {"\"boolean\"", {"\2", 1}, "boolean"},
    {"\"boolean\"", {"", 0}, "beyond its end"},
    {"\"long\"", {"\x80", 1}, "ends inside a number"},
    {"\"long\"", {"", 0}, "ends inside a number"},
    {"\"long\"", {"\xff\xff\xff\xff\xff\xff\xff\xff\xff\1", 10}, NULL},
    {"\"long\"",
     {"\xff\xff\xff\xff\xff\xff\xff\xff\xff\2", 10},
     "more than 64 bits"},
    {"\"long\"",
     {"\x80\x80\x80\x80\x80\x80\x80\x80\x80\x80\1", 11},
     "more than 64 bits"},
    {"\"int\"", {"\xfe\xff\xff\xff\x0f", 5}, NULL}, /* 2147483647 */
    {"\"int\"", {"\xff\xff\xff\xff\x0f", 5}, NULL}, /* -2147483648 */
    {"\"int\"", {"\x80\x80\x80\x80\x10", 5}, "over 32 bits"},
    {"\"float\"", {"abc", 3}, "beyond its end"},
    {"\"double\"", {"abcdefgh", 8}, NULL},
    {"\"double\"", {"abcdefg", 7}, "beyond its end"},
    {TEXT, {"\4hi", 3}, NULL},
    {TEXT, {"\0", 1}, NULL},
    {TEXT, {"\6hi", 3}, "beyond its end"},
    {TEXT, {"\1", 1}, "beyond its end"}, /* length -1 */
    {TEXT, {"\xff\xff\xff\xff\xff\xff\xff\xff\xff\1", 10}, "beyond its end"},
    {TEXT, {"\4h\0", 3}, "NUL"},
    {TEXT, {"\2\xff", 2}, "UTF-8"},
    {TEXT, {"\6\xed\xa0\x80", 4}, "UTF-8"}, /* a surrogate */
    {"\"bytes\"", {"\4\xff\0", 3}, NULL},
    {"\"bytes\"", {"\4\xff", 2}, "beyond its end"},
    {"{\"type\":\"fixed\",\"name\":\"F\",\"size\":3}", {"abc", 3}, NULL},
    {"{\"type\":\"fixed\",\"name\":\"F\",\"size\":3}",
     {"ab", 2},
     "beyond its end"},
    {"{\"type\":\"enum\",\"name\":\"E\",\"symbols\":[\"A\",\"B\"]}",
     {"\2", 1},
     NULL},
    {"{\"type\":\"enum\",\"name\":\"E\",\"symbols\":[\"A\",\"B\"]}",
     {"\4", 1},
     "symbol"},
    {"{\"type\":\"enum\",\"name\":\"E\",\"symbols\":[\"A\",\"B\"]}",
     {"\1", 1},
     "symbol"},
    {"[\"null\",\"long\"]", {"\0", 1}, NULL},
    {"[\"null\",\"long\"]", {"\2\2", 2}, NULL},
    {"[\"null\",\"long\"]", {"\4\2", 2}, "no such branch"},
    {"[\"null\",\"long\"]", {"\1", 1}, "no such branch"},
    {ARRAY, {"\0", 1}, NULL},
    {ARRAY, {"\4\2\4\0", 4}, NULL},
    {ARRAY, {"\2\2\2\4\0", 5}, NULL},      /* two blocks */
    {ARRAY, {"\3\4\2\4\0", 5}, NULL},      /* a block with its size */
    {ARRAY, {"\3\6\2\4\0", 5}, "as long"}, /* a wrong size */
    {ARRAY, {"\3\1\2\4\0", 5}, "as long"}, /* a negative one */
    {ARRAY, {"\4\2\4", 3}, "inside a number"},
    {ARRAY, {"\x80\xe1\xeb\x17\0", 5}, "count is beyond"},
    {ARRAY,
     {"\xff\xff\xff\xff\xff\xff\xff\xff\xff\1\0\0", 12}, /* INT64_MIN */
     "count is beyond"},
    {"{\"type\":\"array\",\"items\":\"null\"}", {"\2\0", 2}, "without bytes"},
    {MAP, {"\2\2a\2b\0", 6}, NULL},
    {MAP, {"\2\2\xff\2b\0", 6}, "UTF-8"},
    {MAP, {"\2\2a\2\0\0", 6}, "NUL"},
    {MAP, {"\2\2a", 3}, "inside a number"},
    {DEEP, {"\2\2\2\0", 4}, NULL},
    {DEEP,
     {"\2\2\2\2\2\2\2\2\2\2\2\2\2\2\2\2\2\2\2\2\2\2\2\2\2\2\2\2\2\2\2\0", 32},
     "nested too deeply"},
};

static void test_check_judges_foreign_bytes(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(check_cases); i++) {
        const struct check_case *t = &check_cases[i];
        struct avro_def def;
        struct err err = {0};
        AUTO(avro_codec) c = codec_of(t->schema, &def);
        /* Exactly as long as it is, so that ASan sees a read beyond it. */
        char *body = xmalloc(t->body.n + 1);
        body = memcpy(xreallocarray(body, t->body.n ? t->body.n : 1, 1),
                      t->body.p, t->body.n);
        bool ok = avro_decode(c, (struct str){body, t->body.n}, &err);
        free(body);
        if (ok != (t->wrong == NULL) ||
            (!ok && strstr(err.text, t->wrong) == NULL)) {
            fail_msg("case %zu, %s: %s", i, t->schema, ok ? "ok" : err.text);
        }
        assert_int_equal(err.kind, ok ? ERR_NONE : ERR_INPUT);
    }
}

static void test_encoding_is_single_object(void **state)
{
    struct avro_def def;
    struct err err = {0};
    uint64_t fingerprint;
    struct str body;
    AUTO_RELEASE(buf) out = {0};
    AUTO(avro_codec) c = codec_of("\"long\"", &def);
    (void)state;
    buf_add_text(&out, "x");
    avro_value_set_long(avro_codec_value(c), -2);
    assert_true(avro_encode(c, &out, &err));
    assert_int_equal(out.n, 1 + 10 + 1);
    /* the fingerprint of "null", little-endian */
    assert_memory_equal(out.p, "x\xc3\x01\x8a\x8f\x25\xcc\xe7\x24\xdd\x63\x03",
                        12);
    assert_true(
        avro_peek((struct str){out.p + 1, out.n - 1}, &fingerprint, &body));
    assert_true(fingerprint == def.fingerprint);
    assert_int_equal(body.n, 1);
    assert_false(avro_peek((struct str){out.p + 1, 9}, &fingerprint, &body));
    assert_false(avro_peek((struct str){out.p, 12}, &fingerprint, &body));
}

static void test_unset_union_is_our_bug_not_a_message(void **state)
{
    struct avro_def def;
    struct err err = {0};
    AUTO_RELEASE(buf) out = {0};
    AUTO(avro_codec) c = codec_of("[\"null\",\"long\"]", &def);
    (void)state;
    (void)avro_codec_value(c);
    assert_false(avro_encode(c, &out, &err));
    assert_int_equal(err.kind, ERR_FATAL);
    assert_int_equal(out.n, 0);
}

static void test_broken_schema_is_refused(void **state)
{
    struct err err = {0};
    struct avro_def def = {.name = "T",
                           .version = 1,
                           .json = "{\"type\":\"nonsense\"}",
                           .canonical = "\"null\"",
                           .fingerprint = 0x63dd24e7cc258f8a};
    (void)state;
    assert_null(avro_codec_new(&def, &err));
    assert_int_equal(err.kind, ERR_FATAL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_fingerprints_are_the_specifications),
        cmocka_unit_test(test_generated_fingerprints_fit_their_forms),
        cmocka_unit_test(test_check_judges_foreign_bytes),
        cmocka_unit_test(test_encoding_is_single_object),
        cmocka_unit_test(test_unset_union_is_our_bug_not_a_message),
        cmocka_unit_test(test_broken_schema_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
