/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "tools/pulse-sim/queue.h"

static void order_survives_growth(void **state)
{
    AUTO_RELEASE(queue) q = {0};
    int64_t in = 0, out = 0;

    (void)state;
    assert_null(queue_first(&q));
    /* Two in, one out: the ring wraps while it grows. */
    while (in < 5000) {
        for (int i = 0; i < 2; i++)
            queue_put(&q, &(struct flight){.message = {.seq = in++}});
        assert_int_equal(queue_first(&q)->message.seq, out++);
        queue_drop(&q);
    }
    for (; queue_first(&q); queue_drop(&q))
        assert_int_equal(queue_first(&q)->message.seq, out++);
    assert_int_equal(out, in);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(order_survives_growth),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
