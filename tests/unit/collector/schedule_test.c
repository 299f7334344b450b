/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "services/collector/schedule.h"

enum { S = 1000, MINUTE = 60 * S };

static struct schedule schedule;

static int start(void **state)
{
    (void)state;
    schedule_init(&schedule, MINUTE, 5 * S);
    return 0;
}

static void due_at_once_then_every_period(void **state)
{
    (void)state;
    assert_int_equal(schedule.due_ms, 5 * S);
    assert_true(schedule_begin(&schedule, 6 * S));
    schedule_done(&schedule, 16 * S);
    /* counted from where it began, so it does not drift by its duration */
    assert_int_equal(schedule.due_ms, 66 * S);
    assert_true(schedule_begin(&schedule, 66 * S));
}

static void a_long_run_is_not_caught_up(void **state)
{
    (void)state;
    assert_true(schedule_begin(&schedule, 5 * S));
    schedule_done(&schedule, 10 * MINUTE);
    assert_int_equal(schedule.due_ms, 10 * MINUTE);
    assert_true(schedule_begin(&schedule, 10 * MINUTE));
    schedule_done(&schedule, 10 * MINUTE + 1);
    assert_int_equal(schedule.due_ms, 11 * MINUTE);
}

static void steps_of_one_run(void **state)
{
    (void)state;
    assert_true(schedule_begin(&schedule, 5 * S));
    schedule_more(&schedule, 9 * S);
    assert_int_equal(schedule.due_ms, 9 * S);
    assert_false(schedule_begin(&schedule, 9 * S));
    schedule_done(&schedule, 10 * S);
    assert_int_equal(schedule.due_ms, 65 * S);
    assert_true(schedule_begin(&schedule, 65 * S));
}

static void failures_back_off_and_success_forgets(void **state)
{
    (void)state;
    int64_t now_ms = 5 * S, longest_ms = 0;
    for (int i = 0; i < 20; i++) {
        assert_true(schedule_begin(&schedule, now_ms));
        schedule_failed(&schedule, now_ms);
        int64_t pause_ms = schedule.due_ms - now_ms;
        assert_in_range(pause_ms, i == 0 ? S / 2 : S, MINUTE);
        assert_true(i > 0 || pause_ms <= S);
        longest_ms = pause_ms > longest_ms ? pause_ms : longest_ms;
        now_ms = schedule.due_ms;
    }
    assert_true(longest_ms > MINUTE / 2);
    assert_true(schedule_begin(&schedule, now_ms));
    schedule_done(&schedule, now_ms);
    assert_int_equal(schedule.due_ms, now_ms + MINUTE);
    schedule_begin(&schedule, now_ms);
    schedule_failed(&schedule, now_ms);
    assert_in_range(schedule.due_ms - now_ms, S / 2, S);
}

static void a_rare_job_is_retried_within_minutes(void **state)
{
    (void)state;
    schedule_init(&schedule, 24 * 60 * MINUTE, 0);
    for (int i = 0; i < 20; i++) {
        schedule_begin(&schedule, 0);
        schedule_failed(&schedule, 0);
    }
    assert_in_range(schedule.due_ms, 150 * S, 300 * S);
}

static void busy_is_soon_again_but_not_for_ever(void **state)
{
    (void)state;
    bool differ = false;
    int64_t first_ms = 0;
    assert_true(schedule_begin(&schedule, 5 * S));
    for (int i = 0; i < SCHEDULE_BUSY_MAX; i++) {
        assert_true(schedule_busy(&schedule, 5 * S));
        int64_t pause_ms = schedule.due_ms - 5 * S;
        assert_in_range(pause_ms, 50, 500);
        first_ms = i == 0 ? pause_ms : first_ms;
        differ = differ || pause_ms != first_ms;
    }
    assert_true(differ); /* jitter: not in step with whoever is in the way */
    assert_false(schedule_begin(&schedule, 5 * S));
    assert_false(schedule_busy(&schedule, 5 * S));
    /* a step that went well between starts the count anew */
    assert_true(schedule_busy(&schedule, 5 * S));
    schedule_more(&schedule, 5 * S);
    for (int i = 0; i < SCHEDULE_BUSY_MAX; i++)
        assert_true(schedule_busy(&schedule, 5 * S));
    assert_false(schedule_busy(&schedule, 5 * S));
}

static void leading_anew_keeps_the_pause(void **state)
{
    (void)state;
    schedule_begin(&schedule, 5 * S);
    schedule_failed(&schedule, 5 * S);
    schedule_begin(&schedule, schedule.due_ms);
    schedule_failed(&schedule, 10 * S);
    int64_t due_ms = schedule.due_ms;
    assert_true(due_ms >= 11 * S);
    schedule_resume(&schedule, 10 * S + 1);
    assert_int_equal(schedule.due_ms, due_ms);
    assert_true(schedule_begin(&schedule, due_ms)); /* a new run */
    schedule_failed(&schedule, due_ms);
    assert_true(schedule.due_ms - due_ms >= 2 * S); /* still growing */
    /* who led long ago is not late at once */
    schedule_resume(&schedule, 60 * MINUTE);
    assert_int_equal(schedule_late_ms(&schedule, 60 * MINUTE), 0);
    /* nor is a run that was broken off gone on with */
    assert_true(schedule_begin(&schedule, 60 * MINUTE));
    schedule_resume(&schedule, 61 * MINUTE);
    assert_true(schedule_begin(&schedule, 61 * MINUTE));
}

static void late_is_what_is_past_the_period(void **state)
{
    (void)state;
    assert_int_equal(schedule_late_ms(&schedule, 5 * S), 0);
    assert_int_equal(schedule_late_ms(&schedule, 65 * S), 0);
    assert_int_equal(schedule_late_ms(&schedule, 70 * S), 5 * S);
    schedule_begin(&schedule, 70 * S);
    schedule_failed(&schedule, 71 * S); /* a failure changes nothing */
    assert_int_equal(schedule_late_ms(&schedule, 75 * S), 10 * S);
    schedule_begin(&schedule, 75 * S);
    schedule_more(&schedule, 76 * S); /* nor does half a run */
    assert_int_equal(schedule_late_ms(&schedule, 76 * S), 11 * S);
    schedule_done(&schedule, 80 * S);
    assert_int_equal(schedule_late_ms(&schedule, 80 * S), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(due_at_once_then_every_period, start),
        cmocka_unit_test_setup(a_long_run_is_not_caught_up, start),
        cmocka_unit_test_setup(steps_of_one_run, start),
        cmocka_unit_test_setup(failures_back_off_and_success_forgets, start),
        cmocka_unit_test_setup(a_rare_job_is_retried_within_minutes, start),
        cmocka_unit_test_setup(busy_is_soon_again_but_not_for_ever, start),
        cmocka_unit_test_setup(leading_anew_keeps_the_pause, start),
        cmocka_unit_test_setup(late_is_what_is_past_the_period, start),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
