/* SPDX-License-Identifier: Apache-2.0 */
#include "common/pulse/protocol/metric_build.h"

#include <math.h>

#include "tests/unit/judge.h"

static void records_share_labels(void **state)
{
    AUTO(judge) j = judge_new("d1");
    struct metric_build b;
    struct record one, two;

    (void)state;
    judge_begin(j);
    metric_begin(&b, &j->check, 2);
    assert_true(metric_label(&b, STR("site"), STR("s")));
    assert_true(metric_label(&b, STR("a"), STR("x")));
    assert_true(metric_finish(&b, STR("up"), 1, NOW_US, &one));
    assert_true(metric_finish(&b, STR("load"), 0.5, CHECK_NO_TIME, &two));
    assert_int_equal(one.kind, RECORD_METRIC);
    assert_str(one.metric.tenant_id, "acme");
    assert_str(one.metric.name, "up");
    assert_int_equal(one.metric.time_us, NOW_US);
    assert_int_equal(one.metric.received_at_us, NOW_US);
    assert_int_equal(one.metric.label_count, 3);
    assert_str(one.metric.labels[0].name, "a");
    assert_str(one.metric.labels[1].name, "device_id");
    assert_str(one.metric.labels[1].value, "d1");
    assert_ptr_equal(two.metric.labels, one.metric.labels);
    assert_int_equal(two.metric.label_count, 3);
    assert_true(two.metric.time_us == CHECK_NO_TIME);
    assert_null(one.metric.source.p);
}

static void verdicts(void **state)
{
    static const struct {
        const char *name, *label, *text;
        double value;
        int64_t time_us;
        const char *code, *field;
    } cases[] = {
        {"m", "l", "v", 1, NOW_US, "none", NULL},
        {"", "l", "v", 1, NOW_US, "empty_text", "name"},
        {"m\xff", "l", "v", 1, NOW_US, "invalid_utf8", "name"},
        {"m", "l\xff", "v", 1, NOW_US, "invalid_utf8", "labels"},
        {"m", "l", "\xc0\x80", 1, NOW_US, "invalid_utf8", "labels"},
        {"m", "", "v", 1, NOW_US, "empty_text", "labels."},
        {"m", "l", "", 1, NOW_US, "empty_text", "labels.l"},
        {"m", "l", "v", NAN, NOW_US, "not_finite", "value"},
        {"m", "l", "v", -INFINITY, NOW_US, "not_finite", "value"},
        {"m", "l", "v", 1, 0, "time_too_old", "timestamp"},
        {"m", "l", "v", 1, INT64_MAX, "time_too_new", "timestamp"},
        {"m", "l", "v", 1, CHECK_NO_TIME, "none", NULL},
        {"m", "device_id", "d2", 1, NOW_US, "device_mismatch",
         "labels.device_id"},
    };
    AUTO(judge) j = judge_new("d1");

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct metric_build b;
        struct record r;
        judge_begin(j);
        metric_begin(&b, &j->check, 1);
        bool good =
            metric_label(&b, str_of(cases[i].label), str_of(cases[i].text)) &&
            metric_finish(&b, str_of(cases[i].name), cases[i].value,
                          cases[i].time_us, &r);
        const struct fault *f = &j->check.fault;
        if (strcmp(fault_name(f->code), cases[i].code) != 0 ||
            good != (f->code == FAULT_NONE))
            fail_msg("%zu: %s, not %s", i, fault_name(f->code), cases[i].code);
        if (cases[i].field)
            assert_str(f->field, cases[i].field);
    }
}

static void a_label_twice_is_refused(void **state)
{
    AUTO(judge) j = judge_new(NULL);
    struct metric_build b;
    struct record r;

    (void)state;
    judge_begin(j);
    metric_begin(&b, &j->check, 2);
    assert_true(metric_label(&b, STR("l"), STR("1")));
    assert_true(metric_label(&b, STR("l"), STR("2")));
    assert_false(metric_finish(&b, STR("m"), 1, NOW_US, &r));
    assert_int_equal(j->check.fault.code, FAULT_DUPLICATE_KEY);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(records_share_labels),
        cmocka_unit_test(verdicts),
        cmocka_unit_test(a_label_twice_is_refused),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
