/* SPDX-License-Identifier: Apache-2.0 */
#include "common/pulse/endpoint.h"
#include "common/pulse/protocol/json.h"

#include "tests/unit/judge.h"

static void paths(void **state)
{
    static const struct {
        const char *path, *protocol; /* NULL: no endpoint */
    } cases[] = {
        {"/api/v1/metrics/ingest", "json"},
        {"/api/v1/metrics/ingest/batch", "json"},
        {"/api/v1/telemetry", "json"},
        {"/api/v1/events", "json"},
        {"/v1/metrics", "otlp"},
        {"/api/v1/write", "prometheus"},
        {"/api/v1/event", NULL},
        {"/api/v1/events/", NULL},
        {"", NULL},
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        const struct endpoint_kind *kind = endpoint_find(str_of(cases[i].path));
        if (!kind != !cases[i].protocol)
            fail_msg("%s", cases[i].path);
        if (kind)
            assert_string_equal(kind->protocol->name, cases[i].protocol);
    }
}

static void lines_by_content_type(void **state)
{
    (void)state;
    assert_true(json_lines(STR("application/x-ndjson")));
    assert_true(json_lines(STR("Application/NDJSON; charset=utf-8")));
    assert_true(json_lines(STR("application/jsonl")));
    assert_false(json_lines(STR("application/json")));
    assert_false(json_lines(STR("")));
}

/* Letters of binary protocols are JSON, whatever their endpoint takes. */
static void kept_metrics(void **state)
{
    AUTO(judge) j = judge_new(NULL);
    struct posted posted = {
        .text = STR("[{\"name\":\"a\",\"value\":1},{\"name\":\"b\"}]"),
        .content_type = STR(METRIC_JSON_TYPE)};
    struct body body;
    struct unit u;

    (void)state;
    judge_begin(j);
    assert_true(body_open(&body, endpoint_find(STR("/api/v1/telemetry")),
                          &j->check, &posted));
    assert_true(body_next(&body, &u));
    assert_true(u.good);
    assert_int_equal(u.record.kind, RECORD_METRIC);
    assert_true(body_next(&body, &u));
    assert_false(u.good);
    assert_int_equal(u.index, 1);
    assert_int_equal(j->check.fault.code, FAULT_MISSING_FIELD);
    assert_str(body_text(&body, &u), "{\"name\":\"b\"}");
    assert_str(body_text_type(&body), METRIC_JSON_TYPE);
    assert_false(body_next(&body, &u));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(paths),
        cmocka_unit_test(lines_by_content_type),
        cmocka_unit_test(kept_metrics),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
