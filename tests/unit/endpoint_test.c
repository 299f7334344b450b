/* SPDX-License-Identifier: Apache-2.0 */
#include "common/pulse/endpoint.h"

#include "tests/unit/judge.h"

static void paths(void **state)
{
    static const struct {
        const char *path;
        int topic; /* -1: no endpoint */
    } cases[] = {
        {"/api/v1/metrics/ingest", AT_METRICS},
        {"/api/v1/metrics/ingest/batch", AT_METRICS},
        {"/api/v1/telemetry", AT_TELEMETRY},
        {"/api/v1/events", AT_EVENTS},
        {"/api/v1/event", -1},
        {"/api/v1/events/", -1},
        {"", -1},
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        const struct endpoint_kind *kind = endpoint_find(str_of(cases[i].path));
        if ((kind ? (int)kind->topic : -1) != cases[i].topic)
            fail_msg("%s", cases[i].path);
    }
}

static void lines_by_content_type(void **state)
{
    (void)state;
    assert_true(endpoint_lines(STR("application/x-ndjson")));
    assert_true(endpoint_lines(STR("Application/NDJSON")));
    assert_true(endpoint_lines(STR("application/jsonl")));
    assert_false(endpoint_lines(STR("application/json")));
    assert_false(endpoint_lines(STR("")));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(paths),
        cmocka_unit_test(lines_by_content_type),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
