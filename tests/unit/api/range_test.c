/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <string.h>

#include "services/api/range.h"

static const int64_t now = INT64_C(1790000000000000);
static const int64_t second = 1000000;

static struct str text(const char *s)
{
    return s ? str_of(s) : (struct str){0};
}

static void good_ranges(void **state)
{
    (void)state;
    const struct {
        const char *start, *end;
        int64_t start_us, end_us;
    } cases[] = {
        {NULL, NULL, now - 3600 * second, now},
        {"15m", NULL, now - 900 * second, now},
        {"7d", "1d", now - 7 * 86400 * second, now - 86400 * second},
        {"2026-01-31T12:00:00Z", NULL, INT64_C(1769860800000000), now},
        {"2026-01-31T12:00:00+01:00", "2026-01-31T12:00:00Z",
         INT64_C(1769857200000000), INT64_C(1769860800000000)},
        {"1769860800", "1769860801.5", INT64_C(1769860800000000),
         INT64_C(1769860801500000)},
        {"1769860800123", NULL, INT64_C(1769860800123000), now},
        {"1769860800123456", NULL, INT64_C(1769860800123456), now},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct range r;
        struct err err = {0};
        if (!range_parse(text(cases[i].start), text(cases[i].end), now, &r,
                         &err))
            fail_msg("case %zu: %s", i, err.text);
        assert_int_equal(r.start_us, cases[i].start_us);
        assert_int_equal(r.end_us, cases[i].end_us);
    }
}

static void bad_ranges(void **state)
{
    (void)state;
    static const struct {
        const char *start, *end, *says;
    } cases[] = {
        {"", NULL, "start"},
        {"yesterday", NULL, "start"},
        {"-1h", NULL, "start"},
        {"1h", "soon", "end"},
        {"1h", "2h", "before end"},
        {"1h", "1h", "before end"},
        {"2026-01-31", NULL, "start"},
        {"99999999d", NULL, "1970"},
        {"9223372036854775807d", NULL, "start"},
        {"NaN", NULL, "start"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct range r;
        struct err err = {0};
        if (range_parse(text(cases[i].start), text(cases[i].end), now, &r,
                        &err))
            fail_msg("taken: %s %s", cases[i].start, cases[i].end);
        assert_int_equal(err.kind, ERR_INPUT);
        if (!strstr(err.text, cases[i].says))
            fail_msg("\"%s\" says \"%s\"", cases[i].start, err.text);
    }
}

static void counts(void **state)
{
    (void)state;
    struct err err = {0};
    int64_t n = 800;
    assert_true(count_parse("points", (struct str){0}, 2, 10, &n, &err));
    assert_int_equal(n, 800);
    assert_true(count_parse("points", STR("10"), 2, 10, &n, &err));
    assert_int_equal(n, 10);
    static const char *const bad[] = {"", "1", "11", "x", "3.5", "-4"};
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++)
        assert_false(count_parse("points", str_of(bad[i]), 2, 10, &n, &err));
    assert_non_null(strstr(err.text, "points"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(good_ranges),
        cmocka_unit_test(bad_ranges),
        cmocka_unit_test(counts),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
