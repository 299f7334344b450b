/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "common/json.h"
#include "tools/pulse-sim/device.h"

#define START_US INT64_C(1767225600000000)
#define S INT64_C(1000000)

static const struct fleet fleet = {
    .prefix = "sim",
    .devices = 100,
    .seed = 1,
    .skew_us = 2 * S,
    .fast = 1,
    .fast_us = 540 * S,
    .hot = 1,
    .hot_after_us = 15 * S,
    .hot_for_us = 60 * S,
    .hot_every_us = 600 * S,
    .start_us = START_US,
};

static double temperature_of(struct message m)
{
    AUTO(arena) a = arena_new(4096);
    AUTO_RELEASE(buf) text = {0};
    struct err err = {0};

    message_json(&fleet, &m, &text);
    yyjson_doc *doc = json_parse(a, buf_str(&text), &err);
    if (!doc)
        fail_msg("%s: %s", text.p, err.text);
    return yyjson_get_real(
        yyjson_ptr_get(yyjson_doc_get_root(doc), "/metrics/temperature"));
}

static void heat_comes_and_goes(void **state)
{
    static const struct {
        uint32_t device;
        int64_t after_s;
        bool hot;
    } cases[] = {
        {0, 0, false},  {0, 14, false}, {0, 15, true},
        {0, 74, true},  {0, 75, false}, {0, 614, false},
        {0, 615, true}, {1, 20, false}, {99, 20, false},
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        double t = temperature_of(
            (struct message){.device = cases[i].device,
                             .seq = 1,
                             .wall_us = START_US + cases[i].after_s * S});
        if (cases[i].hot ? t < 95 || t > 98 : t < 18 || t > 33)
            fail_msg("device %u after %lld s: %f", cases[i].device,
                     (long long)cases[i].after_s, t);
    }
}

static void same_message_same_text(void **state)
{
    struct message m = {.device = 7, .seq = 42, .wall_us = START_US + 5 * S};
    AUTO_RELEASE(buf) a = {0};
    AUTO_RELEASE(buf) b = {0};

    (void)state;
    message_json(&fleet, &m, &a);
    message_json(&fleet, &m, &b);
    assert_string_equal(a.p, b.p);
    m.seq++;
    buf_reset(&b);
    message_json(&fleet, &m, &b);
    assert_string_not_equal(a.p, b.p);
}

static void clocks(void **state)
{
    bool differ = false;
    int64_t first = 0;

    (void)state;
    for (uint32_t d = 0; d < 100; d++) {
        struct message m = {.device = d, .seq = 1, .wall_us = START_US};
        int64_t off = message_time_us(&fleet, &m) - START_US;
        if (d == 99)
            off -= 540 * S;
        assert_true(off >= -2 * S && off <= 2 * S);
        differ = differ || (d > 0 && off != first);
        first = off;
        /* A clock that is off stays off by the same. */
        m.wall_us += S;
        m.seq++;
        assert_int_equal(message_time_us(&fleet, &m) - m.wall_us,
                         off + (d == 99 ? 540 * S : 0));
    }
    assert_true(differ);
}

static void names(void **state)
{
    static const struct {
        uint32_t device;
        const char *name;
    } cases[] = {{0, "sim-00001"}, {99998, "sim-99999"}, {99999, "sim-100000"}};

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        AUTO_RELEASE(buf) out = {0};
        struct message m = {.device = cases[i].device};
        message_device_id(&fleet, &m, &out);
        assert_string_equal(out.p, cases[i].name);
    }
}

static void whole_numbers(void **state)
{
    static const struct {
        int64_t n;
        const char *text;
    } cases[] = {{0, "0"},
                 {-7, "-7"},
                 {INT64_MAX, "9223372036854775807"},
                 {INT64_MIN, "-9223372036854775808"}};

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        AUTO_RELEASE(buf) out = {0};
        put_int(&out, cases[i].n);
        assert_string_equal(out.p, cases[i].text);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(heat_comes_and_goes),
        cmocka_unit_test(same_message_same_text),
        cmocka_unit_test(clocks),
        cmocka_unit_test(names),
        cmocka_unit_test(whole_numbers),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
