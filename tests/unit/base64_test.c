/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "common/base64.h"

/* The test vectors of RFC 4648, and bytes that need the last two signs. */
static void test_vectors(void **state)
{
    static const struct {
        struct str bytes;
        const char *text;
    } cases[] = {
        {{"", 0}, ""},
        {{NULL, 0}, ""},
        {{"f", 1}, "Zg=="},
        {{"fo", 2}, "Zm8="},
        {{"foo", 3}, "Zm9v"},
        {{"foob", 4}, "Zm9vYg=="},
        {{"fooba", 5}, "Zm9vYmE="},
        {{"foobar", 6}, "Zm9vYmFy"},
        {{"\xff\xef\0\xbe", 4}, "/+8Avg=="},
    };
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        AUTO_RELEASE(buf) out = {0};
        buf_add_char(&out, '>');
        base64_add(&out, cases[i].bytes);
        assert_string_equal(out.p + 1, cases[i].text);
        assert_int_equal(out.n, 1 + strlen(cases[i].text));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_vectors),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
