/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <string.h>
#include <time.h>

#include "common/timestamp.h"

enum { S = 1000000 };
/* 9999-12-31T23:59:59.999999Z */
#define LAST_US INT64_C(253402300799999999)

static void good_texts(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        int64_t us;
    } cases[] = {
        {"1970-01-01T00:00:00Z", 0},
        {"1970-01-01T00:00:00.000001Z", 1},
        {"1985-04-12T23:20:50.52Z", 482196050520000}, /* RFC 3339, 5.8 */
        {"1996-12-19T16:39:57-08:00", INT64_C(851042397) * S},
        {"1990-12-31T23:59:60Z", INT64_C(662687999) * S + 999999},
        {"1990-12-31T15:59:60-08:00", INT64_C(662687999) * S + 999999},
        {"1937-01-01T12:00:27.87+00:20", -1}, /* before 1970: refused */
        {"2000-02-29T00:00:00Z", INT64_C(951782400) * S},
        {"2024-02-29T12:00:00Z", INT64_C(1709208000) * S},
        {"2026-01-31T12:00:00.123456Z", INT64_C(1769860800) * S + 123456},
        {"2026-01-31T12:00:00.123456999Z", INT64_C(1769860800) * S + 123456},
        {"2026-01-31t12:00:00z", INT64_C(1769860800) * S},
        {"2026-01-31 12:00:00+01:30", INT64_C(1769855400) * S},
        {"2026-01-31T12:00:00-00:00", INT64_C(1769860800) * S},
        {"2038-01-19T03:14:08Z", INT64_C(2147483648) * S},
        {"2100-02-28T23:59:59Z", INT64_C(4107542399) * S},
        {"1970-01-01T23:59:00+23:59", 0},
        {"9999-12-31T23:59:59.999999Z", LAST_US},
    };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        int64_t us = -1;
        if (timestamp_parse(str_of(cases[i].text), &us) != (cases[i].us >= 0))
            fail_msg("%s", cases[i].text);
        if (us != cases[i].us)
            fail_msg("%s is %lld", cases[i].text, (long long)us);
    }
}

static void bad_texts(void **state)
{
    (void)state;
    static const char *const cases[] = {
        "",
        "2026",
        "2026-01-31",
        "2026-01-31T12:00:00", /* no zone */
        "2026-01-31T12:00Z",
        "2026-1-31T12:00:00Z",
        "2026-01-31X12:00:00Z",
        "2026-01-31T12:00:00.Z",
        "2026-01-31T12:00:00,5Z",
        "2026-01-31T12:00:00+0100",
        "2026-01-31T12:00:00+01",
        "2026-01-31T12:00:00+24:00",
        "2026-01-31T12:00:00+01:60",
        "2026-01-31T12:00:00Zx",
        " 2026-01-31T12:00:00Z",
        "2026-01-31T12:00:00Z ",
        "2026-00-31T12:00:00Z",
        "2026-13-01T12:00:00Z",
        "2026-01-00T12:00:00Z",
        "2026-01-32T12:00:00Z",
        "2026-04-31T12:00:00Z",
        "2026-02-29T12:00:00Z",
        "2100-02-29T12:00:00Z",
        "2026-01-31T24:00:00Z",
        "2026-01-31T12:60:00Z",
        "2026-01-31T12:00:61Z",
        "1969-12-31T23:59:59Z",
        "1970-01-01T00:00:00+00:01", /* that is 1969 */
        "9999-12-31T23:59:59-00:01", /* that is 10000 */
        "+2026-01-31T12:00:00Z",
        "12026-01-31T12:00:00Z",
        "2026-01-31T12:00:00.1 2Z",
        "20260131T120000Z",
        "2026-W05-6T12:00:00Z",
        "2026-01-31T-1:00:00Z",
        "now",
    };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        int64_t us = 77;
        if (timestamp_parse(str_of(cases[i]), &us) || us != 77)
            fail_msg("\"%s\" is %lld", cases[i], (long long)us);
    }
    int64_t us;
    assert_false(timestamp_parse((struct str){NULL, 0}, &us));
    assert_false(timestamp_parse(STR("2026-01-31T12:00:00\0"), &us));
}

static void epochs_by_magnitude(void **state)
{
    (void)state;
    static const struct {
        int64_t n, us; /* us -1: refused */
    } cases[] = {
        {0, 0},
        {1, S},
        {1769860800, INT64_C(1769860800) * S},          /* s */
        {99999999999, INT64_C(99999999999) * S},        /* largest s */
        {100000000000, INT64_C(100000000000) * 1000},   /* smallest ms */
        {1769860800123, INT64_C(1769860800123) * 1000}, /* ms */
        {99999999999999, INT64_C(99999999999999) * 1000},
        {100000000000000, 100000000000000}, /* smallest µs */
        {1769860800123456, 1769860800123456},
        {99999999999999999, 99999999999999999},
        {100000000000000000, 100000000000000}, /* smallest ns */
        {1769860800123456789, 1769860800123456},
        {INT64_MAX, INT64_MAX / 1000},
        {-1, -1},
        {INT64_MIN, -1},
    };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        int64_t us = -1;
        assert_int_equal(timestamp_from_epoch(cases[i].n, &us),
                         cases[i].us >= 0);
        assert_int_equal(us, cases[i].us);
    }
}

static void epochs_with_a_fraction(void **state)
{
    (void)state;
    static const struct {
        double n;
        int64_t us;
    } cases[] = {
        {0.0, 0},
        {1.5, 1500000},
        {1769860800.123456, INT64_C(1769860800) * S + 123456},
        {1769860800123.5, INT64_C(1769860800123500)},
        {1769860800123456.0, 1769860800123456},
        {1769860800123456789.0, 1769860800123457}, /* no more digits */
        {-0.1, -1},
        {1e19, -1},
        {__builtin_nan(""), -1},
        {__builtin_inf(), -1},
    };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        int64_t us = -1;
        bool good = timestamp_from_epoch_real(cases[i].n, &us);
        assert_int_equal(good, cases[i].us >= 0);
        if (us < cases[i].us - 1 || us > cases[i].us + 1)
            fail_msg("%.17g is %lld", cases[i].n, (long long)us);
    }
}

static void what_is_written_reads_back(void **state)
{
    (void)state;
    char text[TIMESTAMP_MAX];
    assert_string_equal(timestamp_format(0, text),
                        "1970-01-01T00:00:00.000000Z");
    assert_string_equal(timestamp_format(-1, text),
                        "1969-12-31T23:59:59.999999Z");
    assert_string_equal(timestamp_format(LAST_US, text),
                        "9999-12-31T23:59:59.999999Z");
    /* Every day of eight centuries, against the C library's calendar. */
    for (int64_t day = 0; day < 365 * 800; day++) {
        int64_t us = (day * 86400 + day % 86400) * S + day, back;
        time_t seconds = us / S;
        struct tm t;
        char date[32];
        gmtime_r(&seconds, &t);
        strftime(date, sizeof date, "%Y-%m-%dT%H:%M:%S", &t);
        assert_memory_equal(timestamp_format(us, text), date, strlen(date));
        assert_true(timestamp_parse(str_of(text), &back));
        assert_int_equal(back, us);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(good_texts),
        cmocka_unit_test(bad_texts),
        cmocka_unit_test(epochs_by_magnitude),
        cmocka_unit_test(epochs_with_a_fraction),
        cmocka_unit_test(what_is_written_reads_back),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
