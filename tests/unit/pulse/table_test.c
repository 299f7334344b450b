/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "tools/pulse/table.h"

static void columns_are_aligned(void **state)
{
    (void)state;
    struct table t;
    AUTO_RELEASE(buf) out = {0};
    table_init(&t, "NAME|COUNT>|NOTE");
    table_cell(&t, STR("a"));
    table_cellf(&t, "%d", 12345678);
    table_cell(&t, STR("x"));
    table_cell(&t, STR("grüße")); /* five characters, seven bytes */
    table_cellf(&t, "%d", 1);
    table_cell(&t, (struct str){0});
    table_write(&t, "", &out);
    assert_string_equal(out.p, "NAME      COUNT  NOTE\n"
                               "a      12345678  x\n"
                               "grüße         1\n");
    table_release(&t);
}

static void control_bytes_do_not_reach_the_terminal(void **state)
{
    (void)state;
    struct table t;
    AUTO_RELEASE(buf) out = {0};
    table_init(&t, "X");
    table_cell(&t, STR("a\033[2Jb\nc\177"));
    table_cell(&t, (struct str){"n\0l", 3});
    table_write(&t, " ", &out);
    assert_string_equal(out.p, " X\n a?[2Jb?c?\n n?l\n");
    table_release(&t);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(columns_are_aligned),
        cmocka_unit_test(control_bytes_do_not_reach_the_terminal),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
