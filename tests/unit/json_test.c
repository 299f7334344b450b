/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <math.h>
#include <string.h>

#include "common/json.h"

static struct arena *arena;

static int set_up(void **state)
{
    (void)state;
    arena = arena_new(1024);
    return 0;
}

static int take_down(void **state)
{
    (void)state;
    arena_free(arena);
    return 0;
}

static yyjson_val *root_of(const char *text)
{
    struct err err = {0};
    yyjson_doc *doc = json_parse(arena, str_of(text), &err);
    if (doc == NULL)
        fail_msg("%s: %s", text, err.text);
    return yyjson_doc_get_root(doc);
}

static void good_documents(void **state)
{
    (void)state;
    yyjson_val *root =
        root_of(" {\"a\": [1, -2.5, \"x\\u00e4\", null, true]} ");
    yyjson_val *list = yyjson_obj_get(root, "a");
    assert_int_equal(yyjson_arr_size(list), 5);
    assert_true(str_is(json_str(yyjson_arr_get(list, 2)), "x\xc3\xa4"));
    assert_null(json_str(yyjson_arr_get(list, 0)).p);
    assert_null(json_str(NULL).p);
    struct str nul = json_str(root_of("\"a\\u0000b\""));
    assert_true(str_eq(nul, STR("a\0b")));
    for (int i = 0; i < 1000; i++) { /* the arena takes it all back */
        root_of("{\"key\":[1,2,3,{\"deep\":\"value\"}]}");
        arena_reset(arena);
    }
}

static void bad_documents(void **state)
{
    (void)state;
    static const char *const cases[] = {
        "",        " ",           "{",        "{]",
        "[1,]",    "{\"a\":1,}",  "{a:1}",    "'a'",
        "nul",     "01",          "+1",       ".5",
        "1.",      "1e",          "NaN",      "Infinity",
        "-",       "[1] x",       "[1][2]",   "\"\x01\"",
        "\"\\x\"", "\"\\ud800\"", "\"\xff\"", "\"\xc0\x80\"",
        "\"a",     "// c\n1",     "1e999",    "\xef\xbb\xbf{}",
        "[1 2]",   "{\"a\" 1}",
    };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct err err = {0};
        if (json_parse(arena, str_of(cases[i]), &err) != NULL)
            fail_msg("\"%s\" was taken", cases[i]);
        assert_int_equal(err.kind, ERR_INPUT);
        assert_non_null(strstr(err.text, "not JSON"));
    }
    struct err err = {0};
    assert_null(json_parse(arena, (struct str){NULL, 0}, &err));
    assert_null(json_parse(arena, STR("[1]\0"), &err));
    assert_null(json_parse(arena, STR("[1,x]"), &err));
    assert_non_null(strstr(err.text, "at byte 3"));
}

static void depth_is_bounded(void **state)
{
    (void)state;
    for (size_t depth = 63; depth <= 66; depth++) {
        AUTO_RELEASE(buf) text = {0};
        for (size_t i = 0; i < depth; i++)
            buf_add_text(&text, i % 2 == 0 ? "[" : "{\"a\":");
        buf_add_text(&text, "\"[[[{{{\\\"[[[\""); /* none of the depth */
        for (size_t i = depth; i-- > 0;)
            buf_add_text(&text, i % 2 == 0 ? "]" : "}");
        struct err err = {0};
        yyjson_doc *doc = json_parse(arena, buf_str(&text), &err);
        assert_int_equal(doc != NULL, depth <= 64);
        if (doc == NULL)
            assert_string_equal(err.text, "nested deeper than 64");
    }
    AUTO_RELEASE(buf) bomb = {0};
    for (int i = 0; i < 100000; i++)
        buf_add_char(&bomb, '[');
    assert_null(json_parse(arena, buf_str(&bomb), NULL));
}

/* 24 MiB that gzip makes of 24 KiB would be 400 MiB of values. */
static void memory_is_bounded(void **state)
{
    enum { BYTES = 24 << 20 };
    AUTO_RELEASE(buf) text = {0};
    struct err err = {0};
    (void)state;
    buf_add_text(&text, "[1");
    while (text.n < BYTES)
        buf_add(&text, ",1", 2);
    buf_add_char(&text, ']');
    assert_null(json_parse(arena, buf_str(&text), &err));
    assert_int_equal(err.kind, ERR_INPUT);
    assert_non_null(strstr(err.text, "more values than are read"));
    assert_true(arena_bytes(arena) <= (size_t)192 << 20);
    arena_reset(arena);
}

static void duplicate_keys(void **state)
{
    (void)state;
    static const struct {
        const char *text, *key; /* NULL: none */
    } cases[] = {
        {"{}", NULL},
        {"{\"a\":1,\"b\":2}", NULL},
        {"{\"a\":1,\"b\":2,\"a\":1}", "a"},
        {"{\"a\":1,\"\\u0061\":2}", "a"}, /* the same, escaped */
        {"{\"\":1,\"\":2}", ""},
        {"{\"a\":{\"b\":1,\"b\":2}}", NULL}, /* nested: not looked at */
        {"{\"a\":1,\"A\":2}", NULL},
        {"{\"a\":1,\"a\\u0000\":2}", NULL},
        {"[1,1]", NULL},
    };
    struct str key;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        bool twice = json_duplicate(root_of(cases[i].text), &key);
        if (twice != (cases[i].key != NULL))
            fail_msg("%s", cases[i].text);
        if (twice)
            assert_true(str_is(key, cases[i].key));
    }
    for (int n = 2; n <= 20; n++) { /* both ways of looking */
        AUTO_RELEASE(buf) some = {0};
        buf_add_text(&some, "{\"k0\":0");
        for (int i = 1; i < n; i++)
            buf_addf(&some, ",\"k%d\":0", i);
        buf_add_text(&some, ",\"k0\":0}");
        assert_true(json_duplicate(root_of(some.p), &key));
        assert_true(str_is(key, "k0"));
    }
    AUTO_RELEASE(buf) many = {0};
    buf_add_text(&many, "{\"k500\":0");
    for (int i = 0; i < 1000; i++)
        buf_addf(&many, ",\"k%d\":0", i);
    buf_add_text(&many, "}");
    assert_true(json_duplicate(root_of(many.p), &key));
    assert_true(str_is(key, "k500"));
}

static void texts_are_escaped(void **state)
{
    (void)state;
    AUTO_RELEASE(buf) b = {0};
    json_add_str(&b, STR("a\"b\\c/\b\t\n\f\r\v\0\x1f\x7f\xc3\xa4"));
    assert_string_equal(b.p,
                        "\"a\\\"b\\\\c/\\b\\t\\n\\f\\r\\u000b\\u0000\\u001f"
                        "\x7f\xc3\xa4\"");
    struct str back = json_str(root_of(b.p));
    assert_true(str_eq(back, STR("a\"b\\c/\b\t\n\f\r\v\0\x1f\x7f\xc3\xa4")));
    buf_reset(&b);
    json_add_str(&b, (struct str){NULL, 0});
    assert_string_equal(b.p, "\"\"");
}

static void numbers_read_back_the_same(void **state)
{
    (void)state;
    static const struct {
        double n;
        const char *text;
    } cases[] = {
        {0, "0"},        {1, "1"},           {-1.5, "-1.5"},
        {0.1, "0.1"},    {1e21, "1e+21"},    {123456789012345678.0, NULL},
        {1.0 / 3, NULL}, {5e-324, NULL},     {1.7976931348623157e308, NULL},
        {NAN, "null"},   {INFINITY, "null"}, {-INFINITY, "null"},
    };
    AUTO_RELEASE(buf) b = {0};
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        buf_reset(&b);
        json_add_double(&b, cases[i].n);
        if (cases[i].text != NULL)
            assert_string_equal(b.p, cases[i].text);
        if (isfinite(cases[i].n))
            assert_true(yyjson_get_num(root_of(b.p)) == cases[i].n);
    }
    buf_reset(&b);
    json_add_i64(&b, INT64_MIN);
    buf_add_char(&b, ' ');
    json_add_time(&b, 1);
    assert_string_equal(b.p, "-9223372036854775808 "
                             "\"1970-01-01T00:00:00.000001Z\"");
}

static void values_are_written_compactly(void **state)
{
    (void)state;
    AUTO_RELEASE(buf) b = {0};
    json_add_val(&b, root_of("{ \"a\" : [ 1 , 2.5 , \"x\\n\" , null ] }"));
    assert_string_equal(b.p, "{\"a\":[1,2.5,\"x\\n\",null]}");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(good_documents),
        cmocka_unit_test(bad_documents),
        cmocka_unit_test(depth_is_bounded),
        cmocka_unit_test(memory_is_bounded),
        cmocka_unit_test(duplicate_keys),
        cmocka_unit_test(texts_are_escaped),
        cmocka_unit_test(numbers_read_back_the_same),
        cmocka_unit_test(values_are_written_compactly),
    };
    return cmocka_run_group_tests(tests, set_up, take_down);
}
