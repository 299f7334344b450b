/* SPDX-License-Identifier: Apache-2.0 */
#include "common/pulse/protocol/telemetry_json.h"

#include "tests/unit/judge.h"

#define D "{\"device_id\":\"d\","

static void verdicts(void **state)
{
    static const struct judge_case cases[] = {
        {D "\"metrics\":{}}", "none", NULL},
        {D "\"metrics\":{\"t\":1,\"u\":1.5,\"v\":true,\"w\":\"\"}}", "none",
         NULL},
        {"{\"metrics\":{}}", "missing_field", "device_id"},
        {"{\"device_id\":\"\",\"metrics\":{}}", "empty_text", "device_id"},
        {"{\"device_id\":1,\"metrics\":{}}", "wrong_type", "device_id"},
        {D "\"device_id\":\"d\",\"metrics\":{}}", "duplicate_key", "device_id"},
        {D "\"seq\":1}", "missing_field", "metrics"},
        {D "\"metrics\":[1]}", "wrong_type", "metrics"},
        {D "\"metrics\":{\"t\":null}}", "wrong_type", "metrics.t"},
        {D "\"metrics\":{\"t\":[1]}}", "wrong_type", "metrics.t"},
        {D "\"metrics\":{\"t\":{}}}", "wrong_type", "metrics.t"},
        {D "\"metrics\":{\"\":1}}", "empty_text", "metrics."},
        {D "\"metrics\":{\"t\\u0000\":1}}", "nul_character", NULL},
        {D "\"metrics\":{\"t\":\"\\u0000\"}}", "nul_character", "metrics.t"},
        {D "\"metrics\":{\"t\":1,\"t\":1}}", "duplicate_key", "t"},
        {D "\"metrics\":{\"a\":1,\"b\":1,\"c\":1,\"d\":1,\"e\":1}}",
         "too_many_fields", "metrics"},
        {D "\"seq\":1.5,\"metrics\":{}}", "wrong_type", "seq"},
        {D "\"seq\":\"1\",\"metrics\":{}}", "wrong_type", "seq"},
        {D "\"seq\":9223372036854775808,\"metrics\":{}}", "wrong_type", "seq"},
        {D "\"seq\":-9223372036854775808,\"metrics\":{}}", "none", NULL},
        {D "\"site_id\":7,\"metrics\":{}}", "wrong_type", "site_id"},
        {D "\"msg_type\":\"\",\"metrics\":{}}", "empty_text", "msg_type"},
        {D "\"time\":\"2026-01-01\",\"metrics\":{}}", "invalid_time", "time"},
        {D "\"time\":1,\"metrics\":{}}", "time_too_old", "time"},
        {D "\"timestamp\":1767225600.25,\"metrics\":{}}", "none", NULL},
    };

    (void)state;
    judge_all(telemetry_json_parse, NULL, cases, ARRAY_LEN(cases));
}

static void numbers_stay_what_they_are(void **state)
{
    AUTO(judge) j = judge_new(NULL);
    struct record r;

    (void)state;
    j->rules.fields_max = 16;
    assert_string_equal(
        judge_code(j, telemetry_json_parse,
                   STR(D "\"seq\":7,\"metrics\":{\"a\":9223372036854775807,"
                         "\"b\":-9223372036854775808,"
                         "\"c\":9223372036854775808,\"d\":2.0,\"e\":false,"
                         "\"f\":\"on\"}}"),
                   &r),
        "none");
    const struct field *f = r.telemetry.metrics;
    assert_int_equal(r.telemetry.seq, 7);
    assert_int_equal(r.telemetry.metric_count, 6);
    assert_int_equal(f[0].type, FIELD_INTEGER);
    assert_true(f[0].integer == INT64_MAX);
    assert_int_equal(f[1].type, FIELD_INTEGER);
    assert_true(f[1].integer == INT64_MIN);
    assert_int_equal(f[2].type, FIELD_REAL); /* beyond 64 bits signed */
    assert_true(f[2].real == 9223372036854775808.0);
    assert_int_equal(f[3].type, FIELD_REAL);
    assert_int_equal(f[4].type, FIELD_BOOLEAN);
    assert_false(f[4].boolean);
    assert_int_equal(f[5].type, FIELD_TEXT);
    assert_str(f[5].text, "on");
}

static void defaults(void **state)
{
    AUTO(judge) j = judge_new(NULL);
    struct record r;

    (void)state;
    judge_code(j, telemetry_json_parse, STR(D "\"metrics\":{}}"), &r);
    assert_str(r.telemetry.msg_type, "telemetry");
    assert_int_equal(r.telemetry.seq, 0);
    assert_null(r.telemetry.site_id.p);
    assert_true(r.telemetry.time_us == CHECK_NO_TIME);
}

static void device_bound_key(void **state)
{
    static const struct judge_case cases[] = {
        {"{\"device_id\":\"d1\",\"metrics\":{}}", "none", NULL},
        {"{\"device_id\":\"d2\",\"metrics\":{}}", "device_mismatch",
         "device_id"},
        {"{\"device_id\":\"d1 \",\"metrics\":{}}", "device_mismatch", NULL},
    };
    AUTO(judge) j = judge_new("d1");
    struct record r;

    (void)state;
    judge_all(telemetry_json_parse, "d1", cases, ARRAY_LEN(cases));
    judge_code(j, telemetry_json_parse, STR("{\"metrics\":{}}"), &r);
    assert_str(r.telemetry.device_id, "d1");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(verdicts),
        cmocka_unit_test(numbers_stay_what_they_are),
        cmocka_unit_test(defaults),
        cmocka_unit_test(device_bound_key),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
