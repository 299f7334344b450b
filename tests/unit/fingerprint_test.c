/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "common/pulse/fingerprint.h"

/* The expected values are store.series_key's, computed apart. */
static void the_database_says_the_same(void **state)
{
    (void)state;
    static const struct label device[] = {{STR("device_id"), STR("d1")},
                                          {STR("site_id"), STR("berlin")}};
    static const struct label bytewise[] = {{STR("Z"), STR("1")},
                                            {STR("a"), STR("2")}};
    static const struct {
        struct str name;
        const struct label *labels;
        size_t count;
        const char *expected;
    } cases[] = {
        {STR("temperature"), NULL, 0, "c2f25c39c3d189d90eccd1f8de8f6225"},
        {STR("temperature"), device, 2, "47f393a0f689a56237840d37d98c2a33"},
        {STR("temp\xc3\xa9rature"), bytewise, 2,
         "60124bd48e6413c035a1150ee277e207"},
    };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        char out[FINGERPRINT_MAX];
        assert_string_equal(fingerprint_make(STR("acme"), cases[i].name,
                                             cases[i].labels, cases[i].count,
                                             out),
                            cases[i].expected);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_database_says_the_same),
    };
    return cmocka_run_group_tests_name("fingerprint", tests, NULL, NULL);
}
