/* SPDX-License-Identifier: Apache-2.0 */
#include "common/pulse/check.h"

#include "tests/unit/judge.h"

static void check_begin(struct judge *j)
{
    j->check = (struct check){.arena = j->arena,
                              .rules = &j->rules,
                              .caller = &j->caller,
                              .received_us = NOW_US};
}

/* What a text of count bytes is told as name, label name, label value. */
static void assert_bounds(struct judge *j, size_t name, size_t label_name,
                          size_t label_value)
{
    const size_t most[] = {name, label_name, label_value};

    for (size_t which = 0; which < 3; which++)
        for (size_t over = 0; over < 2; over++) {
            struct str text = judge_long(j, "", most[which] + over, 'x', "");
            struct label l = {which == 1 ? text : STR("n"),
                              which == 2 ? text : STR("v")};
            check_begin(j);
            bool good = which == 0 ? check_name(&j->check, STR("name"), text)
                                   : check_label(&j->check, &l);
            if (good != (over == 0))
                fail_msg("%zu bytes of kind %zu", text.n, which);
            assert_int_equal(j->check.fault.code,
                             good ? FAULT_NONE : FAULT_TEXT_TOO_LONG);
        }
}

static void test_lengths_are_the_tenants_within_the_stores(void **state)
{
    AUTO(judge) j = judge_new(NULL);
    (void)state;

    assert_bounds(j, 200, 128, 1024); /* none given */
    j->rules.name_max = 10;
    j->rules.label_name_max = 1;
    j->rules.label_value_max = 20;
    assert_bounds(j, 10, 1, 20);
    j->rules.name_max = j->rules.label_name_max = 100000;
    j->rules.label_value_max = SIZE_MAX;
    assert_bounds(j, 200, 128, 1024);
}

static void test_the_fault_names_the_label(void **state)
{
    AUTO(judge) j = judge_new(NULL);
    struct label l = {STR("host"), STR("")};
    (void)state;

    check_begin(j);
    assert_false(check_label(&j->check, &l));
    assert_str(j->check.fault.field, "labels.host");
}

/* Or no dead letter could be written of it. */
static void test_the_path_is_text_whatever_the_name(void **state)
{
    static const struct {
        struct str name;
        const char *path;
    } cases[] = {
        {{"h\xc3\xb6he", 5}, "labels.h\xc3\xb6he"},
        {{"a\xff\x80z", 4}, "labels.a??z"},
        {{"a\0z", 3}, "labels.a?z"},
        {{"", 0}, "labels."},
    };
    AUTO(judge) j = judge_new(NULL);
    (void)state;

    check_begin(j);
    for (size_t i = 0; i < ARRAY_LEN(cases); i++)
        assert_str(check_path(&j->check, "labels", cases[i].name),
                   cases[i].path);
}

static void test_labels_of_a_metric(void **state)
{
    static const struct {
        const char *device, *names[6], *values[6]; /* as sent */
        const char *code, *first; /* the first label's name, when good */
        size_t count;
    } cases[] = {
        {NULL, {0}, {0}, "none", NULL, 0},
        {NULL, {"b", "a"}, {"1", "2"}, "none", "a", 2},
        {NULL, {"device_id"}, {"any"}, "none", "device_id", 1},
        {NULL, {"a", "b", "a"}, {"1", "2", "3"}, "duplicate_key", NULL, 0},
        {NULL, {"a", "b", "c", "d"}, {"1", "1", "1", "1"}, "none", "a", 4},
        {NULL,
         {"a", "b", "c", "d", "e"},
         {"1", "1", "1", "1", "1"},
         "too_many_labels",
         NULL,
         0},
        {"d1", {0}, {0}, "none", "device_id", 1},
        {"d1", {"z"}, {"1"}, "none", "device_id", 2},
        {"d1", {"device_id"}, {"d1"}, "none", "device_id", 1},
        {"d1", {"device_id"}, {"d2"}, "device_mismatch", NULL, 0},
        {"d1", {"a", "device_id"}, {"1", "d"}, "device_mismatch", NULL, 0},
        /* Saying both does not help. */
        {"d1",
         {"device_id", "device_id"},
         {"d1", "d2"},
         "duplicate_key",
         NULL,
         0},
        {"d1",
         {"device_id", "device_id"},
         {"d2", "d1"},
         "device_mismatch",
         NULL,
         0},
        /* The one filled in counts. */
        {"d1",
         {"a", "b", "c", "d"},
         {"1", "1", "1", "1"},
         "too_many_labels",
         NULL,
         0},
    };
    (void)state;

    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        AUTO(judge) j = judge_new(cases[i].device);
        struct label labels[7];
        size_t count = 0;
        for (; cases[i].names[count]; count++)
            labels[count] = (struct label){str_of(cases[i].names[count]),
                                           str_of(cases[i].values[count])};
        check_begin(j);
        bool good = check_labels(&j->check, labels, &count);
        const char *code = fault_name(j->check.fault.code);
        if (strcmp(code, cases[i].code) != 0)
            fail_msg("case %zu: %s, not %s", i, code, cases[i].code);
        if (!good)
            continue;
        assert_int_equal(count, cases[i].count);
        if (count > 0)
            assert_str(labels[0].name, cases[i].first);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_lengths_are_the_tenants_within_the_stores),
        cmocka_unit_test(test_the_fault_names_the_label),
        cmocka_unit_test(test_the_path_is_text_whatever_the_name),
        cmocka_unit_test(test_labels_of_a_metric),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
