/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "common/pulse/target.h"

static void local_targets(void **state)
{
    (void)state;
    struct targets t;
    struct err err = {0};
    assert_true(targets_parse(STR(TARGETS_LOCAL), &t, &err));
    assert_int_equal(t.count, 5);
    assert_true(str_is(t.at[0].service, "ingest"));
    assert_true(str_is(t.at[4].address, "127.0.0.1:9105"));
}

static void spaces_replicas_and_brackets(void **state)
{
    (void)state;
    struct targets t;
    struct err err = {0};
    assert_true(targets_parse(STR("a=h1:1 , a=h2:2,,b=[::1]:3,"), &t, &err));
    assert_int_equal(t.count, 3);
    assert_true(str_is(t.at[1].service, "a"));
    assert_true(str_is(t.at[1].address, "h2:2"));
    assert_true(str_is(t.at[2].address, "[::1]:3"));
    assert_true(targets_parse(STR(""), &t, &err));
    assert_int_equal(t.count, 0);
}

static void bad_targets(void **state)
{
    (void)state;
    static const char *const cases[] = {"writer", "=h:1",  "a=h",       "a=:1",
                                        "a=h:",   "a=b=c", "a=h:1,oops"};
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct targets t;
        struct err err = {0};
        if (targets_parse(str_of(cases[i]), &t, &err))
            fail_msg("\"%s\" was taken", cases[i]);
        assert_int_equal(err.kind, ERR_INPUT);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(local_targets),
        cmocka_unit_test(spaces_replicas_and_brackets),
        cmocka_unit_test(bad_targets),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
