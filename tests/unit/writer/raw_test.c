/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>

#include <cmocka.h>

#include "services/writer/raw.h"
#include "services/writer/topics.h"

static void test_any_message_becomes_an_object(void **state)
{
    static const struct {
        struct str payload;
        const char *json;
    } cases[] = {
        {STR("{\"a\": [1, \"x\"]}"), "{\"a\": [1, \"x\"]}"},
        {STR(" {} "), " {} "},
        {STR("[1]"), "{\"text\":\"[1]\"}"},
        {STR("17"), "{\"text\":\"17\"}"},
        {STR("{\"a\":"), "{\"text\":\"{\\\"a\\\":\"}"},
        {STR("{} x"), "{\"text\":\"{} x\"}"},
        {STR("gr\303\274n"), "{\"text\":\"gr\303\274n\"}"},
        /* No jsonb holds U+0000. */
        {STR("{\"a\":\"\\u0000\"}"),
         "{\"text\":\"{\\\"a\\\":\\\"\\\\u0000\\\"}\"}"},
        {STR("a\0b"), "{\"base64\":\"YQBi\"}"},
        {STR("\377\376"), "{\"base64\":\"//4=\"}"},
        {STR(""), "{\"text\":\"\"}"},
        {{NULL, 0}, "{\"text\":null}"},
    };
    (void)state;
    AUTO_RELEASE(buf) out = {0};
    struct arena *a = arena_new(4096);
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        raw_json(cases[i].payload, a, &out);
        if (!str_is(buf_str(&out), cases[i].json))
            fail_msg("%zu: %.*s", i, (int)out.n, out.p);
    }
    arena_free(a);
}

static void test_topics_behind_pulses_own(void **state)
{
    (void)state;
    struct topics t;
    struct err err;
    assert_true(topics_init(&t, "", &err));
    assert_int_equal(t.count, TOPIC_COUNT);
    topics_release(&t);
    assert_true(topics_init(&t, "audit,Clicks_2.eu-west", &err));
    assert_int_equal(t.count, TOPIC_COUNT + 2);
    assert_string_equal(t.names[AT_EVENTS], TOPIC_EVENTS);
    assert_string_equal(t.names[TOPIC_COUNT], "audit");
    assert_string_equal(t.names[TOPIC_COUNT + 1], "Clicks_2.eu-west");
    topics_release(&t);
}

static void test_what_is_no_list_of_topics(void **state)
{
    static const char *const wrong[] = {
        "a b",          ",a",
        "a,,b",         "a,b,a",
        "pulse.events", "a\303\274b",
        "a, b",         "a,b,c,d,e,f,g,h,i,j,k,l,m,n,o,p,q", /* 17 */
    };
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(wrong); i++) {
        struct topics t;
        struct err err = {0};
        if (topics_init(&t, wrong[i], &err))
            fail_msg("\"%s\" is taken", wrong[i]);
        assert_int_equal(err.kind, ERR_INPUT);
        assert_int_equal(t.count, 0);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_any_message_becomes_an_object),
        cmocka_unit_test(test_topics_behind_pulses_own),
        cmocka_unit_test(test_what_is_no_list_of_topics),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
