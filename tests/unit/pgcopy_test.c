/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>

#include <cmocka.h>

#include "common/pgcopy.h"

/* What a field or row looks like on the wire: PostgreSQL 17, COPY, "Binary
 * Format". No connection: small rows stay in the buffer. */
static void expect(struct pgcopy *c, const char *bytes, size_t n)
{
    assert_int_equal(c->out.n, n);
    assert_memory_equal(c->out.p, bytes, n);
    pgcopy_release(c);
}
#define EXPECT(c, bytes) expect(&(c), (bytes), sizeof(bytes) - 1)

static void test_fields(void **state)
{
    (void)state;
    struct pgcopy c = {0};
    pgcopy_row(&c, 7);
    EXPECT(c, "\0\7");
    pgcopy_text(&c, STR("ab"));
    EXPECT(c, "\0\0\0\2ab");
    pgcopy_text(&c, (struct str){NULL, 0});
    EXPECT(c, "\0\0\0\0");
    pgcopy_text_opt(&c, (struct str){NULL, 0});
    EXPECT(c, "\377\377\377\377");
    pgcopy_text_opt(&c, STR(""));
    EXPECT(c, "\0\0\0\0");
    pgcopy_null(&c);
    EXPECT(c, "\377\377\377\377");
    pgcopy_jsonb(&c, STR("{}"));
    EXPECT(c, "\0\0\0\3\1{}");
    pgcopy_i32(&c, -2);
    EXPECT(c, "\0\0\0\4\377\377\377\376");
    pgcopy_i64(&c, 258);
    EXPECT(c, "\0\0\0\10\0\0\0\0\0\0\1\2");
    pgcopy_f64(&c, 1.5);
    EXPECT(c, "\0\0\0\10\77\370\0\0\0\0\0\0");
}

static void test_times_count_from_2000(void **state)
{
    (void)state;
    struct pgcopy c = {0};
    pgcopy_time(&c, INT64_C(946684800000001));
    EXPECT(c, "\0\0\0\10\0\0\0\0\0\0\0\1");
    pgcopy_time(&c, INT64_C(946684799999999));
    EXPECT(c, "\0\0\0\10\377\377\377\377\377\377\377\377");
    /* -infinity, not an overflow */
    pgcopy_time(&c, INT64_MIN);
    EXPECT(c, "\0\0\0\10\200\0\0\0\0\0\0\0");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_fields),
        cmocka_unit_test(test_times_count_from_2000),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
