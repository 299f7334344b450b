/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>

#include <cmocka.h>

#include "common/pulse/limits.h"

static struct tenant_limits defaults(void)
{
    const struct limits l = {
        .records_rate = 100,
        .records_burst = 5000,
        .bytes_rate = 200,
        .bytes_burst = 6000,
        .records_max = 10000,
        .body_bytes_max = 8 << 20,
        .labels_max = 32,
        .fields_max = 256,
        .name_bytes = 200,
        .label_name_bytes = 128,
        .label_value_bytes = 1024,
        .time_past_ms = 7 * 86400 * 1000,
        .time_future_ms = 600500, /* a part of a second is one */
    };

    return limits_defaults(&l);
}

static int64_t after(const char *json, enum limit limit)
{
    AUTO(arena) a = arena_new(4096);
    struct tenant_limits t = defaults();

    limits_override(&t, str_of(json), a);
    return t.of[limit];
}

static void test_an_object_overrides_what_it_names(void **state)
{
    static const struct {
        const char *json;
        enum limit limit;
        int64_t value;
    } cases[] = {
        {"{}", LIMIT_LABELS, 32},
        {"{\"labels\":5}", LIMIT_LABELS, 5},
        {"{\"labels\":5}", LIMIT_FIELDS, 256},
        {"{\"labels\":5.0}", LIMIT_LABELS, 5}, /* jsonb keeps the zero */
        {"{\"labels\":256}", LIMIT_LABELS, 256},
        {"{\"time_past_seconds\":86400}", LIMIT_TIME_PAST_SECONDS, 86400},
        {"{\"time_future_seconds\":0}", LIMIT_TIME_FUTURE_SECONDS, 0},
        {"{}", LIMIT_TIME_FUTURE_SECONDS, 601},
        {"{\"bytes_per_second\":1000000000000}", LIMIT_BYTES_PER_SECOND,
         1000000000000},
        {"{\"series\":5}", LIMIT_SERIES, 5},
        /* What the database would refuse does nothing. */
        {"{\"labels\":0}", LIMIT_LABELS, 32},
        {"{\"labels\":-1}", LIMIT_LABELS, 32},
        {"{\"labels\":257}", LIMIT_LABELS, 32},
        {"{\"labels\":5.5}", LIMIT_LABELS, 32},
        {"{\"labels\":1e300}", LIMIT_LABELS, 32},
        {"{\"labels\":\"5\"}", LIMIT_LABELS, 32},
        {"{\"labels\":null}", LIMIT_LABELS, 32},
        {"{\"labels\":{}}", LIMIT_LABELS, 32},
        {"{\"color\":5}", LIMIT_LABELS, 32},
        {"[]", LIMIT_LABELS, 32},
        {"5", LIMIT_LABELS, 32},
        {"{\"labels\":5", LIMIT_LABELS, 32},
        {"", LIMIT_LABELS, 32},
        /* Sizes of a request: less than the process takes, never more. */
        {"{\"records_per_request\":5}", LIMIT_RECORDS_PER_REQUEST, 5},
        {"{\"records_per_request\":20000}", LIMIT_RECORDS_PER_REQUEST, 10000},
        {"{\"body_bytes\":1024}", LIMIT_BODY_BYTES, 1024},
        {"{\"body_bytes\":1000000000}", LIMIT_BODY_BYTES, 8 << 20},
        /* A rate of one's own does not come with the others' burst. */
        {"{\"records_per_second\":7}", LIMIT_RECORDS_BURST, 0},
        {"{\"records_per_second\":7,\"records_burst\":8}", LIMIT_RECORDS_BURST,
         8},
        {"{\"records_burst\":8}", LIMIT_RECORDS_PER_SECOND, 100},
        {"{\"bytes_per_second\":7}", LIMIT_BYTES_BURST, 0},
        {"{\"bytes_per_second\":7}", LIMIT_RECORDS_BURST, 5000},
        {"{\"records_per_second\":0}", LIMIT_RECORDS_PER_SECOND, 0},
    };
    (void)state;

    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        int64_t value = after(cases[i].json, cases[i].limit);
        if (value != cases[i].value)
            fail_msg("%s: %s is %lld", cases[i].json,
                     limit_kinds[cases[i].limit].name, (long long)value);
    }
}

static void test_every_limit_has_a_name_and_a_range(void **state)
{
    (void)state;
    for (int i = 0; i < LIMIT_COUNT; i++) {
        const struct limit_kind *kind = &limit_kinds[i];
        assert_non_null(kind->name);
        assert_non_null(kind->help);
        assert_true(kind->min < kind->max);
        assert_int_equal(limit_find(str_of(kind->name)), i);
        assert_in_range(defaults().of[i], kind->min, kind->max);
    }
    assert_int_equal(limit_find(STR("color")), LIMIT_COUNT);
    assert_int_equal(limit_find(STR("")), LIMIT_COUNT);
}

static void test_rules_are_in_the_units_of_checks(void **state)
{
    struct tenant_limits t = defaults();
    struct check_rules rules = limits_rules(&t);
    (void)state;

    assert_int_equal(rules.past_us, 7 * 86400 * INT64_C(1000000));
    assert_int_equal(rules.future_us, 601000000);
    assert_int_equal(rules.labels_max, 32);
    assert_int_equal(rules.fields_max, 256);
    assert_int_equal(rules.name_max, 200);
    assert_int_equal(rules.label_name_max, 128);
    assert_int_equal(rules.label_value_max, 1024);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_an_object_overrides_what_it_names),
        cmocka_unit_test(test_every_limit_has_a_name_and_a_range),
        cmocka_unit_test(test_rules_are_in_the_units_of_checks),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
