/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "common/service.h"

struct seen {
    struct service *service;
    struct service_need *need;
    bool ready_in_loop, ready_with_need, ready_without;
};

static void in_the_loop(void *arg)
{
    struct seen *s = arg;
    s->ready_in_loop = service_ready(s->service);
    service_need_set(s->need, true);
    s->ready_with_need = service_ready(s->service);
    service_need_set(s->need, false);
    s->ready_without = service_ready(s->service);
    loop_stop(service_loop(s->service), 0);
}

/* The admin port is open while the parts are still made: it said "ready" as
 * long as none of them had told its needs. */
static void not_ready_before_it_runs(void **state)
{
    (void)state;
    struct err err = {0};
    const struct service_options options = {
        .name = "test",
        .admin_listen = "127.0.0.1:0",
        .drain_timeout_ms = 1000,
    };
    AUTO(service) service = service_new(&options, &err);
    assert_non_null(service);
    assert_false(service_ready(service));
    struct seen seen = {.service = service,
                        .need = service_need(service, "kafka")};
    struct loop_timer *timer =
        loop_timer_new(service_loop(service), in_the_loop, &seen);
    loop_timer_set(timer, 0, 0);
    assert_int_equal(service_run(service), 0);
    assert_false(seen.ready_in_loop);
    assert_true(seen.ready_with_need);
    assert_false(seen.ready_without);
}

static void ready_once_it_runs(void **state)
{
    (void)state;
    struct err err = {0};
    const struct service_options options = {.name = "test",
                                            .admin_listen = "127.0.0.1:0"};
    AUTO(service) service = service_new(&options, &err);
    assert_non_null(service);
    struct seen seen = {.service = service,
                        .need = service_need(service, "kafka")};
    service_need_set(seen.need, true);
    assert_false(service_ready(service)); /* it does not run yet */
    loop_timer_set(loop_timer_new(service_loop(service), in_the_loop, &seen), 0,
                   0);
    assert_int_equal(service_run(service), 0);
    assert_true(seen.ready_in_loop);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(not_ready_before_it_runs),
        cmocka_unit_test(ready_once_it_runs),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
