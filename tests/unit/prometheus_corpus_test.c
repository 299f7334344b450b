/* SPDX-License-Identifier: Apache-2.0 */
/* What Debian's Prometheus sent (tests/corpus/prometheus/capture.py). */
#include "common/pulse/endpoint.h"
#include "common/unpack.h"
#include "tests/unit/judge.h"

struct counts {
    size_t records, labels;
    size_t skipped[SKIP_COUNT];
};

static void file_read(const char *name, struct buf *out)
{
    char path[128];

    snprintf(path, sizeof path, "tests/corpus/prometheus/%s.snappy", name);
    FILE *f = fopen(path, "rb");
    assert_non_null(f);
    out->n = fread(buf_reserve(out, 65536), 1, 65536, f);
    fclose(f);
    assert_true(out->n > 0 && out->n < 65536);
}

/* The request's body as protobuf. */
static void request_read(const char *name, struct buf *out)
{
    AUTO_RELEASE(buf) packed = {0};
    AUTO(unpacker) unpacker = unpacker_new();

    file_read(name, &packed);
    assert_int_equal(
        unpack(unpacker, CODING_SNAPPY, buf_str(&packed), 1 << 20, out, NULL),
        UNPACKED);
}

/* Appends the series to out, "name{label=value,…} value", a line each. */
static struct counts series_list(const char *name, struct buf *out)
{
    AUTO(judge) j = judge_new(NULL);
    AUTO_RELEASE(buf) text = {0};
    struct counts counts = {0};
    struct body b;
    struct unit u;

    request_read(name, &text);
    j->rules.future_us = INT64_C(1) << 60; /* it was captured after NOW_US */
    judge_begin(j);
    struct posted posted = {.text = buf_str(&text),
                            .content_type = STR("application/x-protobuf")};
    assert_true(
        body_open(&b, endpoint_find(STR("/api/v1/write")), &j->check, &posted));
    while (body_next(&b, &u)) {
        assert_true(u.good);
        assert_int_equal(u.index, counts.records);
        const struct metric_record *m = &u.record.metric;
        buf_addf(out, "%.*s", STR_ARG(m->name));
        for (size_t i = 0; i < m->label_count; i++)
            if (!str_is(m->labels[i].name, "instance"))
                buf_addf(out, " %.*s=%.*s", STR_ARG(m->labels[i].name),
                         STR_ARG(m->labels[i].value));
        buf_addf(out, " %g\n", m->value);
        counts.records++;
        counts.labels += m->label_count;
    }
    memcpy(counts.skipped, b.skipped, sizeof counts.skipped);
    return counts;
}

static void scrape(void **state)
{
    static const char *const lines[] = {
        "demo_requests_total code=200 job=demo path=/a\"b\\c 1027\n",
        "demo_requests_total code=500 job=demo path=ü 3\n",
        "demo_seconds_bucket job=demo le=+Inf 5\n",
        "demo_seconds_sum job=demo 1.7\n",
        "demo_latency_count job=demo 0\n",
        "demo_empty job=demo kept=x 1e-300\n",
        "up job=demo 1\n",
    };
    AUTO_RELEASE(buf) out = {0};
    struct counts counts = series_list("scrape", &out);

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(lines); i++)
        if (!strstr(out.p, lines[i]))
            fail_msg("%s is not in\n%s", lines[i], out.p);
    /* 10 series of the exporter's, 5 of Prometheus's own on the scrape. */
    assert_int_equal(counts.records, 15);
    assert_int_equal(counts.skipped[SKIP_NOT_FINITE], 3);
    assert_int_equal(counts.skipped[SKIP_STALE], 0);
}

static void metadata(void **state)
{
    AUTO_RELEASE(buf) out = {0};
    struct counts counts = series_list("metadata", &out);

    (void)state;
    assert_int_equal(counts.records, 0);
    assert_true(counts.skipped[SKIP_METADATA] > 0);
}

static void stale(void **state)
{
    AUTO_RELEASE(buf) out = {0};
    struct counts counts = series_list("stale", &out);

    (void)state;
    assert_int_equal(counts.skipped[SKIP_STALE], 13); /* the exporter's all */
    assert_int_equal(counts.skipped[SKIP_NOT_FINITE], 0);
    assert_int_equal(counts.records, 5);
    assert_non_null(strstr(out.p, "up job=demo 0\n"));
    assert_null(strstr(out.p, "demo_"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(scrape),
        cmocka_unit_test(metadata),
        cmocka_unit_test(stale),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
