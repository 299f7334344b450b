/* SPDX-License-Identifier: Apache-2.0 */
/* Random rows through the COPY encoder into a real PostgreSQL, and back. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <math.h>
#include <string.h>

#include "common/arena.h"
#include "common/json.h"
#include "common/pgcopy.h"
#include "tests/prop/random.h"

enum { ROWS = 400 };

struct row {
    struct str text, optional, json; /* json: the text inside the object */
    int32_t i32;
    int64_t i64, time_us;
    double f64;
    bool null; /* the last column; else it holds i32 */
};

static struct pg *pg;
static struct arena *arena;
static struct row rows[ROWS];

/* ---- random values, the odd ones often ---- */

static size_t put_utf8(char *to, uint32_t c)
{
    if (c < 0x80) {
        to[0] = (char)c;
        return 1;
    }
    if (c < 0x800) {
        to[0] = (char)(0xc0 | c >> 6);
        to[1] = (char)(0x80 | (c & 0x3f));
        return 2;
    }
    if (c < 0x10000) {
        to[0] = (char)(0xe0 | c >> 12);
        to[1] = (char)(0x80 | (c >> 6 & 0x3f));
        to[2] = (char)(0x80 | (c & 0x3f));
        return 3;
    }
    to[0] = (char)(0xf0 | c >> 18);
    to[1] = (char)(0x80 | (c >> 12 & 0x3f));
    to[2] = (char)(0x80 | (c >> 6 & 0x3f));
    to[3] = (char)(0x80 | (c & 0x3f));
    return 4;
}

static uint32_t random_char(void)
{
    static const uint32_t most[] = {0x7f, 0x7ff, 0xffff, 0x10ffff};
    uint32_t c = 1 + (uint32_t)below(most[below(4)]);
    return c >= 0xd800 && c < 0xe000 ? '\\' : c; /* no surrogates */
}

static struct str random_text(void)
{
    int64_t chars = chance(10)  ? 0
                    : chance(2) ? below(60000)
                                : below(100); /* over a CopyData message */
    char *to = arena_alloc(arena, (size_t)chars * 4 + 1);
    size_t n = 0;
    for (int64_t i = 0; i < chars; i++)
        n += put_utf8(to + n, random_char());
    return (struct str){to, n};
}

static int64_t random_int(int64_t least, int64_t most)
{
    switch (below(6)) {
    case 0:
        return least;
    case 1:
        return most;
    case 2:
        return 0;
    case 3:
        return -1;
    default:
        return (int64_t)((uint64_t)least +
                         random_next() % ((uint64_t)most - (uint64_t)least));
    }
}

static double random_real(void)
{
    static const double odd[] = {0.0,      -0.0,      5e-324,
                                 INFINITY, -INFINITY, 1.7976931348623157e308,
                                 0.1,      NAN};
    if (chance(50))
        return odd[below(ARRAY_LEN(odd))];
    uint64_t bits = random_next();
    double v;
    memcpy(&v, &bits, sizeof v);
    return v;
}

static struct row random_row(void)
{
    /* From 4713 BC is what timestamptz holds. */
    return (struct row){
        .text = random_text(),
        .optional = chance(30) ? (struct str){NULL, 0} : random_text(),
        .json = random_text(),
        .i32 = (int32_t)random_int(INT32_MIN, INT32_MAX),
        .i64 = random_int(INT64_MIN, INT64_MAX),
        .f64 = random_real(),
        .time_us = random_int(INT64_C(-210866803200000000), INT64_MAX),
        .null = chance(50)};
}

/* ---- there and back ---- */

static void put(struct pgcopy *c, int32_t n, const struct row *r)
{
    AUTO_RELEASE(buf) json = {0};
    buf_add_str(&json, STR("{\"k\":"));
    json_add_str(&json, r->json);
    buf_add_char(&json, '}');
    pgcopy_row(c, 9);
    pgcopy_i32(c, n);
    pgcopy_text(c, r->text);
    pgcopy_text_opt(c, r->optional);
    pgcopy_jsonb(c, buf_str(&json));
    pgcopy_i32(c, r->i32);
    pgcopy_i64(c, r->i64);
    pgcopy_f64(c, r->f64);
    pgcopy_time(c, r->time_us);
    if (r->null)
        pgcopy_null(c);
    else
        pgcopy_i32(c, r->i32);
}

static bool same_real(double a, double b)
{
    uint64_t x, y; /* 0 and -0 are two */
    memcpy(&x, &a, sizeof x);
    memcpy(&y, &b, sizeof y);
    return isnan(a) ? isnan(b) : x == y;
}

static void compare(const struct pg_result *r, int i, const struct row *want)
{
    assert_int_equal(pg_get_i64(r, i, 0), i);
    assert_true(str_eq(pg_get_str(r, i, 1), want->text));
    assert_int_equal(pg_is_null(r, i, 2), want->optional.p == NULL);
    if (want->optional.p != NULL)
        assert_true(str_eq(pg_get_str(r, i, 2), want->optional));
    assert_true(str_eq(pg_get_str(r, i, 3), want->json));
    assert_int_equal(pg_get_i64(r, i, 4), want->i32);
    assert_true(pg_get_i64(r, i, 5) == want->i64);
    assert_true(same_real(pg_get_f64(r, i, 6), want->f64));
    assert_true(pg_get_time(r, i, 7) == want->time_us);
    assert_int_equal(pg_is_null(r, i, 8), want->null);
}

static void copy_and_compare(int count)
{
    struct err err;
    AUTO_RELEASE(pgcopy) c = {0};
    int64_t counted = -1;
    for (int i = 0; i < count; i++)
        rows[i] = random_row();
    if (!pg_script(pg, "TRUNCATE there", &err) ||
        !pgcopy_begin(&c, pg, "COPY there FROM STDIN (FORMAT binary)", &err))
        fail_msg("%s", err.text);
    for (int i = 0; i < count; i++)
        put(&c, i, &rows[i]);
    if (!pgcopy_end(&c, &counted, &err))
        fail_msg("%s", err.text);
    assert_int_equal(counted, count);
    AUTO(pg_result) r = pg_run(pg,
                               "SELECT n, t, o, j->>'k', i, l, d, w, e"
                               " FROM there ORDER BY n",
                               NULL, &err);
    if (r == NULL)
        fail_msg("%s", err.text);
    assert_int_equal(pg_rows(r), count);
    for (int i = 0; i < count; i++)
        compare(r, i, &rows[i]);
    arena_reset(arena);
}

static void test_rows_come_back_equal(void **state)
{
    (void)state;
    random_begin("rows_come_back_equal");
    copy_and_compare(0);
    for (int64_t i = random_count(10); i > 0; i--)
        copy_and_compare((int)(chance(20) ? 1 : 1 + below(ROWS)));
}

/* A COPY that the server refuses leaves a connection one can go on with. */
static void test_a_refused_copy_leaves_the_connection(void **state)
{
    (void)state;
    random_begin("a_refused_copy_leaves_the_connection");
    for (int64_t i = random_count(5); i > 0; i--) {
        struct err err;
        AUTO_RELEASE(pgcopy) c = {0};
        struct row bad = random_row();
        bad.text = STR("\xff");
        assert_true(pgcopy_begin(
            &c, pg, "COPY there FROM STDIN (FORMAT binary)", &err));
        int before = (int)below(50);
        for (int n = 0; n < before; n++)
            put(&c, n, &bad);
        put(&c, before, &bad);
        assert_false(pgcopy_end(&c, NULL, &err));
        assert_int_equal(err.kind, ERR_INPUT);
        assert_string_equal(pg_sqlstate(pg), "22021");
        copy_and_compare(20);
    }
}

static int set_up(void **state)
{
    struct err err;
    const char *url = getenv("PULSE_PROP_WRITER");
    (void)state;
    if (url == NULL)
        fail_msg("PULSE_PROP_WRITER is not set: make prop");
    arena = arena_new(65536);
    pg = pg_new(&(struct pg_options){
        .url = url, .application = "prop", .connect_timeout_ms = 10000});
    if (!pg_connect(pg, &err) ||
        !pg_script(pg,
                   "CREATE TEMPORARY TABLE there (n int4, t text, o text,"
                   " j jsonb, i int4, l int8, d float8, w timestamptz, e int4)",
                   &err))
        fail_msg("%s", err.text);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    pg_free(pg);
    arena_free(arena);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_rows_come_back_equal),
        cmocka_unit_test(test_a_refused_copy_leaves_the_connection),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
