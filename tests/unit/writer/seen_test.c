/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>

#include <cmocka.h>

#include "services/writer/seen.h"

enum { FIRST = 1, SECOND = 2 }; /* assignments */

static void test_unknown_is_not_newer(void **state)
{
    (void)state;
    AUTO(seen) s = seen_new(64);
    assert_false(seen_newer(s, 7, FIRST, 100));
    seen_note(s, 7, FIRST, 100);
    assert_false(seen_newer(s, 8, FIRST, 200));
    assert_false(seen_newer(s, 0, FIRST, 200)); /* key 0: no memory */
}

static void test_only_a_later_time_is_newer(void **state)
{
    (void)state;
    AUTO(seen) s = seen_new(64);
    seen_note(s, 7, FIRST, 100);
    assert_false(seen_newer(s, 7, FIRST, 99));
    assert_false(seen_newer(s, 7, FIRST, 100));
    assert_true(seen_newer(s, 7, FIRST, 101));
    seen_note(s, 7, FIRST, 50); /* an older row was stored: nothing changes */
    assert_false(seen_newer(s, 7, FIRST, 100));
}

static void test_a_new_assignment_knows_nothing(void **state)
{
    (void)state;
    AUTO(seen) s = seen_new(64);
    seen_note(s, 7, FIRST, 100);
    assert_false(seen_newer(s, 7, SECOND, 200));
    seen_note(s, 7, SECOND, 60);
    assert_true(seen_newer(s, 7, SECOND, 61));
    assert_false(seen_newer(s, 7, FIRST, 200));
}

static void test_overfull_it_forgets_the_least_recent(void **state)
{
    (void)state;
    enum { KEYS = 10000, RECENT = 50 };
    AUTO(seen) s = seen_new(1024);
    for (uint64_t key = 1; key <= KEYS; key++)
        seen_note(s, key, FIRST, 10);
    int known = 0, recent = 0;
    for (uint64_t key = 1; key <= KEYS; key++) {
        bool newer = seen_newer(s, key, FIRST, 11);
        known += newer;
        recent += newer && key > KEYS - RECENT;
        assert_false(seen_newer(s, key, FIRST, 10));
    }
    assert_in_range(known, 900, 1024);
    assert_in_range(recent, RECENT - 5, RECENT);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_unknown_is_not_newer),
        cmocka_unit_test(test_only_a_later_time_is_newer),
        cmocka_unit_test(test_a_new_assignment_knows_nothing),
        cmocka_unit_test(test_overfull_it_forgets_the_least_recent),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
