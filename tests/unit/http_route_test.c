/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <string.h>

#include "common/http_route.h"

static void targets_are_taken_apart(void **state)
{
    (void)state;
    static const struct {
        const char *target;
        const char *path, *query; /* path NULL: refused */
    } cases[] = {
        {"/", "/", ""},
        {"/a?b=c?d", "/a", "b=c?d"},
        {"/a%20b+c", "/a b+c", ""},
        {"/%C3%A4?%c3%a4", "/\xc3\xa4", "%c3%a4"},
        {"http://host", "/", ""},
        {"http://host:1/a/b?c", "/a/b", "c"},
        {"https://h/a?u=http://x/y", "/a", "u=http://x/y"},
        {"/a?u=http://x/y", "/a", "u=http://x/y"},
        {"*", "*", ""},
        {"HTTP://h/a", "/a", ""},
        {"", NULL, NULL},
        {"a", NULL, NULL},
        {"h:80", NULL, NULL},
        {"ftp://h/a", NULL, NULL},
        {"http://", NULL, NULL},
        {"http:///a", NULL, NULL},
        {"http://h?a", NULL, NULL},
        {"/a#b", NULL, NULL},
        {"/a\tb", NULL, NULL},
        {"/a\x7f", NULL, NULL},
        {"/%", NULL, NULL},
        {"/%4", NULL, NULL},
        {"/%4g", NULL, NULL},
        {"/%-1", NULL, NULL},
        {"/%00", NULL, NULL},
        {"/?%00", NULL, NULL},
        {"/?a=%", NULL, NULL},
        {"/\xff", NULL, NULL},
        {"/%ff", NULL, NULL},
        {"/?%c3", NULL, NULL},
        {"/%c0%80", NULL, NULL},
    };
    AUTO(arena) a = arena_new(256);
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct http_target t;
        bool good = http_target_parse(str_of(cases[i].target), a, &t);
        if (good != (cases[i].path != NULL))
            fail_msg("%s", cases[i].target);
        if (!good)
            continue;
        assert_true(str_is(t.path, cases[i].path));
        assert_true(str_is(t.query, cases[i].query));
    }
    struct http_target t;
    assert_false(http_target_parse(STR("/a%20\0b"), a, &t));
    assert_false(http_target_parse(STR("/a\0b"), a, &t)); /* fuzzed */
}

static void paths_match_patterns(void **state)
{
    (void)state;
    static const struct {
        const char *pattern, *target;
        const char *a, *b; /* values of {a} and {b}; a NULL: no match */
    } cases[] = {
        {"/", "/", "", ""},
        {"/x/y", "/x/y", "", ""},
        {"/x/y", "/x/y/", NULL, NULL},
        {"/x/y", "/x", NULL, NULL},
        {"/x/y", "/X/y", NULL, NULL},
        {"/x/y", "/%78/y", "", ""}, /* the same, escaped */
        {"/x/y", "/x%2Fy", NULL, NULL},
        {"/{a}", "/v", "v", ""},
        {"/{a}", "/", NULL, NULL},
        {"/{a}", "/v/w", NULL, NULL},
        {"/{a}", "/v%2Fw", "v/w", ""},
        {"/{a}", "/%7Bz%7D", "{z}", ""},
        {"/{a}", "/v+w%20", "v+w ", ""},
        {"/x/{a}/y/{b}", "/x/1/y/2", "1", "2"},
        {"/x/{a}/y/{b}", "/x/1/z/2", NULL, NULL},
        {"/x/{a}/y/{b}", "/x//y/2", NULL, NULL},
    };
    AUTO(arena) arena = arena_new(256);
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct http_target t;
        assert_true(http_target_parse(str_of(cases[i].target), arena, &t));
        bool match = http_target_match(&t, cases[i].pattern, arena);
        if (match != (cases[i].a != NULL))
            fail_msg("%s and %s", cases[i].pattern, cases[i].target);
        struct str a = {"", 0}, b = {"", 0};
        for (int n = 0; match && n < t.arg_count; n++)
            *(str_is(t.arg_names[n], "a") ? &a : &b) = t.arg_values[n];
        if (match)
            assert_true(str_is(a, cases[i].a) && str_is(b, cases[i].b));
    }
}

static void queries_are_decoded(void **state)
{
    (void)state;
    static const struct {
        const char *target, *name;
        const char *value; /* NULL: absent */
    } cases[] = {
        {"/", "a", NULL},
        {"/?", "a", NULL},
        {"/?a", "a", ""},
        {"/?a=", "a", ""},
        {"/?a=1", "a", "1"},
        {"/?b=1", "a", NULL},
        {"/?ab=1", "a", NULL},
        {"/?a=1&a=2", "a", "1"},
        {"/?b=1&a=2", "a", "2"},
        {"/?&&a=2&", "a", "2"},
        {"/?a=x=y", "a", "x=y"},
        {"/?a=1+2%2B3", "a", "1 2+3"},
        {"/?%61=1", "a", "1"},
        {"/?a=%26b%3D1", "b", NULL},
        {"/?a=%26b%3D1", "a", "&b=1"},
        {"/?a+b=1", "a b", "1"},
    };
    AUTO(arena) arena = arena_new(256);
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct http_target t;
        assert_true(http_target_parse(str_of(cases[i].target), arena, &t));
        struct str value = http_target_query(&t, cases[i].name, arena);
        if ((value.p != NULL) != (cases[i].value != NULL) ||
            (value.p != NULL && !str_is(value, cases[i].value)))
            fail_msg("%s: %.*s", cases[i].target, STR_ARG(value));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(targets_are_taken_apart),
        cmocka_unit_test(paths_match_patterns),
        cmocka_unit_test(queries_are_decoded),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
