/* SPDX-License-Identifier: Apache-2.0 */
#include "common/pulse/protocol/json_body.h"

#include "tests/unit/judge.h"

enum { ANY = JSON_ONE | JSON_ARRAY | JSON_LINES };

static void forms(void **state)
{
    static const struct {
        const char *text;
        unsigned forms;
        bool lines;
        const char *code; /* of the body */
        size_t count;
        const char *codes; /* of each record: . good, x bad */
    } cases[] = {
        {"{}", ANY, false, "none", 1, "."},
        {"[{},7,{}]", ANY, false, "none", 3, "..."},
        {"[]", ANY, false, "none", 0, ""},
        {"{\"metrics\":[{},{}]}", JSON_WRAPPED, false, "none", 2, ".."},
        {"[{}]", JSON_WRAPPED | JSON_ARRAY, false, "none", 1, "."},
        {"{\"a\":1}\n{\"a\":2}\n", ANY, true, "none", 2, ".."},
        {"\n\r\n {\"a\":1} \r\n\n{a\n3", ANY, true, "none", 3, ".x."},
        {"", ANY, true, "none", 0, ""},
        {"", ANY, false, "malformed_json", 0, ""},
        {"{", ANY, false, "malformed_json", 0, ""},
        {"{} {}", ANY, false, "malformed_json", 0, ""},
        {"[NaN]", ANY, false, "malformed_json", 0, ""},
        {"[1e999]", ANY, false, "malformed_json", 0, ""},
        {"\"\xff\"", ANY, false, "invalid_utf8", 0, ""},
        {"\"\xed\xa0\x80\"", ANY, false, "invalid_utf8", 0, ""},
        {"7", ANY, false, "wrong_type", 0, ""},
        {"[{}]", JSON_ONE, false, "wrong_type", 0, ""},
        {"{}", JSON_WRAPPED | JSON_ARRAY, false, "missing_field", 0, ""},
        {"{\"metrics\":{}}", JSON_WRAPPED, false, "wrong_type", 0, ""},
        {"{\"metrics\":[{},{}]}", JSON_ONE | JSON_WRAPPED, false, "none", 2,
         ".."},
        {"{\"name\":\"a\"}", JSON_ONE | JSON_WRAPPED, false, "none", 1, "."},
        {"{\"metrics\":[],\"metrics\":[]}", JSON_WRAPPED, false,
         "duplicate_key", 0, ""},
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        AUTO(arena) a = arena_new(4096);
        struct fault fault = {0};
        struct json_body body;
        struct json_item item;
        bool opened = json_body_open(&body, a, str_of(cases[i].text),
                                     cases[i].lines, cases[i].forms, &fault);
        if (strcmp(fault_name(fault.code), cases[i].code) != 0)
            fail_msg("%s: %s", cases[i].text, fault_name(fault.code));
        assert_int_equal(opened, fault.code == FAULT_NONE);
        if (!opened)
            continue;
        assert_int_equal(body.count, cases[i].count);
        for (size_t n = 0; n < cases[i].count; n++) {
            assert_true(json_body_next(&body, &item));
            assert_int_equal(item.index, n);
            assert_int_equal(item.value == NULL, cases[i].codes[n] == 'x');
        }
        assert_false(json_body_next(&body, &item));
    }
}

static void texts_of_records(void **state)
{
    AUTO(arena) a = arena_new(4096);
    struct fault fault;
    struct json_body body;
    struct json_item item;

    (void)state;
    assert_true(json_body_open(&body, a, STR("[ {\"a\" : 1.0}, \"x\" ]"), false,
                               ANY, &fault));
    assert_true(json_body_next(&body, &item));
    assert_str(json_item_text(&body, &item), "{\"a\":1.0}");
    assert_true(json_body_next(&body, &item));
    assert_str(json_item_text(&body, &item), "\"x\"");
    assert_true(
        json_body_open(&body, a, STR(" {\"a\" : 1}"), false, ANY, &fault));
    assert_true(json_body_next(&body, &item));
    assert_str(json_item_text(&body, &item), " {\"a\" : 1}");
    assert_true(json_body_open(&body, a, STR(" {a}\n"), true, ANY, &fault));
    assert_true(json_body_next(&body, &item));
    assert_str(json_item_text(&body, &item), "{a}");
    assert_int_equal(item.fault.code, FAULT_MALFORMED_JSON);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(forms),
        cmocka_unit_test(texts_of_records),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
