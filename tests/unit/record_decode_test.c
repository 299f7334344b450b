/* SPDX-License-Identifier: Apache-2.0 */
/* Decoding against libavro, and what only it promises. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>

#include <cmocka.h>

#include <math.h>
#include <string.h>

#include "tests/unit/record_oracle.h"
#include "tests/unit/record_samples.h"

struct fixture {
    struct record_codec *codec;
    struct oracle *oracle;
    struct arena *arena;
};

static int set_up(void **state)
{
    struct fixture *f = xcalloc(1, sizeof *f);
    f->codec = record_codec_new(NULL);
    f->oracle = oracle_new();
    f->arena = arena_new(4096);
    *state = f;
    return f->codec == NULL;
}

static int tear_down(void **state)
{
    struct fixture *f = *state;
    record_codec_free(f->codec);
    oracle_free(f->oracle);
    arena_free(f->arena);
    free(f);
    return 0;
}

static uint64_t next_random(uint64_t *seed)
{
    *seed ^= *seed << 13;
    *seed ^= *seed >> 7;
    *seed ^= *seed << 17;
    return *seed;
}

/* Copied to a place of exactly its size, so that ASan sees a read beyond. */
static void compare(struct fixture *f, struct str message)
{
    char *bytes = xmalloc(message.n);
    memcpy(bytes, message.p, message.n);
    oracle_compare(f->oracle, f->codec, (struct str){bytes, message.n},
                   f->arena);
    arena_reset(f->arena);
    free(bytes);
}

/* One to three bytes are other ones, or it is cut, or a piece comes twice. */
static void spoil(struct buf *b, uint64_t *seed)
{
    size_t at = 10 + next_random(seed) % (b->n - 10);
    switch (next_random(seed) % 4) {
    case 0:
        b->n = at;
        break;
    case 1:
        buf_reserve(b, b->n);
        buf_add(b, b->p + at, b->n - at);
        break;
    default:
        for (size_t i = 0; i < 1 + *seed % 3; i++)
            b->p[10 + next_random(seed) % (b->n - 10)] =
                (char)(next_random(seed) >> 16);
    }
}

static void test_decodes_as_libavro_does(void **state)
{
    struct fixture *f = *state;
    const struct record good[] = {metric(), telemetry(), event(),
                                  dead_letter()};
    uint64_t seed = UINT64_C(0x5eed);
    for (size_t i = 0; i < 8000; i++) {
        AUTO_RELEASE(buf) message = {0};
        struct err err;
        assert_true(record_encode(f->codec, &good[i % ARRAY_LEN(good)],
                                  &message, &err));
        compare(f, buf_str(&message));
        spoil(&message, &seed);
        if (message.n > 10)
            compare(f, buf_str(&message));
    }
}

/* A message of telemetry with these bytes for its metrics. */
static void with_metrics(struct fixture *f, struct str map, struct buf *out)
{
    struct err err;
    struct record r = telemetry();
    r.telemetry.metric_count = 0;
    assert_true(record_encode(f->codec, &r, out, &err));
    out->n--; /* the empty map's 0 */
    buf_add_str(out, map);
}

/* {"a":1,"b":true,"a":"x"} and the like: the first place, the last value; few
 * names and many take two ways. */
static void test_repeated_names_of_readings(void **state)
{
    struct fixture *f = *state;
    AUTO_RELEASE(buf) few = {0};
    AUTO_RELEASE(buf) many = {0};
    AUTO_RELEASE(buf) map = {0};
    struct record r;
    struct err err;
    with_metrics(f, STR("\6\2a\2\2\2b\4\1\2a\6\2x\0"), &few);
    compare(f, buf_str(&few));
    assert_true(record_decode(f->codec, buf_str(&few), f->arena, &r, &err));
    assert_int_equal(r.telemetry.metric_count, 2);
    assert_true(str_is(r.telemetry.metrics[0].text, "x"));
    for (int i = 0; i < 60; i++) { /* blocks of one, 20 names */
        buf_add(&map, "\2\2", 2);
        buf_add_char(&map, (char)('a' + i * 7 % 20));
        buf_add_char(&map, 2);
        buf_add_char(&map, (char)(2 * i));
    }
    buf_add_char(&map, 0);
    with_metrics(f, buf_str(&map), &many);
    compare(f, buf_str(&many));
    assert_true(record_decode(f->codec, buf_str(&many), f->arena, &r, &err));
    assert_int_equal(r.telemetry.metric_count, 20);
    assert_int_equal(r.telemetry.metrics[0].integer, 40);
}

/* What is dropped is judged too, and needs no room. */
static void test_repeated_names_are_written_as_libavro_does(void **state)
{
    struct fixture *f = *state;
    size_t n = 300000;
    char *big = memset(xmalloc(n), 'x', n);
    const struct label twice[] = {{STR("b"), STR("")},
                                  {STR("a"), STR("1")},
                                  {STR("b"), {big, n}},
                                  {STR("b"), {big, n - 1}}};
    const struct label bad[] = {{STR("b"), STR("\xff")}, {STR("b"), STR("")}};
    const struct field fields_twice[] = {
        {.name = STR("b"), .type = FIELD_INTEGER, .integer = 1},
        {.name = STR("b"), .type = FIELD_TEXT, .text = {big, n}},
        {.name = STR("a"), .type = FIELD_REAL, .real = 1},
        {.name = STR("b"), .type = FIELD_TEXT, .text = {big, n - 1}}};
    const struct field bad_fields[] = {
        {.name = STR("b"), .type = FIELD_REAL, .real = INFINITY},
        {.name = STR("b"), .type = FIELD_INTEGER, .integer = 1}};
    struct record r = metric();
    r.metric.labels = twice;
    r.metric.label_count = ARRAY_LEN(twice);
    oracle_compare_encoding(f->oracle, f->codec, &r);
    r.metric.labels = bad;
    r.metric.label_count = ARRAY_LEN(bad);
    oracle_compare_encoding(f->oracle, f->codec, &r);
    r = telemetry();
    r.telemetry.metrics = fields_twice;
    r.telemetry.metric_count = ARRAY_LEN(fields_twice);
    oracle_compare_encoding(f->oracle, f->codec, &r);
    r.telemetry.metrics = bad_fields;
    r.telemetry.metric_count = ARRAY_LEN(bad_fields);
    oracle_compare_encoding(f->oracle, f->codec, &r);
    free(big);
}

static void test_series_bytes_tell_series_apart(void **state)
{
    struct fixture *f = *state;
    struct record one = metric(), other = metric(), r;
    AUTO_RELEASE(buf) a = {0};
    AUTO_RELEASE(buf) b = {0};
    struct err err;
    other.metric.value = 7;
    other.metric.time_us++;
    assert_true(record_encode(f->codec, &one, &a, &err));
    assert_true(record_encode(f->codec, &other, &b, &err));
    assert_true(record_decode(f->codec, buf_str(&a), f->arena, &one, &err));
    assert_true(record_decode(f->codec, buf_str(&b), f->arena, &other, &err));
    assert_true(str_eq(one.metric.series, other.metric.series));
    r = metric();
    r.metric.label_count = 1;
    buf_reset(&b);
    assert_true(record_encode(f->codec, &r, &b, &err));
    assert_true(record_decode(f->codec, buf_str(&b), f->arena, &r, &err));
    assert_false(str_eq(one.metric.series, r.metric.series));
    r = metric();
    r.metric.source = STR("probe");
    buf_reset(&b);
    assert_true(record_encode(f->codec, &r, &b, &err));
    assert_true(record_decode(f->codec, buf_str(&b), f->arena, &r, &err));
    assert_null(r.metric.series.p);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_decodes_as_libavro_does),
        TEST(test_repeated_names_of_readings),
        TEST(test_repeated_names_are_written_as_libavro_does),
        TEST(test_series_bytes_tell_series_apart),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
