/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "services/collector/promtext.h"

static void a_page(void **state)
{
    (void)state;
    static const char page[] =
        "# HELP x_total What.\n"
        "# TYPE x_total counter\n"
        "x_total 3\n"
        "\n"
        "x_total{topic=\"a\",part=\"0\"} 1.5e3 1700000000000\n"
        "y{text=\"say \\\"hi\\\"\\\\ \\n!\",} NaN\n"
        "z{} +Inf\r\n"
        "  w\t{ a = \"1\" , b = \"2\" }   -7\n"
        "last -Inf";
    AUTO(arena) arena = arena_new(1024);
    struct promtext p = {.rest = str_of(page), .arena = arena};
    struct promtext_sample m;

    assert_true(promtext_next(&p, &m));
    assert_true(str_is(m.name, "x_total"));
    assert_int_equal(m.label_count, 0);
    assert_true(m.value == 3);

    assert_true(promtext_next(&p, &m));
    assert_int_equal(m.label_count, 2);
    assert_true(str_is(m.labels[0].name, "topic"));
    assert_true(str_is(m.labels[1].value, "0"));
    assert_true(m.value == 1500);

    assert_true(promtext_next(&p, &m));
    assert_true(str_is(m.labels[0].value, "say \"hi\"\\ \n!"));
    assert_true(isnan(m.value));

    assert_true(promtext_next(&p, &m));
    assert_int_equal(m.label_count, 0);
    assert_true(isinf(m.value) && m.value > 0);

    /* a blank before the labels is not in the format */
    assert_true(promtext_next(&p, &m));
    assert_true(str_is(m.name, "last"));
    assert_true(isinf(m.value) && m.value < 0);
    assert_int_equal(p.bad_lines, 1);
    assert_false(promtext_next(&p, &m));
}

static void bad_lines_are_skipped(void **state)
{
    (void)state;
    static const char many[] = /* labels than PROMTEXT_LABELS_MAX */
        "x{a=\"1\",b=\"1\",c=\"1\",d=\"1\",e=\"1\",f=\"1\",g=\"1\",h=\"1\","
        "i=\"1\",j=\"1\",k=\"1\",l=\"1\",m=\"1\",n=\"1\",o=\"1\",p=\"1\","
        "q=\"1\"} 1";
    static const char *const lines[] = {
        "x",           "x ",
        "x{",          "x{a",
        "x{a=",        "x{a=\"",
        "x{a=\"b",     "x{a=\"b\"",
        "x{a=\"b\\",   "x{a=\"b\"c=\"d\"} 1",
        "x{=\"b\"} 1", "x{a=b} 1",
        "x one",       "{} 1",
        "\xff 1",      "x 1.2.3",
        "x 0x1p3zz",   many,
    };
    AUTO(arena) arena = arena_new(1024);
    for (size_t i = 0; i < ARRAY_LEN(lines); i++) {
        char page[512];
        struct promtext_sample m;
        /* exact bytes, so that ASan sees an overrun */
        size_t n = strlen(lines[i]);
        char *exact = memcpy(xmalloc(n + 1), lines[i], n);
        struct promtext p = {.rest = {exact, n}, .arena = arena};
        if (promtext_next(&p, &m))
            fail_msg("taken: %s", lines[i]);
        assert_int_equal(p.bad_lines, 1);
        free(exact);
        snprintf(page, sizeof page, "%s\ngood 1\n", lines[i]);
        p = (struct promtext){.rest = str_of(page), .arena = arena};
        assert_true(promtext_next(&p, &m));
        assert_true(str_is(m.name, "good"));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_page),
        cmocka_unit_test(bad_lines_are_skipped),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
