/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>

#include "common/map.h"

static int dropped;

static void drop(void *value)
{
    dropped += *(int *)value;
}

static int ones[10] = {1, 1, 1, 1, 1, 1, 1, 1, 1, 1};

static void put_get_remove(void **state)
{
    (void)state;
    AUTO(map) m = map_new(0, NULL);
    int a = 1, b = 2;
    assert_null(map_get(m, STR("a")));
    map_put(m, STR("a"), &a);
    map_put(m, STR("a\0"), &b); /* another key */
    map_put(m, (struct str){NULL, 0}, &b);
    assert_int_equal(map_count(m), 3);
    assert_ptr_equal(map_get(m, STR("a")), &a);
    assert_ptr_equal(map_peek(m, STR("a\0")), &b);
    assert_ptr_equal(map_get(m, STR("")), &b);
    map_put(m, STR("a"), &b);
    assert_ptr_equal(map_get(m, STR("a")), &b);
    assert_int_equal(map_count(m), 3);
    assert_true(map_remove(m, STR("a")));
    assert_false(map_remove(m, STR("a")));
    assert_null(map_get(m, STR("a")));
    assert_ptr_equal(map_get(m, STR("a\0")), &b);
    map_clear(m);
    assert_int_equal(map_count(m), 0);
    assert_null(map_get(m, STR("")));
    map_put(m, STR("again"), &a);
    assert_ptr_equal(map_get(m, STR("again")), &a);
}

static struct str key_of(int i, char text[16])
{
    return (struct str){text, (size_t)snprintf(text, 16, "key-%d", i)};
}

static void many_keys(void **state)
{
    (void)state;
    enum { COUNT = 20000 };
    AUTO(map) m = map_new(0, free);
    char text[16];
    for (int i = 0; i < COUNT; i++) {
        int *value = xmalloc(sizeof *value);
        *value = i;
        map_put(m, key_of(i, text), value); /* the key is copied */
    }
    for (int i = 0; i < COUNT; i += 2)
        assert_true(map_remove(m, key_of(i, text)));
    assert_int_equal(map_count(m), COUNT / 2);
    for (int i = 0; i < COUNT; i++) {
        int *value = map_get(m, key_of(i, text));
        if (i % 2 == 0)
            assert_null(value);
        else
            assert_int_equal(*value, i);
    }
}

static void the_least_recently_used_goes(void **state)
{
    (void)state;
    AUTO(map) m = map_new(3, drop);
    dropped = 0;
    map_put(m, STR("a"), &ones[0]);
    map_put(m, STR("b"), &ones[1]);
    map_put(m, STR("c"), &ones[2]);
    map_get(m, STR("a"));           /* used */
    map_put(m, STR("b"), &ones[1]); /* used; the same value is not dropped */
    assert_int_equal(dropped, 0);
    map_put(m, STR("d"), &ones[3]);
    assert_null(map_peek(m, STR("c")));
    assert_int_equal(map_count(m), 3);
    assert_int_equal(dropped, 1);
    assert_int_equal(map_evictions(m), 1);
    map_peek(m, STR("a")); /* no use */
    map_put(m, STR("e"), &ones[4]);
    assert_null(map_peek(m, STR("a")));
    assert_non_null(map_peek(m, STR("b")));
    assert_int_equal(map_evictions(m), 2);
    map_get(m, STR("e")); /* the newest already */
    map_put(m, STR("f"), &ones[5]);
    assert_null(map_peek(m, STR("b")));
}

static void a_bound_of_one(void **state)
{
    (void)state;
    AUTO(map) m = map_new(1, NULL);
    char text[16];
    for (int i = 0; i < 100; i++) {
        map_put(m, key_of(i, text), &ones[0]);
        assert_int_equal(map_count(m), 1);
        assert_non_null(map_get(m, key_of(i, text)));
    }
    assert_int_equal(map_evictions(m), 99);
}

static void every_value_is_dropped_once(void **state)
{
    (void)state;
    dropped = 0;
    struct map *m = map_new(4, drop);
    char text[16];
    for (int i = 0; i < 6; i++)
        map_put(m, key_of(i, text), &ones[i]); /* two evicted */
    map_put(m, key_of(5, text), &ones[6]);     /* one replaced */
    map_remove(m, key_of(4, text));            /* one removed */
    assert_int_equal(dropped, 4);
    map_free(m);
    assert_int_equal(dropped, 7);
    map_free(NULL);
}

static bool keep_even(struct str key, void *value, void *arg)
{
    int *seen = arg;
    (void)value;
    (*seen)++;
    return (key.p[key.n - 1] - '0') % 2 == 0;
}

static void each_may_remove(void **state)
{
    (void)state;
    AUTO(map) m = map_new(0, drop);
    char text[16];
    dropped = 0;
    for (int i = 0; i < 10; i++)
        map_put(m, key_of(i, text), &ones[i]);
    int seen = 0;
    map_each(m, keep_even, &seen);
    assert_int_equal(seen, 10);
    assert_int_equal(map_count(m), 5);
    assert_int_equal(dropped, 5);
    assert_null(map_get(m, STR("key-3")));
    assert_non_null(map_get(m, STR("key-4")));
}

/* Against a plain table, with a printed seed. */
static void like_a_table(void **state)
{
    (void)state;
    enum { KEYS = 50, STEPS = 20000 };
    unsigned seed = (unsigned)(uintptr_t)&state ^ 12345;
    print_message("seed %u\n", seed);
    AUTO(map) m = map_new(0, NULL);
    int *table[KEYS] = {0}, values[5];
    size_t count = 0;
    char text[16];
    for (int step = 0; step < STEPS; step++) {
        int k = rand_r(&seed) % KEYS, what = rand_r(&seed) % 3;
        if (what == 0) {
            int *value = &values[rand_r(&seed) % 5];
            count += table[k] == NULL;
            table[k] = value;
            map_put(m, key_of(k, text), value);
        } else if (what == 1) {
            assert_int_equal(map_remove(m, key_of(k, text)), table[k] != NULL);
            count -= table[k] != NULL;
            table[k] = NULL;
        }
        assert_ptr_equal(map_get(m, key_of(k, text)), table[k]);
        assert_int_equal(map_count(m), count);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(put_get_remove),
        cmocka_unit_test(many_keys),
        cmocka_unit_test(the_least_recently_used_goes),
        cmocka_unit_test(a_bound_of_one),
        cmocka_unit_test(every_value_is_dropped_once),
        cmocka_unit_test(each_may_remove),
        cmocka_unit_test(like_a_table),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
