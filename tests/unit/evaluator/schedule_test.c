/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <string.h>

#include "common/buf.h"
#include "services/evaluator/schedule.h"

enum { SECOND = 1000, MINUTE = 60 * SECOND, HOUR = 60 * MINUTE };

static struct schedule standard(void)
{
    struct schedule s;
    assert_true(
        schedule_parse(&s, STR("0s,5s,5m,30m,2h,5h,10h,14h,20h,24h"), NULL));
    return s;
}

static void schedules_are_read(void **state)
{
    (void)state;
    struct schedule s = standard();
    assert_int_equal(s.count, 10);
    assert_true(s.wait_ms[0] == 0);
    assert_true(s.wait_ms[2] == 5 * MINUTE);
    assert_true(s.wait_ms[9] == 24 * HOUR);
    AUTO_RELEASE(buf) long_list = {0};
    for (int i = 0; i <= SCHEDULE_MAX; i++)
        buf_add_text(&long_list, i ? ",1s" : "1s");
    const char *const bad[] = {"", "5", "5s,,5m", "5s,soon", long_list.p};
    for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
        struct err err = {0};
        assert_false(schedule_parse(&s, str_of(bad[i]), &err));
        assert_non_null(strstr(err.text, "PULSE_WEBHOOK_SCHEDULE"));
    }
}

static void what_comes_next(void **state)
{
    (void)state;
    struct schedule s = standard();
    enum { OPEN = 1, FIRING = 2, PERMANENT = 4 };
    static const struct {
        int attempt, status, flags;
        int64_t retry_after_ms, age_ms;
        enum delivery delivery;
        int64_t wait_ms;
    } cases[] = {
        {1, 200, FIRING | OPEN, 0, 0, DELIVERY_DONE, 0},
        {9, 204, FIRING, 0, 9 * HOUR, DELIVERY_DONE, 0},
        {1, 500, FIRING | OPEN, 0, 0, DELIVERY_RETRY, 5 * SECOND},
        {1, 0, FIRING | OPEN, 0, 0, DELIVERY_RETRY, 5 * SECOND},
        {1, 302, FIRING | OPEN, 0, 0, DELIVERY_RETRY, 5 * SECOND},
        {1, 404, FIRING | OPEN, 0, 0, DELIVERY_RETRY, 5 * SECOND},
        {2, 500, FIRING | OPEN, 0, 0, DELIVERY_RETRY, 5 * MINUTE},
        /* Open: gaps of at most 30 minutes, without end. */
        {4, 500, FIRING | OPEN, 0, 0, DELIVERY_RETRY, 30 * MINUTE},
        {10, 500, FIRING | OPEN, 0, 99 * HOUR, DELIVERY_RETRY, 30 * MINUTE},
        {500, 500, FIRING | OPEN, 0, 0, DELIVERY_RETRY, 30 * MINUTE},
        /* Over: until an hour after it was decided. */
        {3, 500, FIRING, 0, 10 * MINUTE, DELIVERY_RETRY, 30 * MINUTE},
        {3, 500, FIRING, 0, 50 * MINUTE, DELIVERY_RETRY, 10 * MINUTE},
        {3, 500, FIRING, 0, 60 * MINUTE, DELIVERY_DEAD, 0},
        /* A resolve has its schedule. */
        {4, 500, 0, 0, 0, DELIVERY_RETRY, 2 * HOUR},
        {9, 500, OPEN, 0, 0, DELIVERY_RETRY, 24 * HOUR},
        {10, 500, 0, 0, 0, DELIVERY_DEAD, 0},
        {1, 429, FIRING | OPEN, 90 * SECOND, 0, DELIVERY_RETRY, 90 * SECOND},
        {2, 429, FIRING | OPEN, 90 * SECOND, 0, DELIVERY_RETRY, 5 * MINUTE},
        {1, 503, 0, 90 * HOUR, 0, DELIVERY_RETRY, 24 * HOUR},
        {1, 410, FIRING | OPEN, 0, 0, DELIVERY_GONE, 0},
        {1, 0, FIRING | OPEN | PERMANENT, 0, 0, DELIVERY_FAILED, 0},
    };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct attempt_result r = {
            .attempt = cases[i].attempt,
            .status = cases[i].status,
            .retry_after_ms = cases[i].retry_after_ms,
            .permanent = cases[i].flags & PERMANENT,
            .firing = cases[i].flags & FIRING,
            .incident_open = cases[i].flags & OPEN,
            .age_ms = cases[i].age_ms,
            .open_gap_ms = 30 * MINUTE,
            .expiry_ms = HOUR,
        };
        int64_t wait_ms = 0;
        enum delivery delivery = schedule_next(&s, &r, &wait_ms);
        if (delivery != cases[i].delivery ||
            (delivery == DELIVERY_RETRY && wait_ms != cases[i].wait_ms))
            fail_msg("case %zu: %d, wait %lld", i, delivery,
                     (long long)wait_ms);
        r.jitter = 1; /* up to a tenth more */
        int64_t longer_ms = 0;
        (void)schedule_next(&s, &r, &longer_ms);
        assert_true(longer_ms >= wait_ms &&
                    longer_ms <= wait_ms + wait_ms / 10);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(schedules_are_read),
        cmocka_unit_test(what_comes_next),
    };
    return cmocka_run_group_tests_name("schedule", tests, NULL, NULL);
}
