/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <string.h>

#include "common/err.h"

static void it_keeps_kind_and_text(void **state)
{
    (void)state;
    struct err err = {0};
    assert_int_equal(err.kind, ERR_NONE);
    err_set(&err, ERR_RETRY, "%s is away", "kafka");
    assert_int_equal(err.kind, ERR_RETRY);
    assert_string_equal(err.text, "kafka is away");
    err_in(&err, "batch %d", 7);
    assert_int_equal(err.kind, ERR_RETRY);
    assert_string_equal(err.text, "batch 7: kafka is away");
    err_clear(&err);
    assert_int_equal(err.kind, ERR_NONE);
    assert_string_equal(err.text, "");
}

static void long_texts_are_cut(void **state)
{
    (void)state;
    char text[1000];
    memset(text, 'x', sizeof text);
    text[sizeof text - 1] = '\0';
    struct err err = {0};
    err_set(&err, ERR_INPUT, "%s", text);
    assert_int_equal(strlen(err.text), sizeof err.text - 1);
    err_in(&err, "ctx");
    assert_int_equal(strlen(err.text), sizeof err.text - 1);
    assert_memory_equal(err.text, "ctx: xx", 7);
    err_in(&err, "%s", text); /* no room for the old text */
    assert_int_equal(strlen(err.text), sizeof err.text - 1);
    /* Around the edge: the old text shrinks to nothing. */
    for (size_t n = sizeof err.text - 5; n < sizeof err.text + 2; n++) {
        err_set(&err, ERR_INPUT, "old");
        err_in(&err, "%.*s", (int)n, text);
        assert_in_range(strlen(err.text), sizeof err.text - 5,
                        sizeof err.text - 1);
    }
}

static void null_means_nobody_cares(void **state)
{
    (void)state;
    err_set(NULL, ERR_FATAL, "%d", 1);
    err_in(NULL, "%d", 1);
    err_clear(NULL);
    assert_string_equal(err_kind_name(ERR_NONE), "none");
    assert_string_equal(err_kind_name(ERR_INPUT), "input");
    assert_string_equal(err_kind_name(ERR_RETRY), "retry");
    assert_string_equal(err_kind_name(ERR_FATAL), "fatal");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(it_keeps_kind_and_text),
        cmocka_unit_test(long_texts_are_cut),
        cmocka_unit_test(null_means_nobody_cares),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
