/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "common/str.h"

static void comparing(void **state)
{
    (void)state;
    struct str empty = {NULL, 0};
    assert_true(str_eq(empty, str_of("")));
    assert_true(str_eq(str_of(NULL), empty));
    assert_true(str_is(STR("abc"), "abc"));
    assert_false(str_is(STR("abc"), "ab"));
    assert_false(str_is(STR("a\0c"), "a"));
    assert_true(str_cmp(STR("a"), STR("b")) < 0);
    assert_true(str_cmp(STR("b"), STR("a")) > 0);
    assert_true(str_cmp(STR("a"), STR("ab")) < 0);
    assert_true(str_cmp(STR("ab"), STR("a")) > 0);
    assert_true(str_cmp(empty, STR("a")) < 0);
    assert_true(str_cmp(STR("\x80"), STR("a")) > 0); /* bytes, not chars */
    assert_int_equal(str_cmp(empty, empty), 0);
    assert_true(str_eq_nocase(STR("Content-TYPE"), STR("content-type")));
    assert_false(str_eq_nocase(STR("a"), STR("ab")));
    assert_false(str_eq_nocase(STR("[a"), STR("{A"))); /* 0x20 apart */
    assert_true(str_starts(STR("abc"), STR("ab")));
    assert_true(str_starts(STR("abc"), empty));
    assert_false(str_starts(STR("a"), STR("ab")));
    assert_true(str_ends(STR("abc"), STR("bc")));
    assert_false(str_ends(STR("c"), STR("bc")));
    assert_true(str_ends(empty, empty));
}

static void trimming(void **state)
{
    (void)state;
    static const struct {
        const char *text, *want;
    } cases[] = {{"", ""},
                 {"  ", ""},
                 {"a", "a"},
                 {" a b ", "a b"},
                 {"\t\r\n\v\fx\n", "x"},
                 {"\xa0x", "\xa0x"}};
    for (size_t i = 0; i < ARRAY_LEN(cases); i++)
        assert_true(str_is(str_trim(str_of(cases[i].text)), cases[i].want));
    assert_int_equal(str_trim((struct str){NULL, 0}).n, 0);
}

static void cutting(void **state)
{
    (void)state;
    struct str before = STR("old"), after = STR("old");
    assert_false(str_cut(STR("abc"), '=', &before, &after));
    assert_true(str_is(before, "old") && str_is(after, "old"));
    assert_false(str_cut((struct str){NULL, 0}, '=', &before, &after));
    assert_true(str_cut(STR("a=b=c"), '=', &before, &after));
    assert_true(str_is(before, "a") && str_is(after, "b=c"));
    assert_true(str_cut(STR("="), '=', &before, &after));
    assert_int_equal(before.n + after.n, 0);
    struct str own = STR("k=v"); /* an output may be the input */
    assert_true(str_cut(own, '=', &own, &after));
    assert_true(str_is(own, "k") && str_is(after, "v"));
}

static void fields(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        const char *fields[4]; /* up to NULL */
    } cases[] = {
        {"a,,b", {"a", "", "b", NULL}},     {"a,", {"a", "", NULL, NULL}},
        {",", {"", "", NULL, NULL}},        {"", {"", NULL, NULL, NULL}},
        {"abc", {"abc", NULL, NULL, NULL}}, {NULL, {NULL, NULL, NULL, NULL}},
    };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct str rest = str_of(cases[i].text), field;
        size_t n = 0;
        while (str_next(&rest, ',', &field)) {
            assert_non_null(cases[i].fields[n]);
            assert_true(str_is(field, cases[i].fields[n++]));
        }
        assert_null(cases[i].fields[n]);
    }
}

static void whole_numbers(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        bool good;
        int64_t n;
    } cases[] = {
        {"0", true, 0},
        {"-0", true, 0},
        {"007", true, 7},
        {"9223372036854775807", true, INT64_MAX},
        {"-9223372036854775808", true, INT64_MIN},
        {"9223372036854775808", false, 0},
        {"-9223372036854775809", false, 0},
        {"99999999999999999999", false, 0},
        {"", false, 0},
        {"-", false, 0},
        {"+1", false, 0},
        {" 1", false, 0},
        {"1 ", false, 0},
        {"1.0", false, 0},
        {"0x1", false, 0},
        {"--1", false, 0},
    };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        int64_t n = 77;
        if (str_to_i64(str_of(cases[i].text), &n) != cases[i].good)
            fail_msg("\"%s\"", cases[i].text);
        assert_int_equal(n, cases[i].good ? cases[i].n : 77);
    }
    int64_t n;
    assert_false(str_to_i64(STR("1\0"), &n));
}

static void real_numbers(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        double n;
    } good[] = {
        {"0", 0},     {"-1.5", -1.5},   {"1e3", 1000},
        {".5", 0.5},  {"5.", 5},        {"1E-3", 0.001},
        {"-0", 0},    {"1e308", 1e308}, {"4.9e-324", 4.9e-324},
        {"0.1", 0.1}, {"1e-999", 0}, /* too small is zero */
    };
    static const char *const bad[] = {"",     "-",    "+1",   " 1",    "1 ",
                                      "1e",   "e1",   ".",    "inf",   "nan",
                                      "-Inf", "NaN",  "0x10", "1e999", "1_0",
                                      "1,5",  "1.5.", "1f",   "--1",   "1e+-1"};
    double n;
    for (size_t i = 0; i < ARRAY_LEN(good); i++) {
        if (!str_to_double(str_of(good[i].text), &n))
            fail_msg("\"%s\"", good[i].text);
        assert_true(n == good[i].n);
    }
    for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
        n = 77;
        if (str_to_double(str_of(bad[i]), &n) || n != 77)
            fail_msg("\"%s\" is %g", bad[i], n);
    }
    assert_false(str_to_double(STR("1\0"), &n));
    char digits[1000];
    memset(digits, '1', sizeof digits);
    assert_false(str_to_double((struct str){digits, sizeof digits}, &n));
    assert_true(str_to_double((struct str){digits, 300}, &n));
}

static void utf8(void **state)
{
    (void)state;
    static const char *const good[] = {"",
                                       "abc",
                                       "\x7f",
                                       "\xc2\x80",
                                       "\xdf\xbf",
                                       "\xe0\xa0\x80",
                                       "\xed\x9f\xbf",
                                       "\xee\x80\x80",
                                       "\xef\xbf\xbf",
                                       "\xf0\x90\x80\x80",
                                       "\xf4\x8f\xbf\xbf",
                                       "a\xc3\xa4z"};
    static const char *const bad[] = {"\x80",         /* continuation alone */
                                      "\xc0\x80",     /* overlong NUL */
                                      "\xc1\xbf",     /* overlong */
                                      "\xc3",         /* cut */
                                      "\xc3z",        /* no continuation */
                                      "\xe0\x9f\xbf", /* overlong */
                                      "\xe2\x82",     /* cut */
                                      "\xed\xa0\x80", /* surrogate */
                                      "\xed\xbf\xbf", /* surrogate */
                                      "\xf0\x8f\xbf\xbf", /* overlong */
                                      "\xf4\x90\x80\x80", /* above U+10FFFF */
                                      "\xf5\x80\x80\x80",
                                      "\xff",
                                      "a\xff",
                                      "\xf0\x90\x80"};
    for (size_t i = 0; i < ARRAY_LEN(good); i++)
        if (!str_utf8_valid(str_of(good[i])))
            fail_msg("good %zu", i);
    for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
        struct str s = str_of(bad[i]);
        char *tight = xmalloc(s.n); /* so that ASan sees a read too far */
        memcpy(tight, s.p, s.n);
        if (str_utf8_valid((struct str){tight, s.n}))
            fail_msg("bad %zu", i);
        free(tight);
    }
    assert_true(str_utf8_valid((struct str){NULL, 0}));
}

static void nul_and_copies(void **state)
{
    (void)state;
    assert_true(str_has_nul(STR("a\0b")));
    assert_false(str_has_nul(STR("ab")));
    assert_false(str_has_nul((struct str){NULL, 0}));
    char *copy = str_dup((struct str){"hello", 2});
    assert_string_equal(copy, "he");
    free(copy);
    copy = str_dup((struct str){NULL, 0});
    assert_string_equal(copy, "");
    free(copy);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(comparing),     cmocka_unit_test(trimming),
        cmocka_unit_test(cutting),       cmocka_unit_test(fields),
        cmocka_unit_test(whole_numbers), cmocka_unit_test(real_numbers),
        cmocka_unit_test(utf8),          cmocka_unit_test(nul_and_copies),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
