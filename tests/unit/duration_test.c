/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "common/duration.h"

static void good_texts(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        int64_t ms;
        const char *back;
    } cases[] = {
        {"0ms", 0, "0ms"},       {"250ms", 250, "250ms"},
        {"10s", 10000, "10s"},   {"90s", 90000, "90s"},
        {"5m", 300000, "5m"},    {"2h", 7200000, "2h"},
        {"7d", 604800000, "7d"}, {"60m", 3600000, "1h"},
        {"24h", 86400000, "1d"}, {"1500ms", 1500, "1500ms"},
    };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        int64_t ms = -1;
        char text[DURATION_MAX];
        assert_true(duration_parse(str_of(cases[i].text), &ms));
        assert_int_equal(ms, cases[i].ms);
        assert_string_equal(duration_format(ms, text), cases[i].back);
    }
}

static void bad_texts(void **state)
{
    (void)state;
    static const char *const cases[] = {
        "",
        "5",
        "s",
        "-5s",
        "+5s",
        "5 s",
        "5w",
        "5ss",
        "1.5h",
        "5S",
        " 5s",
        "0x1s",
        "5s ",
        "99999999999999999999s",
        "9223372036854775807d", /* fits a number, not milliseconds */
    };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        int64_t ms = 77;
        if (duration_parse(str_of(cases[i]), &ms))
            fail_msg("\"%s\" was taken for %lld ms", cases[i], (long long)ms);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(good_texts),
        cmocka_unit_test(bad_texts),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
