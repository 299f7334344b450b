/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdlib.h>
#include <string.h>

#include "common/base.h"

static int freed;

struct thing {
    int n;
};

static struct thing *thing_new(void)
{
    return xcalloc(1, sizeof(struct thing));
}

static void thing_free(struct thing *t)
{
    if (t == NULL)
        return;
    freed++;
    free(t);
}
DEFINE_AUTO(thing)

static void thing_release(struct thing *t)
{
    t->n = -1;
    freed += 10;
}
DEFINE_AUTO_RELEASE(thing)

static struct thing *make(bool good)
{
    AUTO(thing) t = thing_new();
    if (!good)
        return NULL;
    return MOVE(t);
}

static void auto_frees_what_was_not_moved(void **state)
{
    (void)state;
    freed = 0;
    assert_null(make(false));
    assert_int_equal(freed, 1);
    struct thing *t = make(true);
    assert_non_null(t);
    assert_int_equal(freed, 1);
    thing_free(MOVE(t));
    assert_null(t);
    assert_int_equal(freed, 2);
    {
        AUTO_RELEASE(thing) in_place = {7};
        assert_int_equal(in_place.n, 7);
    }
    assert_int_equal(freed, 12);
}

static void allocators_never_return_null(void **state)
{
    (void)state;
    void *all[] = {xmalloc(0), xcalloc(0, 8), xcalloc(8, 0),
                   xreallocarray(NULL, 0, 8), xstrndup(NULL, 0)};
    for (size_t i = 0; i < ARRAY_LEN(all); i++) {
        assert_non_null(all[i]);
        free(all[i]);
    }
    char *zeros = xcalloc(3, 5);
    for (int i = 0; i < 15; i++)
        assert_int_equal(zeros[i], 0);
    zeros = xreallocarray(zeros, 100, 1);
    assert_int_equal(zeros[14], 0);
    free(zeros);
}

static void copies_end_with_nul(void **state)
{
    (void)state;
    char *copy = xstrndup("hello", 3);
    assert_string_equal(copy, "hel");
    free(copy);
    copy = xstrndup("a\0b", 3);
    assert_memory_equal(copy, "a\0b", 4);
    free(copy);
    copy = xstrdup("");
    assert_string_equal(copy, "");
    free(copy);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(auto_frees_what_was_not_moved),
        cmocka_unit_test(allocators_never_return_null),
        cmocka_unit_test(copies_end_with_nul),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
