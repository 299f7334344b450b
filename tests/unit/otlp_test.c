/* SPDX-License-Identifier: Apache-2.0 */
#include "common/pulse/protocol/otlp.h"

#include "common/pulse/endpoint.h"
#include "common/pulse/protocol/otlp_samples.h"
#include "tests/unit/judge.h"
#include "tests/unit/otlp_listing.h"

static void list(struct judge *j, struct str body, const char *type,
                 const char *attributes, struct buf *out)
{
    judge_begin(j);
    buf_reset(out);
    otlp_listing(&j->check, body, type, attributes, out);
}

static void expect(const char *device, const char *attributes,
                   const struct otlp_case *c)
{
    AUTO(judge) j = judge_wide(device);
    AUTO_RELEASE(buf) out = {0};
    struct str json = str_of(c->json);

    list(j, json, "application/json", attributes, &out);
    if (!str_is(buf_str(&out), c->listing))
        fail_msg("%s:\n%.*snot\n%s", c->json, STR_ARG(buf_str(&out)),
                 c->listing);
    list(j, otlp_protobuf(j->arena, json), "application/x-protobuf", attributes,
         &out);
    if (!str_is(buf_str(&out), c->listing))
        fail_msg("protobuf of %s:\n%.*s", c->json, STR_ARG(buf_str(&out)));
}

#define EXPECT(cases)                             \
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) \
    expect(NULL, "", &(cases)[i])

static void numbers(void **state)
{
    static const struct otlp_case cases[] = {
        {GAUGE("{" TIME ",\"asDouble\":0.1}"), "m{} 0.10000000000000001" AT},
        {GAUGE("{" TIME ",\"asInt\":\"-7\"}"), "m{} -7" AT},
        {GAUGE("{" TIME ",\"asInt\":9007199254740993}"),
         "m{} 9007199254740992" AT},
        {GAUGE("{\"asDouble\":\"1.5\"}"), "m{} 1.5 @-\n"},
        {GAUGE("{\"timeUnixNano\":0,\"asDouble\":1}"), "m{} 1 @-\n"},
        {GAUGE("{" TIME "}"), "!0 missing_field value\n"},
        {GAUGE("{" TIME ",\"asDouble\":\"NaN\"},{" TIME ",\"asInt\":1},{" TIME
               ",\"asDouble\":\"-Infinity\"}"),
         "!0 not_finite value\nm{} 1" AT "!2 not_finite value\n"},
        /* No recorded value: passed over, and counted. */
        {GAUGE("{" TIME ",\"flags\":1},{" TIME ",\"asInt\":1},"
               "{\"asDouble\":\"NaN\"}"),
         "m{} 1" AT "!2 not_finite value\n"},
        {GAUGE("{\"timeUnixNano\":1000,\"asInt\":1}"),
         "!0 time_too_old timestamp\n"},
        {GAUGE("{\"timeUnixNano\":\"18446744073709551615\",\"asInt\":1}"),
         "!0 time_too_new timestamp\n"},
        {METRIC("sum", CUMULATIVE "\"isMonotonic\":true,",
                "{" TIME ",\"asInt\":5}"),
         "m{} 5" AT},
        {METRIC("sum", DELTA, "{" TIME ",\"asInt\":5}"),
         "m{temporality=delta} 5" AT},
        {METRIC("sum",
                "\"aggregationTemporality\":"
                "\"AGGREGATION_TEMPORALITY_DELTA\",",
                "{" TIME ",\"asInt\":5,\"attributes\":[" TEXT("temporality",
                                                              "mine") "]}"),
         "m{temporality=delta} 5" AT},
        {METRICS("{\"gauge\":{\"dataPoints\":[{\"asInt\":1}]}}"),
         "!0 empty_text name\n"},
        {METRICS("{\"name\":\"a\"},{\"name\":\"b\",\"gauge\":{}},"
                 "{\"name\":\"c\",\"later\":{\"dataPoints\":[{}]}}"),
         ""},
        {"{}", ""},
        {"{\"resourceMetrics\":[]}", ""},
        {"{\"resourceMetrics\":[{},{\"scopeMetrics\":[{}]},"
         "{\"scopeMetrics\":null}]}",
         ""},
    };

    (void)state;
    EXPECT(cases);
}

static void labels(void **state)
{
    static const struct otlp_case cases[] = {
        {RESOURCE(TEXT("service.name", "shop") "," TEXT("os.type", "linux"),
                  "\"name\":\"lib\",\"version\":\"2\",\"attributes\":[" TEXT(
                      "a", "b") "]",
                  "{\"name\":\"m\",\"gauge\":{\"dataPoints\":[{\"asInt\":1,"
                  "\"attributes\":[" TEXT("z", "1") "]}]}}"),
         "m{otel_scope_a=b,otel_scope_name=lib,otel_scope_version=2,"
         "service.name=shop,z=1} 1 @-\n"},
        /* The nearer one wins; the next point begins anew. */
        {RESOURCE(
             TEXT("host.name", "a"), "",
             "{\"name\":\"m\",\"gauge\":{\"dataPoints\":[{\"asInt\":1,"
             "\"attributes\":[" TEXT("host.name", "b") "]},{\"asInt\":2}]}}"),
         "m{host.name=b} 1 @-\nm{host.name=a} 2 @-\n"},
        {RESOURCE(
             TEXT("device.id", "d1"), "",
             "{\"name\":\"m\",\"gauge\":{\"dataPoints\":[{\"asInt\":1,"
             "\"attributes\":[" TEXT("device_id", "d2") "]},{\"asInt\":2}]}}"),
         "m{device_id=d2} 1 @-\nm{device_id=d1} 2 @-\n"},
        {GAUGE(
             "{\"asInt\":1,\"attributes\":[" VALUE("\"boolValue\":true") "]}"),
         "m{k=true} 1 @-\n"},
        {GAUGE("{\"asInt\":1,\"attributes\":[" VALUE(
             "\"intValue\":\"-12\"") "]}"),
         "m{k=-12} 1 @-\n"},
        {GAUGE("{\"asInt\":1,\"attributes\":[" VALUE("\"intValue\":12") "]}"),
         "m{k=12} 1 @-\n"},
        {GAUGE(
             "{\"asInt\":1,\"attributes\":[" VALUE("\"doubleValue\":0.1") "]}"),
         "m{k=0.1} 1 @-\n"},
        {GAUGE("{\"asInt\":1,\"attributes\":[" VALUE(
             "\"doubleValue\":\"-Infinity\"") "]}"),
         "m{k=-Infinity} 1 @-\n"},
        {GAUGE("{\"asInt\":1,\"attributes\":[" VALUE(
             "\"doubleValue\":\"NaN\"") "]}"),
         "m{k=NaN} 1 @-\n"},
        {GAUGE("{\"asInt\":1,\"attributes\":[" VALUE(
             "\"bytesValue\":\"AP8=\"") "]}"),
         "m{k=AP8=} 1 @-\n"},
        {GAUGE("{\"asInt\":1,\"attributes\":[" VALUE(
             "\"arrayValue\":{\"values\":[{\"stringValue\":\"a\\\"\"},"
             "{\"intValue\":1},{\"doubleValue\":\"NaN\"},{},"
             "{\"boolValue\":false},{\"bytesValue\":\"AA==\"},"
             "{\"arrayValue\":{}}]}") "]}"),
         "m{k=[\"a\\\"\",1,\"NaN\",null,false,\"AA==\",[]]} 1 @-\n"},
        {GAUGE("{\"asInt\":1,\"attributes\":[" VALUE(
             "\"kvlistValue\":{\"values\":[" TEXT("a", "b") "," VALUE(
                 "\"doubleValue\":1.5") "]}") "]}"),
         "m{k={\"a\":\"b\",\"k\":1.5}} 1 @-\n"},
        /* Nothing to say is no label. */
        {GAUGE("{\"asInt\":1,\"attributes\":[" VALUE("") "," TEXT(
             "e", "") ",{\"key\":\"n\"},{\"key\":\"x\",\"value\":null}]}"),
         "m{} 1 @-\n"},
        {GAUGE("{\"asInt\":1,\"attributes\":[" TEXT("a", "1") "," TEXT(
             "a", "2") "]}"),
         "!0 duplicate_key labels\n"},
        {GAUGE("{\"asInt\":1,\"attributes\":[" TEXT("", "1") "]}"),
         "!0 empty_text labels.\n"},
        {GAUGE("{\"asInt\":1,\"attributes\":[" TEXT("a", "\\u0000") "]}"),
         "!0 nul_character labels.a\n"},
        {METRICS("{\"name\":\"a\\u0000b\",\"gauge\":{\"dataPoints\":"
                 "[{\"asInt\":1}]}}"),
         "!0 nul_character name\n"},
    };
    static const struct otlp_case all = {
        RESOURCE(TEXT("service.name", "shop") "," TEXT("os.type", "linux"), "",
                 "{\"name\":\"m\",\"gauge\":{\"dataPoints\":[{\"asInt\":1}]}}"),
        "m{os.type=linux,service.name=shop} 1 @-\n"};
    static const struct otlp_case some = {all.json, "m{os.type=linux} 1 @-\n"};

    (void)state;
    EXPECT(cases);
    expect(NULL, "*", &all);
    expect(NULL, "x, os.type", &some);
}

static void device_bound_key(void **state)
{
    static const struct otlp_case cases[] = {
        {GAUGE("{\"asInt\":1}"), "m{device_id=d1} 1 @-\n"},
        {GAUGE("{\"asInt\":1,\"attributes\":[" TEXT("device.id", "d1") "]}"),
         "m{device_id=d1} 1 @-\n"},
        {GAUGE("{\"asInt\":1,\"attributes\":[" TEXT("device.id", "d2") "]}"),
         "!0 device_mismatch labels.device_id\n"},
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++)
        expect("d1", "", &cases[i]);
}

static void histograms(void **state)
{
    static const struct otlp_case cases[] = {
        {METRIC("histogram", CUMULATIVE,
                "{" TIME ",\"count\":\"6\",\"sum\":12.5,\"bucketCounts\":"
                "[\"1\",2,\"3\"],\"explicitBounds\":[0.5,10],\"min\":0.25,"
                "\"max\":11,\"attributes\":[" TEXT("a", "b") "]}"),
         "m_bucket{a=b,le=0.5} 1" AT "m_bucket{a=b,le=10} 3" AT
         "m_bucket{a=b,le=+Inf} 6" AT "m_count{a=b} 6" AT "m_sum{a=b} 12.5" AT
         "m_min{a=b} 0.25" AT "m_max{a=b} 11" AT},
        {METRIC("histogram", DELTA, "{\"count\":2}"),
         "m_bucket{le=+Inf,temporality=delta} 2 @-\n"
         "m_count{temporality=delta} 2 @-\n"},
        /* A label of the sender's own gives way. */
        {METRIC("histogram", "",
                "{\"count\":1,\"bucketCounts\":[1],\"attributes\":[" TEXT(
                    "le", "x") "]}"),
         "m_bucket{le=+Inf} 1 @-\nm_count{le=x} 1 @-\n"},
        {METRIC("histogram", "", "{\"count\":1,\"bucketCounts\":[1,0]}"),
         "!0 invalid_histogram\n"},
        {METRIC("histogram", "", "{\"count\":1,\"explicitBounds\":[1]}"),
         "!0 invalid_histogram\n"},
        {METRIC("histogram", "",
                "{\"count\":1,\"bucketCounts\":[1,0,0],"
                "\"explicitBounds\":[2,2]}"),
         "!0 invalid_histogram\n"},
        {METRIC("histogram", "",
                "{\"count\":1,\"bucketCounts\":[1,0],"
                "\"explicitBounds\":[\"Infinity\"]}"),
         "!0 invalid_histogram\n"},
        {METRIC("histogram", "",
                "{\"count\":2,\"bucketCounts\":[1,0],\"explicitBounds\":[1]}"),
         "!0 invalid_histogram\n"},
        {METRIC("histogram", "",
                "{\"count\":0,\"bucketCounts\":[\"18446744073709551615\",1],"
                "\"explicitBounds\":[1]}"),
         "!0 invalid_histogram\n"},
        /* One bad number: no record of the point. */
        {METRIC("histogram", "", "{\"count\":1,\"sum\":\"NaN\"}"),
         "!0 not_finite sum\n"},
        {METRIC("histogram", "",
                "{\"count\":1,\"timeUnixNano\":5},{\"count\":3}"),
         "!0 time_too_old timestamp\nm_bucket{le=+Inf} 3 @-\n"
         "m_count{} 3 @-\n"},
        {METRIC("summary", "",
                "{" TIME ",\"count\":2,\"sum\":3,\"quantileValues\":["
                "{\"quantile\":0.5,\"value\":1},{\"quantile\":0.9,"
                "\"value\":\"NaN\"},{\"quantile\":1,\"value\":2}]}"),
         "m{quantile=0.5} 1" AT "m{quantile=1} 2" AT "m_count{} 2" AT
         "m_sum{} 3" AT},
        {METRIC("summary", "", "{\"count\":0,\"sum\":0}"),
         "m_count{} 0 @-\nm_sum{} 0 @-\n"},
        {METRIC("summary", "",
                "{\"quantileValues\":[{\"quantile\":1.5,\"value\":1}]}"),
         "!0 invalid_histogram\n"},
    };

    (void)state;
    EXPECT(cases);
}

static void exponential_histograms(void **state)
{
    static const struct otlp_case cases[] = {
        /* Base 2: (2,4] has none, (4,8] has 2. */
        {METRIC("exponentialHistogram", CUMULATIVE,
                "{\"count\":3,\"sum\":10,\"scale\":0,\"zeroCount\":1,"
                "\"positive\":{\"offset\":1,\"bucketCounts\":[\"0\",2]}}"),
         "m_bucket{le=0} 1 @-\nm_bucket{le=4} 1 @-\nm_bucket{le=8} 3 @-\n"
         "m_bucket{le=+Inf} 3 @-\nm_count{} 3 @-\nm_sum{} 10 @-\n"},
        /* Base 4, both sides, a threshold. */
        {METRIC("exponentialHistogram", DELTA,
                "{\"count\":7,\"scale\":-1,\"zeroCount\":1,"
                "\"zeroThreshold\":0.5,"
                "\"positive\":{\"offset\":0,\"bucketCounts\":[1]},"
                "\"negative\":{\"offset\":0,\"bucketCounts\":[2,3]}}"),
         "m_bucket{le=-16,temporality=delta} 0 @-\n"
         "m_bucket{le=-4,temporality=delta} 3 @-\n"
         "m_bucket{le=-1,temporality=delta} 5 @-\n"
         "m_bucket{le=-0.5,temporality=delta} 5 @-\n"
         "m_bucket{le=0.5,temporality=delta} 6 @-\n"
         "m_bucket{le=1,temporality=delta} 6 @-\n"
         "m_bucket{le=4,temporality=delta} 7 @-\n"
         "m_bucket{le=+Inf,temporality=delta} 7 @-\n"
         "m_count{temporality=delta} 7 @-\n"},
        /* Finer than is kept: scale 4 has 16 buckets to a power of two, and
         * four of them are one. Index -4 … -1 is (2^-0.25, 1]. */
        {METRIC("exponentialHistogram", CUMULATIVE,
                "{\"count\":10,\"scale\":4,\"positive\":{\"offset\":-2,"
                "\"bucketCounts\":[1,2,3,4]}}"),
         "m_bucket{le=0.8408964152537145} 0 @-\nm_bucket{le=1} 3 @-\n"
         "m_bucket{le=1.189207115002721} 10 @-\nm_bucket{le=+Inf} 10 @-\n"
         "m_count{} 10 @-\n"},
        {METRIC("exponentialHistogram", "", "{\"count\":0,\"scale\":20}"),
         "m_bucket{le=+Inf} 0 @-\nm_count{} 0 @-\n"},
        /* Bounds beyond what a double holds. */
        {METRIC("exponentialHistogram", "",
                "{\"count\":2,\"scale\":-10,\"positive\":{\"offset\":0,"
                "\"bucketCounts\":[2]}}"),
         "m_bucket{le=1} 0 @-\nm_bucket{le=+Inf} 2 @-\nm_count{} 2 @-\n"},
        {METRIC("exponentialHistogram", "",
                "{\"count\":2,\"scale\":-2147483648,\"negative\":{\"offset\":"
                "-2147483648,\"bucketCounts\":[1,1]}}"),
         "m_bucket{le=0} 2 @-\nm_bucket{le=+Inf} 2 @-\nm_count{} 2 @-\n"},
        {METRIC("exponentialHistogram", "",
                "{\"count\":1,\"scale\":2147483647,\"positive\":{\"offset\":"
                "2147483647,\"bucketCounts\":[0,1]}}"),
         "m_bucket{le=1} 0 @-\nm_bucket{le=1.189207115002721} 1 @-\n"
         "m_bucket{le=+Inf} 1 @-\nm_count{} 1 @-\n"},
        {METRIC("exponentialHistogram", "", "{\"count\":1}"),
         "!0 invalid_histogram\n"},
        {METRIC("exponentialHistogram", "",
                "{\"count\":1,\"zeroCount\":1,\"zeroThreshold\":-1}"),
         "!0 invalid_histogram\n"},
    };

    (void)state;
    EXPECT(cases);
}

static void bad_json(void **state)
{
    static const struct otlp_case cases[] = {
        {"", "!body malformed_json\n"},
        {"[]", "!body wrong_type\n"},
        {"\"\xff\"", "!body invalid_utf8\n"},
        {"{\"resourceMetrics\":{}}", "!body wrong_type resourceMetrics\n"},
        {"{\"resourceMetrics\":[null]}", "!body wrong_type resourceMetrics\n"},
        {METRICS("{\"name\":7}"), "!body wrong_type name\n"},
        {METRICS("{\"name\":\"a\",\"name\":\"b\"}"),
         "!body duplicate_key name\n"},
        {METRICS("{\"gauge\":{},\"sum\":{}}"), "!body duplicate_key sum\n"},
        {GAUGE("{\"asInt\":1.5}"), "!body wrong_type asInt\n"},
        {GAUGE("{\"asInt\":\"0x1\"}"), "!body wrong_type asInt\n"},
        {GAUGE("{\"asInt\":\"\"}"), "!body wrong_type asInt\n"},
        {GAUGE("{\"asDouble\":\"nan\"}"), "!body wrong_type asDouble\n"},
        {GAUGE("{\"timeUnixNano\":-1}"), "!body wrong_type timeUnixNano\n"},
        {GAUGE("{\"timeUnixNano\":\"18446744073709551616\"}"),
         "!body wrong_type timeUnixNano\n"},
        {GAUGE("{\"flags\":4294967296}"), "!body wrong_type flags\n"},
        {GAUGE("{\"attributes\":[" VALUE("\"boolValue\":\"true\"") "]}"),
         "!body wrong_type boolValue\n"},
        {METRIC("sum", "\"aggregationTemporality\":\"DELTA\",", ""),
         "!body wrong_type aggregationTemporality\n"},
        {METRIC("exponentialHistogram", "", "{\"scale\":2147483648}"),
         "!body wrong_type scale\n"},
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        AUTO(judge) j = judge_wide(NULL);
        AUTO_RELEASE(buf) out = {0};
        list(j, str_of(cases[i].json), "Application/JSON; charset=utf-8", "",
             &out);
        if (!str_is(buf_str(&out), cases[i].listing))
            fail_msg("%s: %.*s", cases[i].json, STR_ARG(buf_str(&out)));
    }
}

static void bad_protobuf(void **state)
{
    AUTO(judge) j = judge_wide(NULL);
    AUTO_RELEASE(buf) out = {0}, body = {0};

    (void)state;
    list(j, STR("\x0a\x05"), "application/x-protobuf", "", &out);
    assert_str(buf_str(&out), "!body malformed_protobuf\n");
    list(j, STR("{}"), "application/x-protobuf", "", &out);
    assert_str(buf_str(&out), "!body malformed_protobuf\n");
    list(j, STR(""), "application/x-protobuf", "", &out);
    assert_str(buf_str(&out), "");
    for (int i = 0; i < 100000; i++)
        buf_add(&body, "\x0a\x00", 2);
    list(j, buf_str(&body), "application/x-protobuf", "", &out);
    assert_str(buf_str(&out), "!body unpacked_too_large\n");
    buf_reset(&body);
    buf_add_text(&body, "{\"resourceMetrics\":[{}");
    for (int i = 0; i < 100000; i++)
        buf_add_text(&body, ",{}");
    buf_add_text(&body, "]}");
    list(j, buf_str(&body), "application/json", "", &out);
    assert_true(str_starts(buf_str(&out), STR("!body unpacked_too_large")));
}

/* Text that is not UTF-8 comes in protobuf only. */
static void not_utf8(void **state)
{
    AUTO(judge) j = judge_wide(NULL);
    AUTO_RELEASE(buf) out = {0};
    struct str name = otlp_protobuf(
        j->arena, STR(METRICS("{\"name\":\"QQ\",\"gauge\":{\"dataPoints\":"
                              "[{\"asInt\":1}]}}")));
    struct str label = otlp_protobuf(
        j->arena,
        STR(GAUGE("{\"asInt\":1,\"attributes\":[" TEXT("a", "QQ") "]}")));

    (void)state;
    memcpy(memmem((void *)(uintptr_t)name.p, name.n, "QQ", 2), "\xed\xa0", 2);
    list(j, name, "application/x-protobuf", "", &out);
    assert_str(buf_str(&out), "!0 invalid_utf8 name\n");
    memcpy(memmem((void *)(uintptr_t)label.p, label.n, "QQ", 2), "\xff", 1);
    list(j, label, "application/x-protobuf", "", &out);
    assert_str(buf_str(&out), "!0 invalid_utf8 labels\n");
}

/* tag, length and content of a field, before content was there alone. */
static void wrap(struct buf *content, char tag)
{
    AUTO_RELEASE(buf) whole = {0};
    size_t rest = content->n;

    buf_add_char(&whole, tag);
    for (; rest > 127; rest >>= 7)
        buf_add_char(&whole, (char)(rest | 128));
    buf_add_char(&whole, (char)rest);
    buf_add_str(&whole, buf_str(content));
    struct buf old = *content;
    *content = whole;
    whole = old;
}

/* What unpacking that recurses would die of. */
static void nested_values_are_bounded(void **state)
{
    static const struct {
        int levels;
        const char *listing;
    } cases[] = {
        {2, "m{k={\"\":{\"\":null}}} 1 @-\n"},
        {15, NULL},
        {17, "!0 wrong_type labels\n"},
        {200, "!0 wrong_type labels\n"},
        {10000, "!0 unpacked_too_large labels\n"},
    };
    AUTO(judge) j = judge_wide(NULL);

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        AUTO_RELEASE(buf) body = {0}, out = {0};
        buf_add_text(&body, ""); /* a value that is none */
        for (int level = 0; level < cases[i].levels; level++) {
            wrap(&body, 0x12); /* of a KeyValue */
            wrap(&body, 0x0a); /* of a list of them */
            wrap(&body, 0x32); /* as a value */
        }
        wrap(&body, 0x12);
        buf_add_text(&body, "\x0a\x01k");
        wrap(&body, 0x3a); /* an attribute */
        buf_add(&body, "\x31\x01\0\0\0\0\0\0\0", 9);
        wrap(&body, 0x0a); /* a point */
        wrap(&body, 0x2a);
        buf_add_text(&body, "\x0a\x01m");
        wrap(&body, 0x12); /* a metric */
        wrap(&body, 0x12);
        wrap(&body, 0x0a);
        list(j, buf_str(&body), "application/x-protobuf", "", &out);
        if (cases[i].listing)
            assert_str(buf_str(&out), cases[i].listing);
        else
            assert_true(str_starts(buf_str(&out), STR("m{k={\"\":{")));
    }
}

static void too_many_labels(void **state)
{
    AUTO(judge) j = judge_wide(NULL);
    AUTO_RELEASE(buf) out = {0}, json = {0};

    (void)state;
    for (int n = 12; n < 1000; n = n == 12 ? 13 : n == 13 ? 400 : 1000) {
        buf_reset(&json);
        buf_add_text(&json, "{\"resourceMetrics\":[{\"scopeMetrics\":[{"
                            "\"metrics\":[{\"name\":\"m\",\"gauge\":"
                            "{\"dataPoints\":[{\"asInt\":1,\"attributes\":[");
        for (int i = 0; i < n; i++)
            buf_addf(&json, "%s{\"key\":\"k%d\",\"value\":{\"intValue\":1}}",
                     i > 0 ? "," : "", i);
        buf_add_text(&json, "]}]}}]}]}]}");
        list(j, buf_str(&json), "application/json", "", &out);
        if (n == 12)
            assert_true(str_starts(buf_str(&out), STR("m{k0=1")));
        else
            assert_str(buf_str(&out), "!0 too_many_labels labels\n");
    }
}

/* Nor are they written down again for each point. */
static void too_many_labels_take_no_room(void **state)
{
    AUTO(judge) j = judge_wide(NULL);
    AUTO_RELEASE(buf) out = {0}, json = {0};

    (void)state;
    buf_add_text(&json,
                 "{\"resourceMetrics\":[{\"resource\":{\"attributes\":[");
    for (int i = 0; i < 300; i++)
        buf_addf(&json, "%s{\"key\":\"k%d\",\"value\":{\"intValue\":1}}",
                 i > 0 ? "," : "", i);
    buf_add_text(&json, "]},\"scopeMetrics\":[{\"metrics\":[{\"name\":\"m\","
                        "\"gauge\":{\"dataPoints\":[{}");
    for (int i = 1; i < 2000; i++)
        buf_add_text(&json, ",{}");
    buf_add_text(&json, "]}}]}]}]}");
    list(j, buf_str(&json), "application/json", "*", &out);
    assert_true(str_starts(buf_str(&out), STR("!0 too_many_labels labels\n")));
    assert_in_range(arena_bytes(j->arena), 1, 8000000);
}

/* The suffix counts, and all of a point's records fall with it. */
static void name_lengths(void **state)
{
    AUTO(judge) j = judge_wide(NULL);
    AUTO_RELEASE(buf) out = {0};
    const char *before = "{\"resourceMetrics\":[{\"scopeMetrics\":[{"
                         "\"metrics\":[{\"name\":\"",
               *after = "\",\"histogram\":{\"dataPoints\":[{\"count\":1}]}}]}]}"
                        "]}";

    (void)state;
    list(j, judge_long(j, before, CHECK_NAME_MAX - 7, 'n', after),
         "application/json", "", &out);
    assert_true(str_starts(buf_str(&out), STR("nnn")));
    list(j, judge_long(j, before, CHECK_NAME_MAX - 6, 'n', after),
         "application/json", "", &out);
    assert_str(buf_str(&out), "!0 text_too_long name\n");
}

/* Or small bodies would take hundreds of MB. */
static void points_share_the_room_for_samples(void **state)
{
    uint64_t counts[OTLP_BUCKETS_MAX] = {0};
    Pulse__Otlp__HistogramDataPoint h = PULSE__OTLP__HISTOGRAM_DATA_POINT__INIT;
    const struct otlp_point point = {.histogram = &h};
    struct otlp_samples samples = {0};
    AUTO(judge) j = judge_new(NULL);

    (void)state;
    judge_begin(j);
    h.bucket_counts = counts;
    for (int i = 0; i < 1000; i++) {
        h.n_bucket_counts = i % 2 ? OTLP_BUCKETS_MAX : 5; /* but no bounds */
        assert_false(otlp_samples_make(&j->check, &point, &samples));
        assert_int_equal(j->check.fault.code, FAULT_INVALID_HISTOGRAM);
        assert_int_equal(samples.count, 1);
    }
    assert_in_range(arena_bytes(j->arena), 1, 500000);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(numbers),
        cmocka_unit_test(labels),
        cmocka_unit_test(device_bound_key),
        cmocka_unit_test(histograms),
        cmocka_unit_test(exponential_histograms),
        cmocka_unit_test(bad_json),
        cmocka_unit_test(bad_protobuf),
        cmocka_unit_test(not_utf8),
        cmocka_unit_test(nested_values_are_bounded),
        cmocka_unit_test(too_many_labels),
        cmocka_unit_test(too_many_labels_take_no_room),
        cmocka_unit_test(name_lengths),
        cmocka_unit_test(points_share_the_room_for_samples),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
