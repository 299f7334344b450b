/* SPDX-License-Identifier: Apache-2.0 */
/* Random records, good ones and bad ones, through our codec and through
 * libavro: the same are refused, the others give the same bytes, and come back
 * the same. PULSE_SEED repeats a run. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <math.h>
#include <string.h>

#include "tests/prop/random.h"
#include "tests/unit/record_oracle.h"

enum { RECORDS = 20000, ITEMS_MAX = 300 };

static struct arena *arena;

/* Mostly short; now and then empty, long, with a NUL or not UTF-8. */
static struct str some_text(void)
{
    static const struct str odd[] = {
        {"", 0},
        {"\xc3\xa4\xe2\x82\xac\xf0\x9f\x98\x80", 9},
        {"a\0b", 3},
        {"\xff", 1},
        {"12345678\xed\xa0\x80", 11}};
    if (chance(2))
        return odd[below(ARRAY_LEN(odd))];
    size_t n = (size_t)(chance(3) ? below(3000) : below(20));
    char *p = arena_alloc(arena, n + 1);
    for (size_t i = 0; i < n; i++)
        p[i] = (char)(' ' + below(95));
    return (struct str){p, n};
}

static struct str some_id(void)
{
    struct str s = some_text();
    return s.n > 0 || chance(3) ? s : STR("x");
}

static struct str maybe_text(void)
{
    return chance(50) ? some_text() : (struct str){0};
}

/* Numbers of every length. */
static int64_t some_long(void)
{
    return (int64_t)(random_next() >> below(64)) * (chance(50) ? 1 : -1);
}

static double some_real(void)
{
    if (chance(1))
        return chance(50) ? NAN : -INFINITY;
    return chance(20) ? 0.0 : ldexp((double)some_long(), (int)below(900) - 500);
}

/* How many items a list has: mostly few. */
static size_t some_count(void)
{
    return (size_t)(chance(3) ? below(ITEMS_MAX) : below(8));
}

/* From so few that some come twice, or from so many that none does. */
static struct str some_name(size_t i, bool few)
{
    return few ? arena_printf(arena, "n%d", (int)below(40))
               : arena_printf(arena, "name-%zu", i);
}

static struct record some_metric(void)
{
    struct record r = {.kind = RECORD_METRIC,
                       .metric = {.tenant_id = some_id(),
                                  .name = some_id(),
                                  .label_count = some_count(),
                                  .value = some_real(),
                                  .time_us = some_long(),
                                  .received_at_us = some_long(),
                                  .source = maybe_text()}};
    bool few = chance(5);
    size_t count = r.metric.label_count;
    struct label *labels = arena_alloc(arena, (count + 1) * sizeof *labels);
    for (size_t i = 0; i < count; i++)
        labels[i] = (struct label){some_name(i, few), some_text()};
    bool unique = chance(10) || labels_sort(labels, count);
    (void)unique;
    r.metric.labels = labels;
    return r;
}

static struct field some_field(size_t i, bool few)
{
    struct field f = {.name = some_name(i, few),
                      .type = (enum field_type)below(FIELD_TEXT + 1)};
    switch (f.type) {
    case FIELD_REAL:
        f.real = chance(95) ? 1.5 : some_real();
        break;
    case FIELD_INTEGER:
        f.integer = some_long();
        break;
    case FIELD_BOOLEAN:
        f.boolean = chance(50);
        break;
    case FIELD_TEXT:
        f.text = some_text();
        break;
    }
    return f;
}

static struct record some_telemetry(void)
{
    struct record r = {.kind = RECORD_TELEMETRY,
                       .telemetry = {.tenant_id = some_id(),
                                     .device_id = some_id(),
                                     .site_id = maybe_text(),
                                     .msg_type = some_text(),
                                     .seq = some_long(),
                                     .time_us = some_long(),
                                     .received_at_us = some_long(),
                                     .metric_count = some_count()}};
    bool few = chance(20);
    size_t count = r.telemetry.metric_count;
    struct field *fields = arena_alloc(arena, (count + 1) * sizeof *fields);
    for (size_t i = 0; i < count; i++)
        fields[i] = some_field(i, few);
    r.telemetry.metrics = fields;
    return r;
}

static struct record some_event(void)
{
    return (struct record){
        .kind = RECORD_EVENT,
        .event = {.tenant_id = some_id(),
                  .id = some_id(),
                  .kind = chance(50) ? EVENT_LOG : EVENT_EVENT,
                  .level = maybe_text(),
                  .service = maybe_text(),
                  .message = maybe_text(),
                  .attributes = STR("{\"a\":[1]}"),
                  .time_us = some_long(),
                  .received_at_us = some_long()}};
}

static struct record some_dead_letter(void)
{
    return (struct record){.kind = RECORD_DEAD_LETTER,
                           .dead_letter = {.tenant_id = maybe_text(),
                                           .stage = some_text(),
                                           .endpoint = maybe_text(),
                                           .key_id = maybe_text(),
                                           .device_id = maybe_text(),
                                           .reason = some_text(),
                                           .detail = some_text(),
                                           .content_type = some_text(),
                                           .payload = some_text(),
                                           .topic = maybe_text(),
                                           .part = (int32_t)some_long(),
                                           .offset = some_long(),
                                           .received_at_us = some_long(),
                                           .failed_at_us = some_long()}};
}

static struct record some_record(void)
{
    static struct record (*const makers[])(void) = {
        some_metric, some_telemetry, some_event, some_dead_letter};
    return makers[below(ARRAY_LEN(makers))]();
}

static void test_codec_agrees_with_libavro(void **state)
{
    AUTO(record_codec) codec = record_codec_new(NULL);
    AUTO(oracle) oracle = oracle_new();
    AUTO_RELEASE(buf) message = {0};
    int64_t good = 0, count = random_count(RECORDS);
    (void)state;
    random_begin("record");
    arena = arena_new(64 * 1024);
    for (int64_t i = 0; i < count; i++) {
        struct record r = some_record();
        struct err err;
        buf_reset(&message);
        oracle_compare_encoding(oracle, codec, &r);
        if (record_encode(codec, &r, &message, &err)) {
            oracle_compare(oracle, codec, buf_str(&message), arena);
            good++;
        }
        arena_reset(arena);
    }
    arena_free(arena);
    assert_true(good > count / 2 && good < count);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_codec_agrees_with_libavro),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
