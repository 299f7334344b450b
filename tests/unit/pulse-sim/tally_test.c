/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "tools/pulse-sim/tally.h"

static void quantiles_are_within_a_percent(void **state)
{
    static const int64_t scales[] = {1, 10, 1000, 100000, 1000000};

    (void)state;
    for (size_t s = 0; s < ARRAY_LEN(scales); s++) {
        struct tally *t = xcalloc(1, sizeof *t);
        for (int64_t i = 1; i <= 1000; i++)
            tally_latency(t, i * scales[s]);
        for (int q = 10; q <= 1000; q += 45) {
            double got = (double)tally_quantile_us(t, q / 1000.0);
            double want = (double)(q * scales[s]);
            if (got < want || got > want * 1.01 + 1)
                fail_msg("quantile %d of %lld: %f", q, (long long)scales[s],
                         got);
        }
        assert_int_equal(tally_quantile_us(t, 1), 1000 * scales[s]);
        assert_int_equal(t->latency_max_us, 1000 * scales[s]);
        free(t);
    }
}

static void extremes(void **state)
{
    struct tally *t = xcalloc(1, sizeof *t);

    (void)state;
    assert_int_equal(tally_quantile_us(t, 0.99), 0);
    tally_latency(t, -5);
    tally_latency(t, INT64_MAX);
    assert_int_equal(tally_quantile_us(t, 0.5), 0);
    assert_true(tally_quantile_us(t, 1) > INT64_C(4000000000));
    free(t);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(quantiles_are_within_a_percent),
        cmocka_unit_test(extremes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
