/* SPDX-License-Identifier: Apache-2.0 */
#include "common/pulse/protocol/metric_json.h"

#include "tests/unit/judge.h"

static void verdicts(void **state)
{
    static const struct judge_case cases[] = {
        {"{\"name\":\"a\",\"value\":1}", "none", NULL},
        {"{\"name\":\"a\",\"value\":-0.5,\"labels\":{},\"source\":null,"
         "\"timestamp\":null}",
         "none", NULL},
        {"{\"name\":\"a\",\"value\":1,\"unit\":\"V\"}", "none", NULL},
        {"{\"name\":\"a\",\"value\":18446744073709551615}", "none", NULL},
        {"[]", "wrong_type", NULL},
        {"7", "wrong_type", NULL},
        {"{\"value\":1}", "missing_field", "name"},
        {"{\"name\":null,\"value\":1}", "missing_field", "name"},
        {"{\"name\":\"\",\"value\":1}", "empty_text", "name"},
        {"{\"name\":7,\"value\":1}", "wrong_type", "name"},
        {"{\"name\":\"a\\u0000b\",\"value\":1}", "nul_character", "name"},
        {"{\"name\":\"a\"}", "missing_field", "value"},
        {"{\"name\":\"a\",\"value\":\"1\"}", "wrong_type", "value"},
        {"{\"name\":\"a\",\"value\":\"NaN\"}", "wrong_type", "value"},
        {"{\"name\":\"a\",\"value\":true}", "wrong_type", "value"},
        {"{\"name\":\"a\",\"value\":1,\"value\":2}", "duplicate_key", "value"},
        {"{\"name\":\"a\",\"value\":1,\"labels\":[]}", "wrong_type", "labels"},
        {"{\"name\":\"a\",\"value\":1,\"labels\":{\"h\":1}}", "wrong_type",
         "labels.h"},
        {"{\"name\":\"a\",\"value\":1,\"labels\":{\"\":\"x\"}}", "empty_text",
         "labels."},
        {"{\"name\":\"a\",\"value\":1,\"labels\":{\"h\":\"\"}}", "empty_text",
         "labels.h"},
        {"{\"name\":\"a\",\"value\":1,\"labels\":{\"h\":\"x\\u0000\"}}",
         "nul_character", "labels.h"},
        {"{\"name\":\"a\",\"value\":1,\"labels\":{\"h\":\"x\",\"h\":\"y\"}}",
         "duplicate_key", "h"},
        {"{\"name\":\"a\",\"value\":1,\"labels\":{\"a\":\"1\",\"b\":\"1\","
         "\"c\":\"1\",\"d\":\"1\"}}",
         "none", NULL},
        {"{\"name\":\"a\",\"value\":1,\"source\":\"s\",\"labels\":{\"a\":\"1\","
         "\"b\":\"1\",\"c\":\"1\",\"d\":\"1\"}}",
         "too_many_labels", "labels"},
        {"{\"name\":\"a\",\"value\":1,\"timestamp\":\"yesterday\"}",
         "invalid_time", "timestamp"},
        {"{\"name\":\"a\",\"value\":1,\"timestamp\":true}", "invalid_time",
         "timestamp"},
        {"{\"name\":\"a\",\"value\":1,\"timestamp\":-1}", "invalid_time",
         "timestamp"},
        {"{\"name\":\"a\",\"value\":1,\"timestamp\":18446744073709551615}",
         "invalid_time", "timestamp"},
        {"{\"name\":\"a\",\"value\":1,\"timestamp\":1767225600,"
         "\"time\":1767225600}",
         "invalid_time", "timestamp"},
        /* The window: 7 days back and 10 minutes ahead, both inclusive. */
        {"{\"name\":\"a\",\"value\":1,\"timestamp\":\"2025-12-25T00:00:00Z\"}",
         "none", NULL},
        {"{\"name\":\"a\",\"value\":1,\"timestamp\":"
         "\"2025-12-24T23:59:59.999999Z\"}",
         "time_too_old", "timestamp"},
        {"{\"name\":\"a\",\"value\":1,\"timestamp\":\"2026-01-01T00:10:00Z\"}",
         "none", NULL},
        {"{\"name\":\"a\",\"value\":1,\"time\":\"2026-01-01T00:10:00."
         "000001Z\"}",
         "time_too_new", "timestamp"},
    };

    (void)state;
    judge_all(metric_json_parse, NULL, cases, ARRAY_LEN(cases));
}

static void lengths(void **state)
{
    AUTO(judge) j = judge_new(NULL);
    struct record r;

    (void)state;
    assert_string_equal(judge_code(j, metric_json_parse,
                                   judge_long(j, "{\"value\":1,\"name\":\"",
                                              CHECK_NAME_MAX, 'n', "\"}"),
                                   &r),
                        "none");
    assert_string_equal(judge_code(j, metric_json_parse,
                                   judge_long(j, "{\"value\":1,\"name\":\"",
                                              CHECK_NAME_MAX + 1, 'n', "\"}"),
                                   &r),
                        "text_too_long");
    assert_string_equal(
        judge_code(j, metric_json_parse,
                   judge_long(j, "{\"value\":1,\"name\":\"a\",\"labels\":{\"",
                              CHECK_LABEL_NAME_MAX + 1, 'n', "\":\"v\"}}"),
                   &r),
        "text_too_long");
    /* The field in the answer is cut, the sender's text may be long. */
    assert_int_equal(j->check.fault.field.n, strlen("labels.") + 64);
    assert_string_equal(
        judge_code(
            j, metric_json_parse,
            judge_long(j, "{\"value\":1,\"name\":\"a\",\"labels\":{\"h\":\"",
                       CHECK_LABEL_VALUE_MAX + 1, 'n', "\"}}"),
            &r),
        "text_too_long");
}

static void whole_record(void **state)
{
    AUTO(judge) j = judge_new(NULL);
    struct record r;

    (void)state;
    assert_string_equal(
        judge_code(j, metric_json_parse,
                   STR("{\"name\":\"cpu\",\"value\":0.1,\"labels\":{\"z\":"
                       "\"1\",\"a\":\"2\"},\"source\":\"agent\","
                       "\"timestamp\":1767225599123}"),
                   &r),
        "none");
    assert_int_equal(r.kind, RECORD_METRIC);
    assert_str(r.metric.tenant_id, "acme");
    assert_str(r.metric.name, "cpu");
    assert_true(r.metric.value == 0.1);
    assert_int_equal(r.metric.time_us, INT64_C(1767225599123000));
    assert_int_equal(r.metric.received_at_us, NOW_US);
    assert_int_equal(r.metric.label_count, 3);
    assert_str(r.metric.labels[0].name, "a");
    assert_str(r.metric.labels[1].name, "source");
    assert_str(r.metric.labels[1].value, "agent");
    assert_str(r.metric.labels[2].name, "z");
    assert_null(r.metric.source.p); /* it is the label now */
}

static void source_beside_label_source_is_kept(void **state)
{
    AUTO(judge) j = judge_new(NULL);
    struct record r;

    (void)state;
    assert_string_equal(judge_code(j, metric_json_parse,
                                   STR("{\"name\":\"a\",\"value\":1,\"labels\":"
                                       "{\"source\":\"x\"},\"source\":\"y\"}"),
                                   &r),
                        "none");
    assert_int_equal(r.metric.label_count, 1);
    assert_str(r.metric.labels[0].value, "x");
    assert_str(r.metric.source, "y");
}

static void no_time_is_left_to_the_stamp(void **state)
{
    AUTO(judge) j = judge_new(NULL);
    struct record r;

    (void)state;
    judge_code(j, metric_json_parse, STR("{\"name\":\"a\",\"value\":1}"), &r);
    assert_true(r.metric.time_us == CHECK_NO_TIME);
}

static void device_bound_key(void **state)
{
    static const struct judge_case cases[] = {
        {"{\"name\":\"a\",\"value\":1,\"labels\":{\"device_id\":\"d1\"}}",
         "none", NULL},
        {"{\"name\":\"a\",\"value\":1,\"labels\":{\"device_id\":\"d2\"}}",
         "device_mismatch", "labels.device_id"},
    };
    AUTO(judge) j = judge_new("d1");
    struct record r;

    (void)state;
    judge_all(metric_json_parse, "d1", cases, ARRAY_LEN(cases));
    judge_code(j, metric_json_parse, STR("{\"name\":\"a\",\"value\":1}"), &r);
    assert_int_equal(r.metric.label_count, 1);
    assert_str(r.metric.labels[0].name, "device_id");
    assert_str(r.metric.labels[0].value, "d1");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(verdicts),
        cmocka_unit_test(lengths),
        cmocka_unit_test(whole_record),
        cmocka_unit_test(source_beside_label_source_is_kept),
        cmocka_unit_test(no_time_is_left_to_the_stamp),
        cmocka_unit_test(device_bound_key),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
