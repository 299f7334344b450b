/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>

#include <cmocka.h>

#include "common/pg.h"

static struct pg *nowhere(void)
{
    return pg_new(
        &(struct pg_options){.url = "postgresql://nobody@127.0.0.1:1/none",
                             .application = "test",
                             .connect_timeout_ms = 2000});
}

static void test_an_absent_server_is_a_case_for_retry(void **state)
{
    (void)state;
    AUTO(pg) pg = nowhere();
    struct err err;
    assert_false(pg_connect(pg, &err));
    assert_int_equal(err.kind, ERR_RETRY);
    assert_false(pg_connected(pg));
    assert_int_equal(pg_socket(pg), -1);
    assert_int_equal(pg_generation(pg), 0);
}

/* LeakSanitizer sees whether the arrays are freed. */
static void test_without_a_connection_parameters_are_freed(void **state)
{
    (void)state;
    AUTO(pg) pg = nowhere();
    const struct str texts[] = {STR("a"), {NULL, 0}};
    struct pg_params p = {.count = 0};
    struct err err;
    pg_text_array(&p, texts, ARRAY_LEN(texts));
    pg_jsonb(&p, STR("{}"));
    assert_false(pg_do(pg, "SELECT $1, $2", &p, NULL, &err));
    assert_int_equal(err.kind, ERR_RETRY);
    assert_int_equal(p.count, 0);
    assert_false(pg_begin(pg, &err));
    assert_false(pg_notified(pg, NULL));
    pg_rollback(pg);
    pg_cancel(pg);
}

/* A statement that is never run still ends. */
static void finish(struct pg_params *p)
{
    AUTO(pg) pg = nowhere();
    assert_false(pg_do(pg, "", p, NULL, NULL));
}

static void expect(const struct pg_params *p, int at, const char *bytes,
                   size_t n)
{
    assert_int_equal(p->lengths[at], n);
    assert_memory_equal(p->values[at], bytes, n);
}
#define EXPECT(p, at, bytes) expect(&(p), (at), (bytes), sizeof(bytes) - 1)

static void test_scalars(void **state)
{
    (void)state;
    struct pg_params p = {.count = 0};
    pg_i32(&p, -1);
    pg_i64(&p, 1);
    pg_f64(&p, -2);
    pg_bool(&p, true);
    pg_time(&p, INT64_C(946684800000000));
    pg_text(&p, (struct str){NULL, 0});
    pg_text_opt(&p, (struct str){NULL, 0});
    pg_jsonb(&p, STR("[]"));
    EXPECT(p, 0, "\377\377\377\377");
    EXPECT(p, 1, "\0\0\0\0\0\0\0\1");
    EXPECT(p, 2, "\300\0\0\0\0\0\0\0");
    EXPECT(p, 3, "\1");
    EXPECT(p, 4, "\0\0\0\0\0\0\0\0");
    assert_non_null(p.values[5]); /* an empty text is no NULL */
    assert_null(p.values[6]);
    EXPECT(p, 7, "\1[]");
    finish(&p);
}

static void test_arrays(void **state)
{
    (void)state;
    const struct str texts[] = {STR("x"), {NULL, 0}};
    const int32_t parts[] = {3};
    struct pg_params p = {.count = 0};
    pg_text_array(&p, texts, 2);
    pg_i32_array(&p, parts, 1);
    pg_i64_array(&p, NULL, 0);
    EXPECT(p, 0,
           "\0\0\0\1\0\0\0\1\0\0\0\31\0\0\0\2\0\0\0\1" /* 1 dim, nulls, text */
           "\0\0\0\1x\377\377\377\377");
    EXPECT(p, 1,
           "\0\0\0\1\0\0\0\0\0\0\0\27\0\0\0\1\0\0\0\1"
           "\0\0\0\4\0\0\0\3");
    EXPECT(p, 2, "\0\0\0\0\0\0\0\0\0\0\0\24"); /* no dimension */
    finish(&p);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_an_absent_server_is_a_case_for_retry),
        cmocka_unit_test(test_without_a_connection_parameters_are_freed),
        cmocka_unit_test(test_scalars),
        cmocka_unit_test(test_arrays),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
