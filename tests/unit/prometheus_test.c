/* SPDX-License-Identifier: Apache-2.0 */
#include "common/pulse/protocol/prometheus.h"

#include <math.h>

#include "common/pulse/endpoint.h"
#include "tests/unit/judge.h"
#include "tests/unit/remote_write.h"

#define NOW_MS (NOW_US / 1000)

/* A body of request is open. */
static void begin(struct judge *j, const struct buf *request, struct body *b)
{
    struct posted posted = {.text = buf_str(request)};

    judge_begin(j);
    if (!body_open(b, endpoint_find(STR("/api/v1/write")), &j->check, &posted))
        fail_msg("%.*s", STR_ARG(j->check.fault.message));
}

static double stale(void)
{
    const uint64_t bits = PROMETHEUS_STALE_BITS;
    double value;

    memcpy(&value, &bits, sizeof value);
    return value;
}

/* "name host=a site=b" as labels; "=" with nothing behind is an empty one. */
static void add_series(struct buf *request, const char *labels, double value,
                       int64_t ms)
{
    AUTO_RELEASE(buf) series = {0};
    struct str rest = str_of(labels), word, name, text;

    for (bool first = true; str_next(&rest, ' ', &word); first = false)
        if (first && word.n > 0)
            rw_label(&series, STR("__name__"), word);
        else if (str_cut(word, '=', &name, &text))
            rw_label(&series, name, text);
    rw_sample(&series, value, ms);
    rw_series(request, &series);
}

static void media(void **state)
{
    static const struct {
        const char *type;
        bool taken;
    } cases[] = {
        {"application/x-protobuf", true},
        {"Application/X-Protobuf ; charset=x", true},
        {"", true},
        {"application/x-protobuf;proto=prometheus.WriteRequest", true},
        {"application/x-protobuf; proto=\"prometheus.WriteRequest\"", true},
        {"application/x-protobuf; charset=utf-8; "
         "PROTO=prometheus.WriteRequest",
         true},
        {"application/x-protobuf;proto=io.prometheus.write.v2.Request", false},
        {"application/x-protobuf;proto=", false},
        {"application/x-protobuf;proto=prometheus.WriteRequest;proto=x", false},
        {"application/json", false},
        {"application/x-protobuffer", false},
        {"text/plain;proto=prometheus.WriteRequest", false},
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++)
        if (prometheus_media(str_of(cases[i].type)) != cases[i].taken)
            fail_msg("%s", cases[i].type);
}

static void samples_of_a_series_share_its_labels(void **state)
{
    AUTO(judge) j = judge_new("d1");
    AUTO_RELEASE(buf) series = {0}, request = {0};
    struct body b;
    struct unit u;

    (void)state;
    rw_label(&series, STR("zone"), STR("ü")); /* not in their order */
    rw_label(&series, STR("__name__"), STR("up"));
    rw_label(&series, STR("host"), STR("a"));
    rw_label(&series, STR("gone"), STR(""));
    rw_sample(&series, 1.5, NOW_MS);
    rw_sample(&series, -2, NOW_MS - 15001);
    rw_series(&request, &series);
    begin(j, &request, &b);
    assert_int_equal(b.records_max, 2);
    assert_true(body_next(&b, &u));
    assert_true(u.good);
    assert_int_equal(u.index, 0);
    assert_int_equal(u.record.kind, RECORD_METRIC);
    struct metric_record first = u.record.metric;
    assert_str(first.tenant_id, "acme");
    assert_str(first.name, "up");
    assert_true(first.value == 1.5);
    assert_int_equal(first.time_us, NOW_MS * 1000);
    assert_int_equal(first.label_count, 3);
    assert_str(first.labels[0].name, "device_id");
    assert_str(first.labels[0].value, "d1");
    assert_str(first.labels[1].name, "host");
    assert_str(first.labels[2].value, "ü");
    assert_true(body_next(&b, &u));
    assert_true(u.good);
    assert_int_equal(u.index, 1);
    assert_true(u.record.metric.value == -2);
    assert_int_equal(u.record.metric.time_us, (NOW_MS - 15001) * 1000);
    assert_int_equal(u.record.metric.label_count, 3);
    assert_false(body_next(&b, &u));
}

static void verdicts(void **state)
{
    static const struct {
        const char *labels;
        int64_t ms;
        const char *code, *field;
    } cases[] = {
        {"up", NOW_MS, "none", NULL},
        {"up a=1 b=2 c=3 d=4", NOW_MS, "none", NULL},
        {"up a=1 b=2 c=3 d=4 e=", NOW_MS, "none", NULL},
        {"up a=1 b=2 c=3 d=4 e=5", NOW_MS, "too_many_labels", "labels"},
        {"up a=1 a=2", NOW_MS, "duplicate_key", "labels"},
        {"up a=1 a=1", NOW_MS, "duplicate_key", "labels"},
        {"up __name__=down", NOW_MS, "duplicate_key", "labels.__name__"},
        {" a=1", NOW_MS, "missing_field", "labels.__name__"},
        {"up =1", NOW_MS, "empty_text", "labels."},
        {"up a=\xff", NOW_MS, "invalid_utf8", "labels"},
        {"\xff", NOW_MS, "invalid_utf8", "name"},
        {"up", 0, "time_too_old", "timestamp"},
        {"up", NOW_MS - 7 * 86400000LL, "none", NULL},
        {"up", NOW_MS - 7 * 86400000LL - 1, "time_too_old", "timestamp"},
        {"up", NOW_MS + 600000, "none", NULL},
        {"up", NOW_MS + 600001, "time_too_new", "timestamp"},
        {"up", INT64_MAX, "time_too_new", "timestamp"},
        {"up", INT64_MIN, "time_too_old", "timestamp"},
    };
    AUTO(judge) j = judge_new(NULL);

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        AUTO_RELEASE(buf) request = {0};
        struct body b;
        struct unit u;
        add_series(&request, cases[i].labels, 1, cases[i].ms);
        begin(j, &request, &b);
        assert_true(body_next(&b, &u));
        const char *code = fault_name(j->check.fault.code);
        if (strcmp(code, cases[i].code) != 0 || u.good != !cases[i].field)
            fail_msg("case %zu: %s, not %s", i, code, cases[i].code);
        if (cases[i].field && !str_is(j->check.fault.field, cases[i].field))
            fail_msg("case %zu: %.*s", i, STR_ARG(j->check.fault.field));
        assert_false(body_next(&b, &u));
    }
}

/* One bad series does not spoil its neighbours; each of its samples is a unit
 * that says why. */
static void bad_among_good(void **state)
{
    AUTO(judge) j = judge_new(NULL);
    AUTO_RELEASE(buf) bad = {0}, request = {0};
    struct body b;
    struct unit u;

    (void)state;
    add_series(&request, "one", 1, NOW_MS);
    rw_label(&bad, STR("__name__"), STR("two"));
    rw_label(&bad, STR("a\0b"), STR("x"));
    rw_sample(&bad, 0.1, NOW_MS);
    rw_sample(&bad, 2, NOW_MS + 1);
    rw_series(&request, &bad);
    add_series(&request, "three", 3, NOW_MS);
    begin(j, &request, &b);
    for (size_t i = 0; i < 4; i++) {
        assert_true(body_next(&b, &u));
        assert_int_equal(u.index, i);
        assert_int_equal(u.good, i == 0 || i == 3);
        assert_int_equal(j->check.fault.code,
                         u.good ? FAULT_NONE : FAULT_NUL_CHARACTER);
        if (i == 1)
            assert_str(body_text(&b, &u),
                       "{\"name\":\"two\",\"value\":0.1,"
                       "\"labels\":{\"a\\u0000b\":\"x\"},"
                       "\"timestamp\":\"2026-01-01T00:00:00.000000Z\"}");
    }
    assert_str(body_text_type(&b), METRIC_JSON_TYPE);
    assert_false(body_next(&b, &u));
}

static void what_is_left_out(void **state)
{
    static const double values[] = {NAN, INFINITY, -INFINITY, 5};
    AUTO(judge) j = judge_new(NULL);
    AUTO_RELEASE(buf) series = {0}, request = {0};
    struct body b;
    struct unit u;

    (void)state;
    rw_bytes(&request, 3, STR("help"));
    rw_label(&series, STR("__name__"), STR("m"));
    rw_sample(&series, stale(), NOW_MS);
    for (size_t i = 0; i < ARRAY_LEN(values); i++)
        rw_sample(&series, values[i], NOW_MS);
    rw_bytes(&series, 3, STR("exemplar"));
    rw_bytes(&series, 3, STR("exemplar"));
    rw_bytes(&series, 9, STR("unknown"));
    rw_series(&request, &series);
    rw_bytes(&request, 9, STR("unknown"));
    begin(j, &request, &b);
    assert_true(body_next(&b, &u));
    assert_true(u.good);
    assert_int_equal(u.index, 0); /* no gaps */
    assert_true(u.record.metric.value == 5);
    assert_false(body_next(&b, &u));
    assert_int_equal(b.skipped[SKIP_STALE], 1);
    assert_int_equal(b.skipped[SKIP_NOT_FINITE], 3);
    assert_int_equal(b.skipped[SKIP_EXEMPLAR], 2);
    assert_int_equal(b.skipped[SKIP_METADATA], 1);
}

static void native_histograms_are_refused(void **state)
{
    AUTO(judge) j = judge_new(NULL);
    AUTO_RELEASE(buf) series = {0}, request = {0};
    struct body b;
    struct unit u;

    (void)state;
    rw_label(&series, STR("__name__"), STR("h"));
    rw_label(&series, STR("job"), STR("x"));
    rw_bytes(&series, 4, STR(""));
    rw_series(&request, &series);
    begin(j, &request, &b);
    assert_int_equal(b.records_max, 1);
    assert_true(body_next(&b, &u));
    assert_false(u.good);
    assert_int_equal(j->check.fault.code, FAULT_NATIVE_HISTOGRAM);
    assert_str(body_text(&b, &u),
               "{\"name\":\"h\",\"labels\":{\"job\":\"x\"}}");
    assert_false(body_next(&b, &u));
}

static void empty_requests(void **state)
{
    AUTO(judge) j = judge_new(NULL);
    AUTO_RELEASE(buf) none = {0}, request = {0};
    struct body b;
    struct unit u;

    (void)state;
    begin(j, &none, &b);
    assert_false(body_next(&b, &u));
    rw_series(&request, &none); /* neither labels nor samples */
    begin(j, &request, &b);
    assert_int_equal(b.records_max, 0);
    assert_false(body_next(&b, &u));
}

static enum fault_code refused(struct judge *j, struct str text)
{
    struct posted posted = {.text = text};
    struct body b;

    judge_begin(j);
    if (body_open(&b, endpoint_find(STR("/api/v1/write")), &j->check, &posted))
        return FAULT_NONE;
    assert_true(j->check.fault.message.n > 0);
    return j->check.fault.code;
}

static void no_write_request(void **state)
{
    AUTO(judge) j = judge_new(NULL);
    AUTO_RELEASE(buf) request = {0};

    (void)state;
    assert_int_equal(refused(j, STR("{\"name\":\"a\"}")),
                     FAULT_MALFORMED_PROTOBUF);
    assert_int_equal(refused(j, STR("\x0a\xff\xff\xff\xff\xff")),
                     FAULT_MALFORMED_PROTOBUF);
    assert_int_equal(refused(j, STR("\x0a\x02\x10\x01")), /* samples = 1 */
                     FAULT_MALFORMED_PROTOBUF);
    add_series(&request, "up a=1", 1, NOW_MS);
    for (size_t n = 1; n < request.n; n++)
        assert_int_equal(refused(j, (struct str){request.p, n}),
                         FAULT_MALFORMED_PROTOBUF);
}

/* 4 MiB of empty series and labels would be some 200 MiB as C structs. */
static void growth_is_bounded(void **state)
{
    AUTO(judge) j = judge_new(NULL);
    AUTO_RELEASE(buf) request = {0};

    (void)state;
    while (request.n < 4 << 20)
        buf_add(&request, "\x0a\x00", 2);
    assert_int_equal(refused(j, buf_str(&request)), FAULT_UNPACKED_TOO_LARGE);
}

/* Letters of a series with long labels do not add up. */
static void letters_are_bounded(void **state)
{
    enum { SAMPLES = 3000 };
    AUTO(judge) j = judge_new(NULL);
    AUTO_RELEASE(buf) series = {0}, request = {0};
    struct body b;
    struct unit u;
    size_t bytes = 0;

    (void)state;
    rw_label(&series, STR("__name__"), STR("m"));
    for (int i = 0; i < 50; i++)
        rw_label(&series, judge_long(j, "", 1500, 'n', ""),
                 judge_long(j, "", 1500, 'v', ""));
    for (int i = 0; i < SAMPLES; i++)
        rw_sample(&series, i, NOW_MS);
    rw_series(&request, &series);
    begin(j, &request, &b);
    for (int i = 0; i < SAMPLES; i++) {
        assert_true(body_next(&b, &u));
        assert_false(u.good);
        bytes += body_text(&b, &u).n;
    }
    assert_str(body_text(&b, &u), "{\"name\":\"m\"}");
    assert_true(bytes < 2 << 20);
}

/* Labels of bad samples are gathered once for their series: a body of 100 KB
 * would take 300 MB. */
static void samples_share_the_labels_of_letters(void **state)
{
    enum { SAMPLES = 1000, LABELS = 1000 };
    AUTO(judge) j = judge_new(NULL);
    AUTO_RELEASE(buf) series = {0}, request = {0};
    struct body b;
    struct unit u;

    (void)state;
    rw_label(&series, STR("__name__"), STR("m"));
    for (int i = 0; i < LABELS; i++)
        rw_label(&series, STR(""), STR(""));
    for (int i = 0; i < SAMPLES; i++)
        rw_sample(&series, i, 0);
    rw_series(&request, &series);
    begin(j, &request, &b);
    for (int i = 0; i < SAMPLES; i++) {
        assert_true(body_next(&b, &u));
        assert_false(u.good);
        assert_true(body_text(&b, &u).n > 0);
    }
    assert_in_range(arena_bytes(j->arena), 1, 2000000);
}

/* Once repaired, a letter is read by the parser of Pulse's own JSON. */
static void letters_are_metric_json(void **state)
{
    AUTO(judge) j = judge_new(NULL);
    AUTO_RELEASE(buf) request = {0};
    struct body b, again;
    struct unit u;

    (void)state;
    add_series(&request, "up a=\xff\"x", 0.1, NOW_MS);
    begin(j, &request, &b);
    assert_true(body_next(&b, &u));
    assert_false(u.good);
    struct posted kept = {.text = body_text(&b, &u),
                          .content_type = body_text_type(&b)};
    judge_begin(j);
    assert_true(body_open(&again, endpoint_find(STR("/api/v1/write")),
                          &j->check, &kept));
    assert_true(body_next(&again, &u));
    assert_true(u.good);
    assert_str(u.record.metric.name, "up");
    assert_true(u.record.metric.value == 0.1);
    assert_int_equal(u.record.metric.time_us, NOW_US);
    assert_str(u.record.metric.labels[0].value, "\xef\xbf\xbd\"x");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(media),
        cmocka_unit_test(samples_of_a_series_share_its_labels),
        cmocka_unit_test(verdicts),
        cmocka_unit_test(bad_among_good),
        cmocka_unit_test(what_is_left_out),
        cmocka_unit_test(native_histograms_are_refused),
        cmocka_unit_test(empty_requests),
        cmocka_unit_test(no_write_request),
        cmocka_unit_test(growth_is_bounded),
        cmocka_unit_test(letters_are_bounded),
        cmocka_unit_test(samples_share_the_labels_of_letters),
        cmocka_unit_test(letters_are_metric_json),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
