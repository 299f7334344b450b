/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdalign.h>
#include <string.h>

#include "common/arena.h"

static void pieces_are_apart_and_aligned(void **state)
{
    (void)state;
    AUTO(arena) a = arena_new(256);
    unsigned char *pieces[200];
    for (size_t i = 0; i < ARRAY_LEN(pieces); i++) {
        pieces[i] = arena_alloc(a, i);
        assert_int_equal((uintptr_t)pieces[i] % alignof(max_align_t), 0);
        memset(pieces[i], (int)i, i);
    }
    for (size_t i = 0; i < ARRAY_LEN(pieces); i++)
        for (size_t b = 0; b < i; b++)
            assert_int_equal(pieces[i][b], i);
    assert_int_equal(arena_bytes(a), 199 * 200 / 2);
}

static void a_piece_may_be_larger_than_a_block(void **state)
{
    (void)state;
    AUTO(arena) a = arena_new(64);
    char *large = arena_zalloc(a, 1000, 100);
    for (size_t i = 0; i < 100000; i++)
        assert_int_equal(large[i], 0);
    memset(large, 1, 100000);
    char *small = arena_alloc(a, 8);
    memset(small, 2, 8);
    assert_int_equal(large[99999], 1);
}

static void a_piece_grows(void **state)
{
    (void)state;
    AUTO(arena) a = arena_new(64);
    char *first = arena_alloc(a, 8), *p = arena_alloc(a, 10);
    memset(first, 'f', 8);
    memset(p, 'a', 10);
    for (size_t n = 10; n < 100000; n *= 3) {
        p = arena_grow(a, p, n, n * 3);
        assert_int_equal((uintptr_t)p % alignof(max_align_t), 0);
        assert_int_equal(p[0], 'a');
        assert_int_equal(p[n - 1], 'a');
        memset(p, 'a', n * 3);
        if (n == 270) { /* not the newest any more */
            char *between = arena_alloc(a, 8);
            memset(between, 'b', 8);
            char *grown = arena_grow(a, p, n * 3, n * 3);
            assert_ptr_not_equal(grown, p);
            assert_memory_equal(between, "bbbbbbbb", 8);
            p = grown;
        }
    }
    assert_memory_equal(first, "ffffffff", 8);
    char *behind = arena_alloc(a, 8);
    memset(behind, 'c', 8);
    assert_int_equal(p[100000], 'a');
}

/* What it took before is not handed out beside it. */
static void growing_leaves_nothing_behind(void **state)
{
    (void)state;
    AUTO(arena) a = arena_new(64);
    char *p = arena_alloc(a, 1000);
    for (size_t n = 1000; n < 1000000; n *= 2)
        p = arena_grow(a, p, n, n * 2);
    p[1023999] = 1;
    assert_int_equal(arena_bytes(a), 1024000);
}

static void a_reset_begins_anew(void **state)
{
    (void)state;
    AUTO(arena) a = arena_new(128);
    for (int round = 0; round < 50; round++) {
        assert_int_equal(arena_bytes(a), 0);
        for (int i = 0; i < 20; i++)
            memset(arena_alloc(a, 50), round, 50);
        memset(arena_alloc(a, 5000), round, 5000);
        assert_int_equal(arena_bytes(a), 6000);
        arena_reset(a);
    }
    arena_reset(a);
    arena_free(NULL);
}

static void texts(void **state)
{
    (void)state;
    AUTO(arena) a = arena_new(32);
    char source[] = "hello";
    struct str copy = arena_str(a, (struct str){source, 4});
    source[0] = 'X';
    assert_true(str_is(copy, "hell"));
    assert_int_equal(copy.p[4], '\0');
    assert_null(arena_str(a, (struct str){NULL, 0}).p);
    assert_non_null(arena_str(a, STR("")).p);
    struct str text = arena_printf(a, "%s-%d-%0100d", "x", 5, 0);
    assert_int_equal(text.n, 104);
    assert_true(str_starts(text, STR("x-5-000")));
    assert_int_equal(text.p[104], '\0');
    assert_int_equal(arena_printf(a, "%s", "").n, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(pieces_are_apart_and_aligned),
        cmocka_unit_test(a_piece_may_be_larger_than_a_block),
        cmocka_unit_test(a_piece_grows),
        cmocka_unit_test(growing_leaves_nothing_behind),
        cmocka_unit_test(a_reset_begins_anew),
        cmocka_unit_test(texts),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
