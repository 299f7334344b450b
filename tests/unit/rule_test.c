/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <math.h>
#include <string.h>

#include "common/pulse/rule.h"

static const int64_t second = 1000000;

static struct rule_row row_of(const char *condition)
{
    return (struct rule_row){
        .id = STR("11111111-2222-3333-4444-555555555555"),
        .tenant_id = STR("acme"),
        .name = STR("Overheating"),
        .severity = STR("high"),
        .metric = STR("temperature"),
        .version = 3,
        .threshold = 80,
        .has_threshold = true,
        .condition = str_of(condition),
    };
}

static void conditions_are_read(void **state)
{
    (void)state;
    static const struct {
        const char *condition;
        enum rule_operator op;
        int64_t for_s, clear_s, lateness_s;
        double clear_threshold;
    } cases[] = {
        {"", RULE_GT, 0, 0, 30, 80},
        {"{}", RULE_GT, 0, 0, 30, 80},
        {"{\"operator\":\">=\",\"for\":\"30s\",\"clear\":\"1m\"}", RULE_GE, 30,
         60, 30, 80},
        {"{\"operator\":\"<\",\"for\":90}", RULE_LT, 90, 0, 30, 80},
        {"{\"operator\":\"<=\"}", RULE_LE, 0, 0, 30, 80},
        {"{\"operator\":\"==\"}", RULE_EQ, 0, 0, 30, 80},
        {"{\"operator\":\"!=\"}", RULE_NE, 0, 0, 30, 80},
        {"{\"clear\":{\"threshold\":70,\"for\":\"2m\"}}", RULE_GT, 0, 120, 30,
         70},
        {"{\"lateness\":\"5s\",\"aggregation\":\"last\",\"window\":\"5m\","
         "\"keep_firing\":0,\"min_samples\":1,\"for\":null}",
         RULE_GT, 0, 0, 5, 80},
    };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct rule_row row = row_of(cases[i].condition);
        struct err err = {0};
        AUTO(rule) r = rule_new(&row, 30 * second, &err);
        assert_string_equal(err.text, "");
        assert_non_null(r);
        assert_int_equal(r->op, cases[i].op);
        assert_true(r->for_us == cases[i].for_s * second);
        assert_true(r->clear_us == cases[i].clear_s * second);
        assert_true(r->lateness_us == cases[i].lateness_s * second);
        assert_true(r->clear_threshold == cases[i].clear_threshold);
    }
}

/* What cannot be evaluated is refused by the name of its key. */
static void conditions_are_refused(void **state)
{
    (void)state;
    static const struct {
        const char *condition, *key;
    } cases[] = {
        {"[", "condition"},
        {"[]", "condition"},
        {"{\"aggregation\":\"avg\",\"window\":\"5m\"}",
         "condition.aggregation"},
        {"{\"aggregation\":7}", "condition.aggregation"},
        {"{\"operator\":\"=\"}", "condition.operator"},
        {"{\"for\":\"soon\"}", "condition.for"},
        {"{\"for\":-1}", "condition.for"},
        {"{\"for\":\"9000d\"}", "condition.for"},
        {"{\"for\":\"1s\",\"for\":\"2s\"}", "condition.for"},
        {"{\"clear\":{\"threshold\":90}}", "condition.clear.threshold"},
        {"{\"operator\":\"<\",\"clear\":{\"threshold\":70}}",
         "condition.clear.threshold"},
        {"{\"operator\":\"==\",\"clear\":{\"threshold\":70}}",
         "condition.clear.threshold"},
        {"{\"clear\":{\"after\":\"1m\"}}", "condition.clear"},
        {"{\"keep_firing\":\"5m\"}", "condition.keep_firing"},
        {"{\"min_samples\":3}", "condition.min_samples"},
        {"{\"labels\":[]}", "condition.labels"},
        {"{\"labels\":{\"host\":1}}", "condition.labels"},
        {"{\"labels\":{\"host\":\"=~web.*\"}}", "condition.labels"},
        {"{\"lateness\":\"31s\"}", "condition.lateness"},
        {"{\"threshhold\":1}", "condition.threshhold"},
    };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct rule_row row = row_of(cases[i].condition);
        struct err err = {0};
        AUTO(rule) r = rule_new(&row, 30 * second, &err);
        assert_null(r);
        assert_int_equal(err.kind, ERR_INPUT);
        assert_ptr_equal(strstr(err.text, cases[i].key), err.text);
    }
}

static void a_threshold_is_needed(void **state)
{
    (void)state;
    struct err err = {0};
    struct rule_row row = row_of("");
    row.has_threshold = false;
    assert_null(rule_new(&row, 0, &err));
    row = row_of("");
    row.threshold = NAN;
    assert_null(rule_new(&row, 0, &err));
    assert_non_null(strstr(err.text, "threshold"));
}

static void the_row_is_copied(void **state)
{
    (void)state;
    char name[] = "Overheating", channel[] = "oncall";
    struct rule_row row = row_of("");
    struct str channels[] = {str_of(channel)};
    row.name = str_of(name);
    row.channels = channels;
    row.channel_count = 1;
    AUTO(rule) r = rule_new(&row, 0, NULL);
    memset(name, 'x', 5);
    memset(channel, 'x', 5);
    assert_true(str_is(r->name, "Overheating"));
    assert_int_equal(r->channel_count, 1);
    assert_true(str_is(r->channels[0], "oncall"));
    assert_int_equal(r->version, 3);
}

static void values_are_judged(void **state)
{
    (void)state;
    static const struct {
        const char *condition;
        double value;
        enum rule_verdict verdict;
    } cases[] = {
        {"{\"operator\":\">\"}", 80.1, RULE_VIOLATED},
        {"{\"operator\":\">\"}", 80, RULE_CLEAR},
        {"{\"operator\":\">=\"}", 80, RULE_VIOLATED},
        {"{\"operator\":\">=\"}", 79.9, RULE_CLEAR},
        {"{\"operator\":\"<\"}", 79.9, RULE_VIOLATED},
        {"{\"operator\":\"<\"}", 80, RULE_CLEAR},
        {"{\"operator\":\"<=\"}", 80, RULE_VIOLATED},
        {"{\"operator\":\"<=\"}", 80.1, RULE_CLEAR},
        {"{\"operator\":\"==\"}", 80, RULE_VIOLATED},
        {"{\"operator\":\"==\"}", 81, RULE_CLEAR},
        {"{\"operator\":\"!=\"}", 81, RULE_VIOLATED},
        {"{\"operator\":\"!=\"}", 80, RULE_CLEAR},
        {"{\"clear\":{\"threshold\":70}}", 81, RULE_VIOLATED},
        {"{\"clear\":{\"threshold\":70}}", 75, RULE_BETWEEN},
        {"{\"clear\":{\"threshold\":70}}", 70, RULE_CLEAR},
        {"{\"operator\":\"<\",\"clear\":{\"threshold\":90}}", 85, RULE_BETWEEN},
        {"{\"operator\":\"<\",\"clear\":{\"threshold\":90}}", 90, RULE_CLEAR},
    };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct rule_row row = row_of(cases[i].condition);
        AUTO(rule) r = rule_new(&row, 0, NULL);
        assert_int_equal(rule_judge(r, cases[i].value), cases[i].verdict);
    }
}

static void labels_are_matched(void **state)
{
    (void)state;
    static const struct label series[] = {
        {STR("device_id"), STR("d1")},
        {STR("host"), STR("web1")},
        {STR("site_id"), STR("berlin")},
    };
    static const struct {
        const char *condition;
        bool matches;
    } cases[] = {
        {"{}", true},
        {"{\"labels\":{}}", true},
        {"{\"labels\":{\"host\":\"web1\"}}", true},
        {"{\"labels\":{\"site_id\":\"berlin\",\"device_id\":\"d1\"}}", true},
        {"{\"labels\":{\"host\":\"web2\"}}", false},
        {"{\"labels\":{\"host\":\"web\"}}", false},
        {"{\"labels\":{\"host\":\"web1\",\"zone\":\"a\"}}", false},
        {"{\"labels\":{\"zone\":\"\"}}", true},
        {"{\"labels\":{\"host\":\"\"}}", false},
    };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct rule_row row = row_of(cases[i].condition);
        AUTO(rule) r = rule_new(&row, 0, NULL);
        assert_non_null(r);
        assert_int_equal(rule_matches(r, series, ARRAY_LEN(series)),
                         cases[i].matches);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(conditions_are_read),
        cmocka_unit_test(conditions_are_refused),
        cmocka_unit_test(a_threshold_is_needed),
        cmocka_unit_test(the_row_is_copied),
        cmocka_unit_test(values_are_judged),
        cmocka_unit_test(labels_are_matched),
    };
    return cmocka_run_group_tests_name("rule", tests, NULL, NULL);
}
