/* SPDX-License-Identifier: Apache-2.0 */
#include "common/pulse/protocol/event_json.h"

#include <time.h>

#include "tests/unit/judge.h"

static void verdicts(void **state)
{
    static const struct judge_case cases[] = {
        {"{}", "none", NULL},
        {"[]", "wrong_type", NULL},
        {"{\"id\":7}", "wrong_type", "id"},
        {"{\"id\":\"\"}", "empty_text", "id"},
        {"{\"kind\":\"trace\"}", "unknown_kind", "kind"},
        {"{\"kind\":1}", "wrong_type", "kind"},
        {"{\"level\":3}", "wrong_type", "level"},
        {"{\"service\":[]}", "wrong_type", "service"},
        {"{\"message\":\"a\\u0000\"}", "nul_character", "message"},
        {"{\"time\":\"now\"}", "invalid_time", "time"},
        {"{\"a\":{\"b\":[\"\\u0000\"]}}", "nul_character", NULL},
        {"{\"a\":{\"b\\u0000\":1}}", "nul_character", NULL},
        {"{\"a\":{\"b\":1,\"b\":2}}", "duplicate_key", "b"},
        {"{\"a\":[{\"b\":1,\"b\":2}]}", "duplicate_key", "b"},
        {"{\"attributes\":7}", "wrong_type", "attributes"},
        {"{\"x\":1,\"attributes\":{\"x\":2}}", "duplicate_key", "attributes.x"},
        {"{\"x\":1,\"attributes\":{\"y\":2,\"z\":3}}", "none", NULL},
        {"{\"id\":\"i\",\"attributes\":{\"id\":2}}", "none", NULL},
    };

    (void)state;
    judge_all(event_json_parse, NULL, cases, ARRAY_LEN(cases));
}

static void whole_record(void **state)
{
    AUTO(judge) j = judge_new(NULL);
    struct record r;

    (void)state;
    assert_string_equal(
        judge_code(
            j, event_json_parse,
            STR("{\"id\":\"e1\",\"level\":\"ERROR\",\"service\":\"pay\","
                "\"message\":\"no\",\"time\":\"2026-01-01T00:00:00Z\","
                "\"code\":7,\"attributes\":{\"deep\":{\"a\":[1,null]}}}"),
            &r),
        "none");
    assert_str(r.event.id, "e1");
    assert_int_equal(r.event.kind, EVENT_LOG);
    assert_str(r.event.level, "error");
    assert_str(r.event.service, "pay");
    assert_str(r.event.message, "no");
    assert_int_equal(r.event.time_us, NOW_US);
    assert_str(r.event.attributes, "{\"code\":7,\"deep\":{\"a\":[1,null]}}");
}

static void kind_follows_the_level(void **state)
{
    static const struct {
        const char *json;
        enum event_kind kind;
    } cases[] = {
        {"{}", EVENT_EVENT},
        {"{\"level\":\"info\"}", EVENT_LOG},
        {"{\"level\":\"info\",\"kind\":\"event\"}", EVENT_EVENT},
        {"{\"kind\":\"log\"}", EVENT_LOG},
    };
    AUTO(judge) j = judge_new(NULL);
    struct record r;

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        judge_code(j, event_json_parse, str_of(cases[i].json), &r);
        assert_int_equal(r.event.kind, cases[i].kind);
    }
}

static void made_ids_differ(void **state)
{
    AUTO(judge) j = judge_new(NULL);
    struct record a, b;

    (void)state;
    judge_code(j, event_json_parse, STR("{}"), &a);
    judge_code(j, event_json_parse, STR("{}"), &b);
    assert_int_equal(a.event.id.n, 32);
    assert_false(str_eq(a.event.id, b.event.id));
    assert_str(a.event.attributes, "{}");
}

static void id_is_taken_where_one_is_given(void **state)
{
    AUTO(judge) j = judge_new(NULL);
    struct record r;
    struct str json[] = {STR("{}"), STR("{\"id\":\"own\"}")};

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(json); i++) {
        struct err err = {0};
        struct check c = {.arena = j->arena,
                          .rules = &j->rules,
                          .caller = &j->caller,
                          .received_us = NOW_US,
                          .event_id = STR("letter-7")};
        yyjson_doc *doc = json_parse(j->arena, json[i], &err);
        assert_true(event_json_parse(&c, yyjson_doc_get_root(doc), &r));
        assert_str(r.event.id, i == 0 ? "letter-7" : "own");
    }
}

static void device_bound_key(void **state)
{
    static const struct judge_case cases[] = {
        {"{\"device_id\":\"d1\"}", "none", NULL},
        {"{\"device_id\":\"d2\"}", "device_mismatch", "device_id"},
        {"{\"attributes\":{\"device_id\":\"d2\"}}", "device_mismatch",
         "device_id"},
        {"{\"device_id\":2}", "wrong_type", "device_id"},
        {"{\"device_id\":null}", "wrong_type", "device_id"},
    };
    AUTO(judge) j = judge_new("d1");
    struct record r;

    (void)state;
    judge_all(event_json_parse, "d1", cases, ARRAY_LEN(cases));
    judge_code(j, event_json_parse, STR("{\"a\":1}"), &r);
    assert_str(r.event.attributes, "{\"device_id\":\"d1\",\"a\":1}");
}

static void members_add(struct buf *json, const char *prefix, int count)
{
    for (int i = 0; i < count; i++)
        buf_addf(json, "%s\"%s%d\":0", i > 0 ? "," : "", prefix, i);
}

/* Each with each would be 10^10: a server's thread would be busy for a minute
 * with a body of 2 MB. */
static void many_names_are_soon_compared(void **state)
{
    enum { EACH = 100000, SECONDS = 5 };
    AUTO(judge) j = judge_new(NULL);
    AUTO_RELEASE(buf) json = {0};
    struct record r;

    (void)state;
    buf_add_char(&json, '{');
    members_add(&json, "a", EACH);
    buf_add_text(&json, ",\"attributes\":{");
    members_add(&json, "b", EACH);
    buf_add_text(&json, "}}");
    clock_t begin = clock();
    assert_string_equal(judge_code(j, event_json_parse, buf_str(&json), &r),
                        "none");
    assert_true(clock() - begin < SECONDS * CLOCKS_PER_SEC);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(verdicts),
        cmocka_unit_test(whole_record),
        cmocka_unit_test(kind_follows_the_level),
        cmocka_unit_test(made_ids_differ),
        cmocka_unit_test(id_is_taken_where_one_is_given),
        cmocka_unit_test(device_bound_key),
        cmocka_unit_test(many_names_are_soon_compared),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
