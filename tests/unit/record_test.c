/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>

#include <cmocka.h>

#include <math.h>
#include <string.h>

#include "common/pulse/record.h"
#include "tests/unit/record_samples.h"

struct fixture {
    struct record_codec *codec;
    struct arena *arena;
    struct buf out;
};

static int set_up(void **state)
{
    struct fixture *f = xcalloc(1, sizeof *f);
    f->codec = record_codec_new(NULL);
    f->arena = arena_new(4096);
    *state = f;
    return f->codec == NULL;
}

static int tear_down(void **state)
{
    struct fixture *f = *state;
    record_codec_free(f->codec);
    arena_free(f->arena);
    buf_release(&f->out);
    free(f);
    return 0;
}

static struct record round_trip(struct fixture *f, struct record r)
{
    struct err err = {0};
    struct record back;
    buf_reset(&f->out);
    if (!record_encode(f->codec, &r, &f->out, &err) ||
        !record_decode(f->codec, buf_str(&f->out), f->arena, &back, &err)) {
        fail_msg("%s", err.text);
    }
    assert_int_equal(back.kind, r.kind);
    return back;
}

#define assert_str(s, literal)                        \
    do {                                              \
        assert_int_equal((s).n, sizeof(literal) - 1); \
        assert_non_null((s).p);                       \
        assert_memory_equal((s).p, literal, (s).n);   \
    } while (0)

static void test_metric_comes_back(void **state)
{
    struct record r = metric();
    struct metric_record m = round_trip(*state, r).metric;
    assert_str(m.tenant_id, "acme");
    assert_str(m.name, "cpu_usage");
    assert_int_equal(m.label_count, 2);
    assert_str(m.labels[0].name, "host");
    assert_str(m.labels[0].value, "h1");
    assert_str(m.labels[1].name, "zone");
    assert_str(m.labels[1].value, "");
    assert_true(m.value >= 0.1 && m.value <= 0.1);
    assert_int_equal(m.time_us, TIME_US);
    assert_int_equal(m.received_at_us, TIME_US + 1);
    assert_null(m.source.p);

    r.metric.label_count = 0;
    m = round_trip(*state, r).metric;
    assert_int_equal(m.label_count, 0);
}

static void test_source_is_a_label_when_decoded(void **state)
{
    struct record r = metric();
    r.metric.source = STR("agent");
    struct metric_record m = round_trip(*state, r).metric;
    assert_str(m.source, "agent");
    assert_int_equal(m.label_count, 3);
    assert_str(m.labels[1].name, "source");
    assert_str(m.labels[1].value, "agent");
}

static void test_telemetry_comes_back(void **state)
{
    struct telemetry_record t = round_trip(*state, telemetry()).telemetry;
    assert_str(t.device_id, "d-1");
    assert_str(t.site_id, ""); /* present, and empty */
    assert_str(t.msg_type, "telemetry");
    assert_int_equal(t.seq, 7);
    assert_int_equal(t.metric_count, 4);
    assert_str(t.metrics[0].name, "temp");
    assert_true(t.metrics[0].type == FIELD_REAL && t.metrics[0].real < 0);
    assert_true(t.metrics[1].type == FIELD_INTEGER);
    assert_true(t.metrics[1].integer == INT64_MIN);
    assert_true(t.metrics[2].type == FIELD_BOOLEAN && t.metrics[2].boolean);
    assert_str(t.metrics[3].name, "\xc3\xa4");
    assert_int_equal(t.metrics[3].type, FIELD_TEXT);
    assert_str(t.metrics[3].text, "");
}

static void test_event_comes_back(void **state)
{
    struct event_record e = round_trip(*state, event()).event;
    assert_str(e.id, "e1");
    assert_int_equal(e.kind, EVENT_EVENT);
    assert_str(e.level, "error");
    assert_str(e.service, "shop");
    assert_null(e.message.p);
    assert_str(e.attributes, "{\"a\": [1]}");
    assert_int_equal(e.received_at_us, TIME_US + 1);
}

static void test_dead_letter_comes_back(void **state)
{
    struct record r = dead_letter();
    struct dead_letter_record d = round_trip(*state, r).dead_letter;
    assert_null(d.tenant_id.p);
    assert_str(d.payload, "\xff\0\1");
    assert_str(d.topic, "pulse.metrics");
    assert_int_equal(d.part, 3);
    assert_int_equal(d.offset, INT64_C(5000000000));
    assert_int_equal(d.failed_at_us, TIME_US + 1);

    r.dead_letter.topic = (struct str){0};
    r.dead_letter.payload = (struct str){0};
    r.dead_letter.tenant_id = STR("acme");
    d = round_trip(*state, r).dead_letter;
    assert_null(d.topic.p);
    assert_str(d.payload, "");
    assert_int_equal(d.offset, 0);
    assert_str(d.tenant_id, "acme");
}

/* libavro keeps the branch of a union across a reset: a value that was there
 * in the last record must not show in the next. */
static void test_codec_keeps_nothing_of_the_last_record(void **state)
{
    struct record r = metric();
    r.metric.source = STR("agent");
    (void)round_trip(*state, r);
    struct metric_record m = round_trip(*state, metric()).metric;
    assert_null(m.source.p);
    assert_int_equal(m.label_count, 2);
    struct record empty = telemetry();
    empty.telemetry.metric_count = 0;
    (void)round_trip(*state, telemetry());
    assert_int_equal(round_trip(*state, empty).telemetry.metric_count, 0);
    assert_int_equal(round_trip(*state, telemetry()).telemetry.metric_count, 4);
}

static void assert_refused(struct fixture *f, const struct record *r,
                           const char *why)
{
    struct err err = {0};
    size_t before = f->out.n;
    assert_false(record_encode(f->codec, r, &f->out, &err));
    assert_int_equal(err.kind, ERR_INPUT);
    if (strstr(err.text, why) == NULL) {
        fail_msg("\"%s\" does not say \"%s\"", err.text, why);
    }
    assert_int_equal(f->out.n, before);
}

static void test_encode_refuses_bad_texts_and_numbers(void **state)
{
    struct record r = metric();
    r.metric.value = NAN;
    assert_refused(*state, &r, "value is not finite");
    r = metric();
    r.metric.name = (struct str){"a\0b", 3};
    assert_refused(*state, &r, "name holds a NUL");
    r = metric();
    r.metric.tenant_id = STR("");
    assert_refused(*state, &r, "tenant_id is empty");
    r = metric();
    const struct label bad = {STR("host"), STR("\xc0\x80")};
    r.metric.labels = &bad;
    r.metric.label_count = 1;
    assert_refused(*state, &r, "label's value is not UTF-8");
    r = telemetry();
    const struct field inf = {
        .name = STR("x"), .type = FIELD_REAL, .real = INFINITY};
    r.telemetry.metrics = &inf;
    r.telemetry.metric_count = 1;
    assert_refused(*state, &r, "not finite");
    r = event();
    r.event.message = STR("\xed\xa0\x80");
    assert_refused(*state, &r, "message is not UTF-8");
}

static void test_decode_refuses_foreign_messages(void **state)
{
    struct fixture *f = *state;
    struct err err = {0};
    struct record r = metric(), back;
    assert_false(
        record_decode(f->codec, STR("{\"json\":1}"), f->arena, &back, &err));
    assert_int_equal(err.kind, ERR_INPUT);
    assert_false(
        record_decode(f->codec, STR("\xc3\1abcdefghx"), f->arena, &back, &err));
    assert_non_null(strstr(err.text, "unknown schema"));
    assert_true(record_encode(f->codec, &r, &f->out, &err));
    for (size_t n = 0; n < f->out.n; n++) { /* every truncation */
        assert_false(record_decode(f->codec, (struct str){f->out.p, n},
                                   f->arena, &back, &err));
        assert_int_equal(err.kind, ERR_INPUT);
    }
    buf_add_char(&f->out, '\0');
    assert_false(
        record_decode(f->codec, buf_str(&f->out), f->arena, &back, &err));
    assert_non_null(strstr(err.text, "left over"));
}

/* Replaces the double 0.1 of a good metric by a NaN, as a foreign producer
 * could write it. */
static void test_decode_refuses_nan(void **state)
{
    struct fixture *f = *state;
    struct err err = {0};
    struct record r = metric(), back;
    double value = 0.1, nan = NAN;
    assert_true(record_encode(f->codec, &r, &f->out, &err));
    char *at = memmem(f->out.p, f->out.n, &value, sizeof value);
    assert_non_null(at);
    memcpy(at, &nan, sizeof nan);
    assert_false(
        record_decode(f->codec, buf_str(&f->out), f->arena, &back, &err));
    assert_non_null(strstr(err.text, "not finite"));
}

/* {"b":"1","a":"2","b":"3"}: sorted, and the later b counts. */
static void test_decode_sorts_foreign_labels(void **state)
{
    struct fixture *f = *state;
    struct err err = {0};
    struct record r = metric(), back;
    r.metric.label_count = 0;
    assert_true(record_encode(f->codec, &r, &f->out, &err));
    const char *empty = memmem(f->out.p, f->out.n, "cpu_usage", 9);
    size_t head = (size_t)(empty + 9 - f->out.p);
    AUTO_RELEASE(buf) message = {0};
    buf_add(&message, f->out.p, head);
    buf_add(&message, "\6\2b\0021\2a\0022\2b\0023", 13);
    buf_add(&message, f->out.p + head, f->out.n - head);
    if (!record_decode(f->codec, buf_str(&message), f->arena, &back, &err)) {
        fail_msg("%s", err.text);
    }
    assert_int_equal(back.metric.label_count, 2);
    assert_str(back.metric.labels[0].name, "a");
    assert_str(back.metric.labels[0].value, "2");
    assert_str(back.metric.labels[1].name, "b");
    assert_str(back.metric.labels[1].value, "3");
}

static void assert_key(const struct record *r, const char *key)
{
    AUTO_RELEASE(buf) out = {0};
    record_key(r, &out);
    assert_string_equal(out.p, key);
}

static void test_keys(void **state)
{
    (void)state;
    struct record r = telemetry();
    assert_key(&r, "acme:d-1");
    r = event();
    assert_key(&r, "acme:shop");
    r.event.service = (struct str){0};
    assert_key(&r, "acme:");
    r = dead_letter();
    r.dead_letter.tenant_id = STR("acme");
    assert_key(&r, "acme");
    /* A change of this value moves series to other partitions. */
    r = metric();
    assert_key(&r, "acme:3540a21a4a13ef8b");
}

static void metric_key(struct buf *out, const struct label *l, size_t count,
                       struct str source)
{
    struct record r = metric();
    r.metric.labels = l;
    r.metric.label_count = count;
    r.metric.source = source;
    buf_reset(out);
    record_key(&r, out);
}

static void test_series_with_source_has_one_key(void **state)
{
    static const struct label with[] = {{{"host", 4}, {"h", 1}},
                                        {{"source", 6}, {"a", 1}},
                                        {{"zone", 4}, {"z", 1}}};
    static const struct label without[] = {{{"host", 4}, {"h", 1}},
                                           {{"zone", 4}, {"z", 1}}};
    AUTO_RELEASE(buf) a = {0};
    AUTO_RELEASE(buf) b = {0};
    (void)state;
    metric_key(&a, with, 3, (struct str){0});
    metric_key(&b, without, 2, STR("a"));
    assert_string_equal(a.p, b.p);
    metric_key(&b, with, 3, STR("other")); /* the label wins */
    assert_string_equal(a.p, b.p);
    metric_key(&b, without, 2, STR("b"));
    assert_string_not_equal(a.p, b.p);
    metric_key(&a, &with[1], 1, (struct str){0});
    metric_key(&b, NULL, 0, STR("a"));
    assert_string_equal(a.p, b.p);
    metric_key(&a, with, 2, (struct str){0}); /* source comes last */
    metric_key(&b, with, 1, STR("a"));
    assert_string_equal(a.p, b.p);
}

static void test_metric_labels_adds_source(void **state)
{
    struct fixture *f = *state;
    struct record r = metric();
    size_t count;
    assert_ptr_equal(metric_labels(&r.metric, f->arena, &count), labels);
    assert_int_equal(count, 2);
    r.metric.source = STR("agent");
    const struct label *l = metric_labels(&r.metric, f->arena, &count);
    assert_int_equal(count, 3);
    assert_str(l[0].name, "host");
    assert_str(l[1].name, "source");
    assert_str(l[1].value, "agent");
    assert_str(l[2].name, "zone");
}

static void test_labels_sort(void **state)
{
    struct label l[] = {
        {STR("b"), STR("1")}, {STR("ab"), STR("2")}, {STR("a"), STR("3")}};
    (void)state;
    assert_true(labels_sort(l, 3));
    assert_str(l[0].name, "a");
    assert_str(l[1].name, "ab");
    assert_str(l[2].name, "b");
    assert_true(labels_sort(l, 3));
    assert_true(labels_sort(NULL, 0));
    l[2].name = STR("a");
    assert_false(labels_sort(l, 3));
}

static void assert_json(const struct record *r, const char *json)
{
    AUTO_RELEASE(buf) out = {0};
    record_json(r, &out);
    assert_string_equal(out.p, json);
}

static void test_json(void **state)
{
    (void)state;
    struct record r = metric();
    assert_json(&r, "{\"tenant_id\":\"acme\",\"name\":\"cpu_usage\","
                    "\"labels\":{\"host\":\"h1\",\"zone\":\"\"},"
                    "\"value\":0.1,\"time\":\"2026-01-01T00:00:00.123456Z\","
                    "\"received_at\":\"2026-01-01T00:00:00.123457Z\"}");
    r = telemetry();
    assert_json(&r, "{\"tenant_id\":\"acme\",\"device_id\":\"d-1\","
                    "\"site_id\":\"\",\"msg_type\":\"telemetry\",\"seq\":7,"
                    "\"time\":\"2026-01-01T00:00:00.123456Z\","
                    "\"received_at\":\"2026-01-01T00:00:00.123457Z\","
                    "\"metrics\":{\"temp\":-0.5,"
                    "\"count\":-9223372036854775808,\"on\":true,"
                    "\"\xc3\xa4\":\"\"}}");
    r = event();
    assert_json(&r, "{\"tenant_id\":\"acme\",\"id\":\"e1\",\"kind\":\"event\","
                    "\"level\":\"error\",\"service\":\"shop\","
                    "\"attributes\":{\"a\":[1]},"
                    "\"time\":\"2026-01-01T00:00:00.123456Z\","
                    "\"received_at\":\"2026-01-01T00:00:00.123457Z\"}");
    r = dead_letter();
    assert_json(&r, "{\"stage\":\"writer\",\"reason\":\"undecodable\","
                    "\"detail\":\"no Avro\","
                    "\"content_type\":\"application/octet-stream\","
                    "\"payload\":{\"base64\":\"/wAB\"},"
                    "\"topic\":\"pulse.metrics\",\"partition\":3,"
                    "\"offset\":5000000000,"
                    "\"received_at\":\"2026-01-01T00:00:00.123456Z\","
                    "\"failed_at\":\"2026-01-01T00:00:00.123457Z\"}");
    r.dead_letter.payload = STR("{\"x\"");
    r.dead_letter.topic = (struct str){0};
    assert_json(&r, "{\"stage\":\"writer\",\"reason\":\"undecodable\","
                    "\"detail\":\"no Avro\","
                    "\"content_type\":\"application/octet-stream\","
                    "\"payload\":\"{\\\"x\\\"\","
                    "\"received_at\":\"2026-01-01T00:00:00.123456Z\","
                    "\"failed_at\":\"2026-01-01T00:00:00.123457Z\"}");
}

/* Messages that fastavro 1.9 wrote from the .avsc files. Maps have one order
 * here, so encoding gives the very same bytes. */
static const struct {
    const char *hex, *json;
} golden[] = {
    {"c3014b41803bbd68aafc0861636d65126370755f75736167650408686f737404683108"
     "7a6f6e6500009a9999999999b93f808991e288d2a306808991e288d2a30600",
     "{\"tenant_id\":\"acme\",\"name\":\"cpu_usage\",\"labels\":{\"host\":"
     "\"h1\","
     "\"zone\":\"\"},\"value\":0.1,\"time\":\"2026-01-01T00:00:00.123456Z\","
     "\"received_at\":\"2026-01-01T00:00:00.123456Z\"}"},
    {"c30101f8a0d97d20aa140861636d6506642d31001274656c656d657472790e808991e288"
     "d2a306808991e288d2a306080874656d7000000000000000e0bf0a636f756e7402"
     "05046f6e040102730604c3a400",
     "{\"tenant_id\":\"acme\",\"device_id\":\"d-1\",\"msg_type\":"
     "\"telemetry\",\"seq\":7,\"time\":\"2026-01-01T00:00:00.123456Z\","
     "\"received_at\":\"2026-01-01T00:00:00.123456Z\",\"metrics\":{"
     "\"temp\":-0.5,\"count\":-3,\"on\":true,\"s\":\"\xc3\xa4\"}}"},
    {"c301dfa7e49d6048528d0861636d6504653102020a6572726f720002026d047b7d808991"
     "e288d2a306808991e288d2a306",
     "{\"tenant_id\":\"acme\",\"id\":\"e1\",\"kind\":\"event\",\"level\":"
     "\"error\",\"message\":\"m\",\"attributes\":{},\"time\":"
     "\"2026-01-01T00:00:00.123456Z\",\"received_at\":"
     "\"2026-01-01T00:00:00.123456Z\"}"},
    {"c301a619f7b198fd7e2c000c777269746572000002026402720002780"
     "4ff00021870756c73652e6576656e747302060280c8afa025808991e288d2a306808991e2"
     "88d2a306",
     "{\"stage\":\"writer\",\"device_id\":\"d\",\"reason\":\"r\",\"detail\":"
     "\"\",\"content_type\":\"x\",\"payload\":{\"base64\":\"/wA=\"},\"topic\":"
     "\"pulse.events\",\"partition\":3,\"offset\":5000000000,"
     "\"received_at\":\"2026-01-01T00:00:00.123456Z\",\"failed_at\":"
     "\"2026-01-01T00:00:00.123456Z\"}"},
};

static void test_fastavros_messages(void **state)
{
    struct fixture *f = *state;
    for (size_t i = 0; i < ARRAY_LEN(golden); i++) {
        AUTO_RELEASE(buf) message = {0};
        struct err err = {0};
        struct record r;
        for (const char *p = golden[i].hex; *p != '\0'; p += 2) {
            char digits[3] = {p[0], p[1], '\0'};
            buf_add_char(&message, (char)strtol(digits, NULL, 16));
        }
        if (!record_decode(f->codec, buf_str(&message), f->arena, &r, &err)) {
            fail_msg("%zu: %s", i, err.text);
        }
        buf_reset(&f->out);
        record_json(&r, &f->out);
        assert_string_equal(f->out.p, golden[i].json);
        buf_reset(&f->out);
        assert_true(record_encode(f->codec, &r, &f->out, &err));
        assert_true(str_eq(buf_str(&f->out), buf_str(&message)));
    }
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_metric_comes_back),
        TEST(test_source_is_a_label_when_decoded),
        TEST(test_telemetry_comes_back),
        TEST(test_event_comes_back),
        TEST(test_dead_letter_comes_back),
        TEST(test_codec_keeps_nothing_of_the_last_record),
        TEST(test_encode_refuses_bad_texts_and_numbers),
        TEST(test_fastavros_messages),
        TEST(test_decode_refuses_foreign_messages),
        TEST(test_decode_refuses_nan),
        TEST(test_decode_sorts_foreign_labels),
        TEST(test_series_with_source_has_one_key),
        TEST(test_metric_labels_adds_source),
        cmocka_unit_test(test_keys),
        cmocka_unit_test(test_labels_sort),
        cmocka_unit_test(test_json),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
