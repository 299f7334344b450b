/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>

#include <cmocka.h>

#include "common/names.h"

enum { MANY = 3000 };

struct item {
    int before;
    struct str name;
    char text[16];
};

static struct item items[MANY];

static void name_items(size_t count)
{
    for (size_t i = 0; i < count; i++) {
        int n = snprintf(items[i].text, sizeof items[i].text, "n%zu", i);
        items[i].name = (struct str){items[i].text, (size_t)n};
    }
}

/* Few, more than few, more than its own table holds: none comes twice, then
 * the last is called as one before. */
static void test_a_name_that_comes_twice_is_found(void **state)
{
    static const size_t counts[] = {1,  2,   3,   15,  16,  17,  31,  32,
                                    33, 128, 255, 256, 257, 512, MANY};
    (void)state;
    for (size_t c = 0; c < ARRAY_LEN(counts); c++) {
        size_t count = counts[c], twin = count / 2;
        AUTO_RELEASE(names) names;
        name_items(count);
        names_init(&names, &items[0].name, sizeof items[0], count + 1);
        for (size_t i = 0; i < count; i++)
            assert_int_equal(names_add(&names, i), i);
        struct str last = items[count - 1].name;
        items[count - 1].name = items[twin].name;
        assert_int_equal(names_add(&names, count - 1), twin);
        items[count - 1].name = last;
    }
}

static void test_empty_and_prefixes_are_names_of_their_own(void **state)
{
    const struct str list[] = {STR("a"),  STR(""),   STR("ab"),
                               {NULL, 0}, STR("aa"), STR("ab")};
    const size_t first[] = {0, 1, 2, 1, 4, 2};
    AUTO_RELEASE(names) names;
    (void)state;
    names_init(&names, list, sizeof list[0], ARRAY_LEN(list));
    for (size_t i = 0, kept = 0; i < ARRAY_LEN(list); i++, kept++)
        assert_int_equal(names_add(&names, i), first[i]);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_name_that_comes_twice_is_found),
        cmocka_unit_test(test_empty_and_prefixes_are_names_of_their_own),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
