/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "services/collector/lag.h"

enum { S = 1000000 };

static struct lag_history history;

static int start(void **state)
{
    (void)state;
    history = (struct lag_history){0};
    return 0;
}

static void nothing_known_or_read_all(void **state)
{
    (void)state;
    assert_true(lag_seconds(&history, 5 * S, 0) == 0);
    lag_note(&history, 10 * S, 100);
    assert_true(lag_seconds(&history, 20 * S, 100) == 0);
    assert_true(lag_seconds(&history, 20 * S, 150) == 0);
}

static void between_two_marks(void **state)
{
    (void)state;
    lag_note(&history, 10 * S, 100);
    lag_note(&history, 20 * S, 200);
    lag_note(&history, 30 * S, 200); /* quiet */
    lag_note(&history, 40 * S, 300);
    /* message 150 was appended at about 15 s */
    assert_true(lag_seconds(&history, 40 * S, 150) == 25);
    /* message 100: between 10 s and 20 s, its very begin */
    assert_true(lag_seconds(&history, 40 * S, 100) == 30);
    /* message 200: after the quiet time, not before it */
    assert_true(lag_seconds(&history, 40 * S, 200) == 10);
    assert_true(lag_seconds(&history, 40 * S, 299) < 1);
}

static void older_than_the_history(void **state)
{
    (void)state;
    lag_note(&history, 10 * S, 100);
    lag_note(&history, 20 * S, 200);
    assert_true(lag_seconds(&history, 60 * S, 5) == 50);
}

static void the_ring_forgets_the_oldest(void **state)
{
    (void)state;
    for (int i = 0; i < LAG_MARKS + 10; i++)
        lag_note(&history, (int64_t)i * S, 10 * i);
    int64_t now = (int64_t)(LAG_MARKS + 9) * S;
    /* mark 10 is the oldest kept */
    assert_true(lag_seconds(&history, now, 50) == LAG_MARKS - 1);
    assert_true(lag_seconds(&history, now, 200) == LAG_MARKS + 9 - 20);
}

static void a_new_topic_begins_anew(void **state)
{
    (void)state;
    lag_note(&history, 10 * S, 1000);
    lag_note(&history, 20 * S, 5);
    assert_true(lag_seconds(&history, 25 * S, 0) == 5);
    assert_true(lag_seconds(&history, 25 * S, 5) == 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(nothing_known_or_read_all, start),
        cmocka_unit_test_setup(between_two_marks, start),
        cmocka_unit_test_setup(older_than_the_history, start),
        cmocka_unit_test_setup(the_ring_forgets_the_oldest, start),
        cmocka_unit_test_setup(a_new_topic_begins_anew, start),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
