/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <string.h>

#include "common/uuid.h"

static void has_its_form(void **state)
{
    (void)state;
    for (int n = 0; n < 100; n++) {
        char id[UUID_MAX];
        assert_ptr_equal(uuid_make(id), id);
        assert_int_equal(strlen(id), 36);
        for (size_t i = 0; i < 36; i++) {
            bool dash = i == 8 || i == 13 || i == 18 || i == 23;
            assert_non_null(strchr(dash ? "-" : "0123456789abcdef", id[i]));
        }
        assert_int_equal(id[14], '4');
        assert_non_null(strchr("89ab", id[19]));
    }
}

static void is_never_the_same(void **state)
{
    (void)state;
    char a[UUID_MAX], b[UUID_MAX];
    assert_string_not_equal(uuid_make(a), uuid_make(b));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(has_its_form),
        cmocka_unit_test(is_never_the_same),
    };
    return cmocka_run_group_tests_name("uuid", tests, NULL, NULL);
}
