/* SPDX-License-Identifier: Apache-2.0 */
#include "services/ingest/stamp.h"

#include "tests/unit/judge.h"

static void later_by_a_us_for_the_same_key(void **state)
{
    struct stamp_clock clock = {0};
    AUTO_RELEASE(stamp) s;

    (void)state;
    stamp_init(&s, &clock, 1000, 5);
    assert_int_equal(stamp_next(&s, STR("a")), 1000);
    assert_int_equal(stamp_next(&s, STR("b")), 1000);
    assert_int_equal(stamp_next(&s, STR("a")), 1001);
    assert_int_equal(stamp_next(&s, STR("a")), 1002);
    assert_int_equal(stamp_next(&s, STR("b")), 1001);
    assert_int_equal(stamp_next(&s, STR("a")), 1003);
    assert_int_equal(stamp_next(&s, STR("b")), 1003);
}

static void never_twice_in_one_process(void **state)
{
    struct stamp_clock clock = {0};
    AUTO_RELEASE(stamp) many;
    struct stamp one;

    (void)state;
    stamp_init(&many, &clock, 1000, 3);
    assert_int_equal(stamp_next(&many, STR("a")), 1000);
    /* Same µs, then a wall clock that went back. */
    stamp_init(&one, &clock, 1000, 1);
    assert_int_equal(stamp_next(&one, STR("a")), 1001);
    assert_int_equal(stamp_next(&many, STR("a")), 1002);
    stamp_init(&one, &clock, 500, 1);
    assert_int_equal(stamp_next(&one, STR("a")), 1004);
    stamp_init(&one, &clock, 2000, 1);
    assert_int_equal(stamp_next(&one, STR("a")), 2000);
}

/* A body may look as if it had millions of records: they are in the future of
 * all tenants' untimed records if they are believed. */
static void takes_what_is_used(void **state)
{
    struct stamp_clock clock = {0};

    (void)state;
    for (int i = 0; i < 100; i++) {
        AUTO_RELEASE(stamp) s;
        stamp_init(&s, &clock, 1000, 32 << 20);
        assert_int_equal(stamp_next(&s, STR("a")), 1000 + i);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(later_by_a_us_for_the_same_key),
        cmocka_unit_test(never_twice_in_one_process),
        cmocka_unit_test(takes_what_is_used),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
