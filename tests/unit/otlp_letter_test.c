/* SPDX-License-Identifier: Apache-2.0 */
#include "common/pulse/protocol/otlp_letter.h"

#include "common/pulse/endpoint.h"
#include "tests/unit/otlp_listing.h"

static struct str letter(struct judge *j, struct str json)
{
    const struct posted posted = {.text = json,
                                  .content_type = STR("application/json")};
    struct body b;
    struct unit u;

    judge_begin(j);
    assert_true(
        body_open(&b, endpoint_find(STR("/v1/metrics")), &j->check, &posted));
    do
        assert_true(body_next(&b, &u));
    while (u.good);
    assert_str(body_text_type(&b), METRIC_JSON_TYPE);
    return body_text(&b, &u);
}

static void letters(void **state)
{
    static const struct otlp_case cases[] = {
        {RESOURCE(TEXT("host.name", "h"), "",
                  "{\"name\":\"m\",\"gauge\":{\"dataPoints\":[{\"asInt\":1},{"
                  "\"timeUnixNano\":\"1000000\",\"asDouble\":2.5}]}}"),
         "{\"name\":\"m\",\"value\":2.5,\"labels\":{\"host.name\":\"h\"},"
         "\"timestamp\":\"1970-01-01T00:00:00.001000Z\"}"},
        {GAUGE("{\"asDouble\":\"NaN\"}"), "{\"name\":\"m\",\"labels\":{}}"},
        {METRIC("histogram", "",
                "{\"count\":2,\"sum\":\"NaN\",\"bucketCounts\":[1,1],"
                "\"explicitBounds\":[0.5]}"),
         "[{\"name\":\"m_bucket\",\"value\":1,\"labels\":{\"le\":\"0.5\"}},"
         "{\"name\":\"m_bucket\",\"value\":2,\"labels\":{\"le\":\"+Inf\"}},"
         "{\"name\":\"m_count\",\"value\":2,\"labels\":{}},"
         "{\"name\":\"m_sum\",\"labels\":{}}]"},
        {METRIC("histogram", "",
                "{\"count\":2,\"sum\":3,\"bucketCounts\":"
                "[1,1]}"),
         "[{\"name\":\"m_count\",\"value\":2,\"labels\":{}},{\"name\":\"m_"
         "sum\","
         "\"value\":3,\"labels\":{}}]"},
        {GAUGE("{\"timeUnixNano\":\"18446744073709551615\",\"asInt\":1}"),
         "{\"name\":\"m\",\"value\":1,\"labels\":{},\"timestamp\":"
         "\"2554-07-21T23:34:33.709551Z\"}"},
    };
    AUTO(judge) j = judge_wide(NULL);

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++)
        assert_str(letter(j, str_of(cases[i].json)), cases[i].listing);
}

/* A resource's long label, and many bad points that share it. */
static void letters_are_bounded(void **state)
{
    AUTO(judge) j = judge_wide(NULL);
    AUTO_RELEASE(buf) json = {0};
    struct body b;
    struct unit u;
    size_t total = 0, count = 0;

    (void)state;
    buf_add_text(&json, "{\"resourceMetrics\":[{\"resource\":{\"attributes\":["
                        "{\"key\":\"host.name\",\"value\":{\"stringValue\":\"");
    for (int i = 0; i < 1000; i++)
        buf_add_text(&json, "1234567890");
    buf_add_text(&json, "\"}}]},\"scopeMetrics\":[{\"metrics\":[{\"name\":"
                        "\"m\",\"gauge\":{\"dataPoints\":[{}");
    for (int i = 1; i < 9000; i++)
        buf_add_text(&json, ",{\"asDouble\":\"NaN\"}");
    buf_add_text(&json, "]}}]}]}]}");
    const struct posted posted = {.text = buf_str(&json),
                                  .content_type = STR("application/json")};
    judge_begin(j);
    assert_true(
        body_open(&b, endpoint_find(STR("/v1/metrics")), &j->check, &posted));
    while (body_next(&b, &u)) {
        assert_false(u.good);
        total += body_text(&b, &u).n;
        count++;
    }
    assert_int_equal(count, 9000);
    assert_true(total < (2 << 20) + 4 * json.n);
}

/* What points share is neither copied nor written out for each of them. */
static void long_shared_texts_cost_little(void **state)
{
    static const struct {
        const char *before, *after, *listing;
    } cases[] = {
        {"{\"resourceMetrics\":[{\"resource\":{\"attributes\":[{\"key\":"
         "\"host.name\",\"value\":{\"stringValue\":\"",
         "\"}}]},\"scopeMetrics\":[{\"metrics\":[{\"name\":\"m\",",
         "!0 text_too_long labels.host.name\n"},
        {"{\"resourceMetrics\":[{\"resource\":{\"attributes\":[{\"key\":"
         "\"host.name\",\"value\":{\"arrayValue\":{\"values\":["
         "{\"stringValue\":\"",
         "\"}]}}}]},\"scopeMetrics\":[{\"metrics\":[{\"name\":\"m\",",
         "!0 text_too_long labels.host.name\n"},
        {"{\"resourceMetrics\":[{\"scopeMetrics\":[{\"metrics\":[{\"name\":"
         "\"",
         "\",", "!0 text_too_long name\n"},
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        AUTO(judge) j = judge_wide(NULL);
        AUTO_RELEASE(buf) json = {0}, out = {0};
        buf_add_text(&json, cases[i].before);
        for (int n = 0; n < 200000; n++)
            buf_add_text(&json, "12345");
        buf_add_text(&json, cases[i].after);
        buf_add_text(&json, "\"histogram\":{\"dataPoints\":[{}");
        for (int n = 1; n < 1000; n++)
            buf_add_text(&json, ",{\"count\":1}");
        buf_add_text(&json, "]}}]}]}]}");
        struct str body = otlp_protobuf(j->arena, buf_str(&json));
        size_t before = arena_bytes(j->arena);
        judge_begin(j);
        otlp_listing(&j->check, body, "application/x-protobuf", "", &out);
        assert_true(str_starts(buf_str(&out), str_of(cases[i].listing)));
        assert_true(arena_bytes(j->arena) - before < 10 * body.n);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(letters),
        cmocka_unit_test(letters_are_bounded),
        cmocka_unit_test(long_shared_texts_cost_little),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
