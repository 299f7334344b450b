/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <math.h>

#include "services/collector/sample.h"

static void labels_are_sorted_and_unique(void **state)
{
    (void)state;
    struct samples s;
    samples_init(&s, 4);
    samples_addf(&s, "writer", "x", 1, "b", "2", "a", "1", "c", "3", "a", "no",
                 NULL);
    assert_int_equal(s.count, 1);
    assert_int_equal(s.at[0].label_count, 3);
    assert_true(str_is(s.at[0].labels[0].name, "a"));
    assert_true(str_is(s.at[0].labels[0].value, "1"));
    assert_true(str_is(s.at[0].labels[2].name, "c"));
    samples_release(&s);
}

static void bounded_and_finite(void **state)
{
    (void)state;
    struct samples s;
    samples_init(&s, 2);
    samples_addf(&s, NULL, "nan", NAN, NULL);
    samples_addf(&s, NULL, "inf", -INFINITY, NULL);
    assert_int_equal(s.count, 0);
    for (int i = 0; i < 5; i++)
        samples_addf(&s, NULL, "x", i, NULL);
    assert_int_equal(s.count, 2);
    assert_int_equal(s.dropped, 3);
    assert_null(s.at[0].service.p);
    samples_reset(&s);
    samples_addf(&s, NULL, "y", 1, NULL);
    assert_int_equal(s.count, 1);
    samples_release(&s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(labels_are_sorted_and_unique),
        cmocka_unit_test(bounded_and_finite),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
