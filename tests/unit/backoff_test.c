/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "common/backoff.h"

static void delays_double_up_to_the_limit(void **state)
{
    (void)state;
    struct backoff b = {.first_ms = 100, .max_ms = 1000};
    static const int64_t full[] = {100, 200, 400, 800, 1000, 1000};
    for (int round = 0; round < 100; round++) {
        for (size_t i = 0; i < ARRAY_LEN(full); i++) {
            assert_int_equal(b.attempt, i);
            assert_in_range(backoff_next_ms(&b), full[i] / 2, full[i]);
        }
        backoff_reset(&b);
    }
}

static void a_long_outage_overflows_nothing(void **state)
{
    (void)state;
    struct backoff b = {.first_ms = 1, .max_ms = INT64_MAX / 4};
    for (int i = 0; i < 1000; i++)
        assert_in_range(backoff_next_ms(&b), 0, INT64_MAX / 4);
    struct backoff flat = {.first_ms = 500, .max_ms = 200};
    assert_in_range(backoff_next_ms(&flat), 100, 200);
}

static void random_units_are_spread(void **state)
{
    (void)state;
    int buckets[10] = {0};
    for (int i = 0; i < 10000; i++) {
        double unit = random_unit();
        assert_true(unit >= 0 && unit < 1);
        buckets[(int)(unit * 10)]++;
    }
    /* 1000 each; six standard deviations are 180. */
    for (size_t i = 0; i < ARRAY_LEN(buckets); i++)
        assert_in_range(buckets[i], 820, 1180);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(delays_double_up_to_the_limit),
        cmocka_unit_test(a_long_outage_overflows_nothing),
        cmocka_unit_test(random_units_are_spread),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
