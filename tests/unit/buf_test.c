/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <string.h>

#include "common/buf.h"

static void it_grows(void **state)
{
    (void)state;
    AUTO_RELEASE(buf) b = {0};
    assert_int_equal(buf_str(&b).n, 0);
    buf_reset(&b); /* of an empty one */
    buf_add(&b, NULL, 0);
    assert_string_equal(b.p, "");
    buf_add_text(&b, "one ");
    buf_add_str(&b, STR("two "));
    buf_add_char(&b, '3');
    buf_addf(&b, " %d%s", 4, "!");
    assert_string_equal(b.p, "one two 3 4!");
    assert_int_equal(b.n, strlen(b.p));
    for (int i = 0; i < 5000; i++)
        buf_addf(&b, "%d,", i);
    assert_int_equal(b.n, strlen(b.p));
    assert_true(str_ends(buf_str(&b), STR(",4998,4999,")));
    char *before = b.p;
    buf_reset(&b);
    assert_string_equal(b.p, "");
    assert_ptr_equal(b.p, before); /* the memory is kept */
}

static void reserved_room_is_there(void **state)
{
    (void)state;
    AUTO_RELEASE(buf) b = {0};
    for (size_t n = 0; n < 300; n++) {
        memset(buf_reserve(&b, n), 'x', n);
        b.n += n;
    }
    assert_int_equal(b.n, 299 * 300 / 2);
    assert_true(b.cap > b.n);
}

static void nul_bytes_are_bytes(void **state)
{
    (void)state;
    AUTO_RELEASE(buf) b = {0};
    buf_add(&b, "a\0b", 3);
    buf_add_char(&b, '\0');
    assert_int_equal(b.n, 4);
    assert_memory_equal(b.p, "a\0b\0", 5);
    buf_release(&b);
    assert_null(b.p);
    buf_release(&b); /* twice is fine */
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(it_grows),
        cmocka_unit_test(reserved_room_is_there),
        cmocka_unit_test(nul_bytes_are_bytes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
