/* SPDX-License-Identifier: Apache-2.0 */
#include "tools/pulse/deadletter_plan.h"

#include "common/pulse/endpoint.h"
#include "tests/unit/judge.h"

#define DAY_US (86400 * INT64_C(1000000))
#define HOUR_US (3600 * INT64_C(1000000))

/* Now is a day after the letters were received. */
struct desk {
    struct planner planner;
    struct plan plan;
};

static int set_up(void **state)
{
    struct desk *d = xcalloc(1, sizeof *d);
    d->planner = (struct planner){
        .arena = arena_new(4096),
        .codec = record_codec_new(NULL),
        .rules = {.past_us = 7 * DAY_US,
                  .future_us = 600 * INT64_C(1000000),
                  .labels_max = 4,
                  .fields_max = 4},
        .message_bytes_max = 1000,
        .now_us = NOW_US + DAY_US,
        .oldest_us = NOW_US + DAY_US - 8 * DAY_US,
    };
    *state = d;
    return d->planner.codec == NULL;
}

static int tear_down(void **state)
{
    struct desk *d = *state;
    record_codec_free(d->planner.codec);
    arena_free(d->planner.arena);
    free(d);
    return 0;
}

static struct deadletter posted(const char *path, const char *payload)
{
    return (struct deadletter){
        .id = 7,
        .tenant = STR("acme"),
        .stage = STR("ingest"),
        .endpoint = str_of(path),
        .key_id = STR("k1"),
        .content_type = STR("application/json"),
        .payload = str_of(payload),
        .received_us = NOW_US,
        .failed_us = NOW_US,
        .status = STR("new"),
    };
}

static struct record sent(struct desk *d, size_t i)
{
    struct record r;
    struct err err = {0};
    assert_true(i < d->plan.count);
    if (!record_decode(d->planner.codec, d->plan.records[i].payload,
                       d->planner.arena, &r, &err))
        fail_msg("%s", err.text);
    return r;
}

#define BATCH "/api/v1/metrics/ingest/batch"

/* What each endpoint's letters may hold, and what becomes of it. */
static void letters_of_the_edge(void **state)
{
    static const struct {
        const char *path, *payload, *type;
        size_t count;     /* records sent */
        const char *code; /* NULL: none */
        const char *why;  /* part of it */
    } cases[] = {
        {"/api/v1/metrics/ingest", "{\"name\":\"a\",\"value\":1}", NULL, 1,
         NULL, NULL},
        /* A record of a batch stands alone; an edited body may hold many. */
        {BATCH, "{\"name\":\"a\",\"value\":1}", NULL, 1, NULL, NULL},
        {BATCH,
         "{\"metrics\":[{\"name\":\"a\",\"value\":1},{\"name\":\"b\","
         "\"value\":1}]}",
         NULL, 2, NULL, NULL},
        {BATCH, "[{\"name\":\"a\",\"value\":1}]", NULL, 1, NULL, NULL},
        {"/api/v1/telemetry", "{\"device_id\":\"d\",\"metrics\":{\"t\":1}}",
         NULL, 1, NULL, NULL},
        {"/api/v1/events", "{}\n{}\n", "application/x-ndjson", 2, NULL, NULL},
        /* A line that was edited into several is still one text. */
        {"/api/v1/events", "{\n\"id\":\"e\"\n}\n", "application/x-ndjson", 1,
         NULL, NULL},
        {"/api/v1/metrics/ingest", "{\n\"name\":\"a\",\"value\":1}",
         "application/x-ndjson", 1, NULL, NULL},
        {"/api/v1/metrics/ingest", "{\"name\":\"a\"}", NULL, 0, "missing_field",
         "value: is required"},
        {"/api/v1/metrics/ingest", "{name}", NULL, 0, "malformed_json",
         "not JSON"},
        {"/api/v1/metrics/ingest", "\"\xff\"", NULL, 0, "invalid_utf8", ""},
        {BATCH, "[{\"name\":\"a\",\"value\":1},{\"name\":\"\",\"value\":1}]",
         NULL, 0, "empty_text", "record 2: name: must not be empty"},
        {BATCH, "[]", NULL, 0, "no_record", ""},
        {"/api/v1/events", "", "application/x-ndjson", 0, "no_record", ""},
        /* Data points are kept as Pulse's JSON, whole bodies as they came. */
        {"/v1/metrics", "{\"name\":\"a\",\"value\":1}", METRIC_JSON_TYPE, 1,
         NULL, NULL},
        {"/v1/metrics",
         "[{\"name\":\"a_sum\",\"value\":1},"
         "{\"name\":\"a_count\",\"value\":2}]",
         METRIC_JSON_TYPE, 2, NULL, NULL},
        {"/v1/metrics", "{\"name\":\"a\",\"value\":null}", METRIC_JSON_TYPE, 0,
         "missing_field", "value: is required"},
        {"/v1/metrics",
         "{\"resourceMetrics\":[{\"scopeMetrics\":[{\"metrics\":[{\"name\":"
         "\"a\",\"histogram\":{\"dataPoints\":[{\"count\":1,\"sum\":2}]}}]}]}]"
         "}",
         NULL, 3, NULL, NULL},
        {"/v1/metrics", "{\"name\":\"a\",\"value\":1}", NULL, 0, "no_record",
         ""},
        {"/v1/metrics", "\x0a\x05", "application/x-protobuf", 0,
         "malformed_protobuf", "ExportMetricsServiceRequest"},
        /* Lines; their parameters stand in the type. */
        {"/write", "m a=1,b=2 1767225600\n# edited\nm a=3 1767225601",
         "text/plain; precision=s", 3, NULL, NULL},
        {"/api/v2/write", "m,dev=d a=1,b=2",
         "text/plain; precision=ns; "
         "device_tag=dev",
         1, NULL, NULL},
        {"/api/v2/write", "m a=1 1767225600", "text/plain; precision=ns", 0,
         "time_too_old", "(read as ns)"},
        {"/write", "m a=1\nm a=x", "text/plain; precision=ns", 0,
         "malformed_line", "record 2: column 5: the value"},
        {"/write", "m a=1\nm,dev=d a=1",
         "text/plain; precision=ns; device_tag=dev", 0, "mixed_records",
         "record 2 is of another kind"},
        {"/write", "m s=\"text\"", "text/plain; precision=ns", 0, "no_record",
         ""},
        {"/v9/none", "{}", NULL, 0, "unknown_endpoint", "/v9/none"},
    };
    struct desk *d = *state;

    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct deadletter l = posted(cases[i].path, cases[i].payload);
        if (cases[i].type)
            l.content_type = str_of(cases[i].type);
        bool good = plan_make(&d->planner, &l, &d->plan);
        const char *code = d->plan.code ? d->plan.code : "none";
        if (strcmp(code, cases[i].code ? cases[i].code : "none") != 0)
            fail_msg("%s %s: %s %.*s", cases[i].path, cases[i].payload, code,
                     STR_ARG(d->plan.why));
        assert_int_equal(good, cases[i].code == NULL);
        assert_int_equal(d->plan.count, cases[i].count);
        if (cases[i].why)
            assert_non_null(strstr(d->plan.why.p, cases[i].why));
    }
}

static void on_behalf_of_tenant_and_key(void **state)
{
    struct desk *d = *state;
    struct deadletter l =
        posted("/api/v1/telemetry", "{\"metrics\":{\"t\":1}}");

    assert_false(plan_make(&d->planner, &l, &d->plan)); /* which device? */
    l.key_device = STR("d1");
    assert_true(plan_make(&d->planner, &l, &d->plan));
    assert_str(d->plan.topic, "pulse.telemetry");
    assert_str(d->plan.records[0].key, "acme:d1");
    assert_str(sent(d, 0).telemetry.tenant_id, "acme");
    assert_str(sent(d, 0).telemetry.device_id, "d1");
    assert_int_equal(sent(d, 0).telemetry.received_at_us, d->planner.now_us);
    l.payload = STR("{\"device_id\":\"d2\",\"metrics\":{\"t\":1}}");
    assert_false(plan_make(&d->planner, &l, &d->plan));
    assert_string_equal(d->plan.code, "device_mismatch");
    l.tenant = (struct str){0};
    assert_false(plan_make(&d->planner, &l, &d->plan));
    assert_string_equal(d->plan.code, "unknown_tenant");
}

static const char *timed(struct desk *d, int64_t time_us)
{
    struct str json = arena_printf(
        d->planner.arena, "{\"name\":\"a\",\"value\":1,\"timestamp\":%lld}",
        (long long)time_us);
    struct deadletter l = posted("/api/v1/metrics/ingest", json.p);

    return plan_make(&d->planner, &l, &d->plan) ? "none" : d->plan.code;
}

/* The window is that of a day ago, but the store's limit is today's. */
static void window_at_received_at(void **state)
{
    struct desk *d = *state;

    assert_string_equal(timed(d, NOW_US), "none");
    assert_int_equal(sent(d, 0).metric.time_us, NOW_US);
    assert_string_equal(timed(d, NOW_US - 7 * DAY_US), "none");
    assert_string_equal(timed(d, NOW_US - 7 * DAY_US - 1), "time_too_old");
    assert_string_equal(timed(d, NOW_US + HOUR_US), "time_too_new");
    d->planner.oldest_us += DAY_US;
    assert_string_equal(timed(d, NOW_US - 6 * DAY_US), "none");
    assert_string_equal(timed(d, NOW_US - 6 * DAY_US - 1), "too_late");
}

/* Sent twice it is a repeat; its neighbours' times it never gets. */
static void untimed_records_keep_their_time(void **state)
{
    struct desk *d = *state;
    struct deadletter l =
        posted(BATCH, "[{\"name\":\"a\",\"value\":1},{\"name\":\"a\","
                      "\"value\":2}]");
    int64_t times[2][2];

    for (int i = 0; i < 2; i++) {
        assert_true(plan_make(&d->planner, &l, &d->plan));
        times[i][0] = sent(d, 0).metric.time_us;
        times[i][1] = sent(d, 1).metric.time_us;
        d->planner.now_us += HOUR_US;
    }
    assert_int_equal(times[0][0], times[1][0]);
    assert_int_equal(times[0][1], times[1][1]);
    assert_int_equal(times[0][0], NOW_US + 10000 + 7);
    assert_int_equal(times[0][1], times[0][0] + 1);
    l.id += 2;
    assert_true(plan_make(&d->planner, &l, &d->plan));
    assert_true(sent(d, 0).metric.time_us > times[0][1]);
}

static void events_without_id_keep_theirs(void **state)
{
    struct desk *d = *state;
    struct deadletter l = posted("/api/v1/events", "[{},{\"id\":\"own\"},{}]");

    assert_true(plan_make(&d->planner, &l, &d->plan));
    assert_str(sent(d, 0).event.id, "letter-7");
    assert_str(sent(d, 1).event.id, "own");
    assert_str(sent(d, 2).event.id, "letter-7-2");
}

static void too_large_a_record(void **state)
{
    struct desk *d = *state;
    struct str json = {0};
    AUTO(judge) j = judge_new(NULL);

    json = judge_long(j, "{\"message\":\"", 1000, 'x', "\"}");
    struct deadletter l = posted("/api/v1/events", "");
    l.payload = json;
    assert_false(plan_make(&d->planner, &l, &d->plan));
    assert_string_equal(d->plan.code, "record_too_large");
    assert_int_equal(d->plan.count, 0);
}

static struct deadletter written(struct desk *d, int64_t time_us)
{
    static const struct label labels[] = {{{"host", 4}, {"h", 1}}};
    struct record r = {.kind = RECORD_METRIC,
                       .metric = {.tenant_id = STR("acme"),
                                  .name = STR("cpu"),
                                  .labels = labels,
                                  .label_count = 1,
                                  .value = 1,
                                  .time_us = time_us,
                                  .received_at_us = NOW_US}};
    AUTO_RELEASE(buf) out = {0};
    struct err err = {0};

    assert_true(record_encode(d->planner.codec, &r, &out, &err));
    return (struct deadletter){
        .id = 8,
        .tenant = STR("acme"),
        .stage = STR("writer"),
        .topic = STR("pulse.metrics"),
        .payload = arena_str(d->planner.arena, buf_str(&out)),
    };
}

static void letters_of_the_writer(void **state)
{
    struct desk *d = *state;
    struct deadletter l = written(d, NOW_US);

    assert_true(plan_make(&d->planner, &l, &d->plan));
    assert_str(d->plan.topic, "pulse.metrics");
    assert_true(str_eq(d->plan.records[0].payload, l.payload));
    assert_true(str_starts(d->plan.records[0].key, STR("acme:")));
    assert_int_equal(d->plan.records[0].key.n, strlen("acme:") + 16);
    /* What is no record goes as it is, wherever. */
    l.payload = STR("\x01\x02");
    l.topic = STR("raw.syslog");
    assert_true(plan_make(&d->planner, &l, &d->plan));
    assert_str(d->plan.topic, "raw.syslog");
    assert_int_equal(d->plan.records[0].key.n, 0);
    l.payload = STR("");
    assert_false(plan_make(&d->planner, &l, &d->plan));
    assert_string_equal(d->plan.code, "no_record");
    l = written(d, NOW_US - 8 * DAY_US);
    assert_false(plan_make(&d->planner, &l, &d->plan));
    assert_string_equal(d->plan.code, "too_late");
    assert_non_null(strstr(d->plan.why.p, "2025-12-24T00:00:00.000000Z"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(letters_of_the_edge, set_up, tear_down),
        cmocka_unit_test_setup_teardown(on_behalf_of_tenant_and_key, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(window_at_received_at, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(untimed_records_keep_their_time, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(events_without_id_keep_theirs, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(too_large_a_record, set_up, tear_down),
        cmocka_unit_test_setup_teardown(letters_of_the_writer, set_up,
                                        tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
