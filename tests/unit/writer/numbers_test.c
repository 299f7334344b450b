/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "services/writer/numbers.h"

static struct str key_of(char text[24], int i)
{
    return (struct str){text, (size_t)snprintf(text, 24, "key-%d", i)};
}

static void test_finds_what_was_put(void **state)
{
    AUTO(numbers) n = numbers_new(100000, 1 << 20);
    char text[24];
    (void)state;
    assert_int_equal(numbers_get(n, STR("key-1")), 0);
    for (int i = 1; i <= 20000; i++)
        numbers_put(n, key_of(text, i), i);
    for (int i = 1; i <= 20000; i++)
        assert_int_equal(numbers_get(n, key_of(text, i)), i);
    assert_int_equal(numbers_get(n, STR("key-20001")), 0);
    assert_int_equal(numbers_get(n, STR("")), 0);
    numbers_put(n, STR("key-7"), 9);
    assert_int_equal(numbers_get(n, STR("key-7")), 9);
    assert_int_equal(numbers_count(n), 20000);
}

/* Whatever goes, the others are still found: 1,000 of 10,000 fit. */
static void test_is_bounded_and_consistent(void **state)
{
    AUTO(numbers) n = numbers_new(1000, 1 << 20);
    char text[24];
    (void)state;
    for (int i = 1; i <= 10000; i++) {
        numbers_put(n, key_of(text, i), i);
        assert_int_equal(numbers_get(n, key_of(text, i)), i);
        assert_true(numbers_count(n) <= 1000);
    }
    size_t found = 0;
    for (int i = 1; i <= 10000; i++) {
        int64_t number = numbers_get(n, key_of(text, i));
        assert_true(number == 0 || number == i);
        found += number > 0;
    }
    assert_int_equal(found, 1000);
}

static void test_keeps_what_is_used(void **state)
{
    AUTO(numbers) n = numbers_new(100, 1 << 20);
    char text[24];
    (void)state;
    for (int i = 1; i <= 5000; i++) {
        numbers_put(n, key_of(text, i), i);
        for (int k = 1; k <= 10; k++) /* asked for all the time */
            assert_int_equal(numbers_get(n, key_of(text, k)), k <= i ? k : 0);
    }
}

/* Long keys, as a client may choose them, are no way to the end of memory. */
static void test_long_keys_are_bounded_in_bytes(void **state)
{
    enum { MAX = 100000, LONG = 37000 };
    AUTO(numbers) n = numbers_new(10000, MAX);
    static char text[MAX + 1];
    size_t most = 0;
    (void)state;
    for (int i = 1; i <= 3000; i++) {
        size_t length = i % 3 == 0 ? LONG : (size_t)(i % 500) + 24;
        snprintf(text, 24, "key-%d", i);
        const struct str key = {text, length};
        numbers_put(n, key, i);
        assert_int_equal(numbers_get(n, key), i);
        assert_true(numbers_bytes(n) <= MAX);
        most = numbers_bytes(n) > most ? numbers_bytes(n) : most;
    }
    assert_true(most > MAX - LONG);
    size_t count = numbers_count(n);
    numbers_put(n, (struct str){text, MAX + 1}, 1); /* never fits */
    assert_int_equal(numbers_get(n, (struct str){text, MAX + 1}), 0);
    assert_int_equal(numbers_count(n), count);
    numbers_put(n, (struct str){text, MAX}, 1); /* alone */
    assert_int_equal(numbers_count(n), 1);
    assert_int_equal(numbers_bytes(n), MAX);
    numbers_clear(n);
    assert_int_equal(numbers_bytes(n), 0);
}

static void test_clear_forgets_all(void **state)
{
    AUTO(numbers) n = numbers_new(3000, 1 << 20);
    char text[24];
    (void)state;
    for (int round = 1; round <= 3; round++) {
        for (int i = 1; i <= 4000; i++)
            numbers_put(n, key_of(text, i), i * round);
        assert_int_equal(numbers_count(n), 3000);
        assert_int_equal(numbers_get(n, STR("key-4000")), 4000 * round);
        numbers_clear(n);
        assert_int_equal(numbers_count(n), 0);
        for (int i = 1; i <= 4000; i++)
            assert_int_equal(numbers_get(n, key_of(text, i)), 0);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_finds_what_was_put),
        cmocka_unit_test(test_is_bounded_and_consistent),
        cmocka_unit_test(test_keeps_what_is_used),
        cmocka_unit_test(test_long_keys_are_bounded_in_bytes),
        cmocka_unit_test(test_clear_forgets_all),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
