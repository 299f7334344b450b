/* SPDX-License-Identifier: Apache-2.0 */
/* What Telegraf sent (tests/corpus/telegraf) is taken. */
#include <inttypes.h>

#include "common/pulse/endpoint.h"
#include "tests/unit/judge.h"

static struct str file_read(struct arena *a, const char *path)
{
    enum { MOST = 65536 };
    FILE *file = fopen(path, "r");
    char *p = arena_alloc(a, MOST);

    assert_non_null(file);
    size_t n = fread(p, 1, MOST, file);
    assert_in_range(n, 1, MOST - 1);
    fclose(file);
    return (struct str){p, n};
}

struct count {
    size_t units, records, text_fields;
};

/* sent_s: the time of all records. seen: "name=value {labels}" of every record,
 * a line each. */
static struct count body_count(struct judge *j, const char *file,
                               const char *path, int64_t sent_s,
                               struct buf *seen)
{
    struct count count = {0};
    struct posted posted = {.text = file_read(j->arena, file)};
    struct body b;
    struct unit u;

    judge_begin(j);
    j->rules.labels_max = 32;
    j->rules.fields_max = 256;
    j->check.received_us = sent_s * 1000000;
    assert_true(body_open(&b, endpoint_find(str_of(path)), &j->check, &posted));
    while (body_next(&b, &u)) {
        const struct metric_record *m = &u.record.metric;
        if (!u.good)
            fail_msg("line %zu: %.*s", u.line, STR_ARG(j->check.fault.message));
        assert_int_equal(u.record.kind, RECORD_METRIC);
        assert_true(m->time_us == sent_s * 1000000);
        buf_addf(seen, "%.*s=%.17g ", STR_ARG(m->name), m->value);
        labels_json(m->labels, m->label_count, seen);
        buf_add_char(seen, '\n');
        count.units = u.index + 1;
        count.records++;
    }
    count.text_fields = b.skipped[SKIP_TEXT_FIELD];
    return count;
}

static void has(const struct buf *seen, const char *line)
{
    if (!strstr(seen->p, line))
        fail_msg("%s is not in\n%s", line, seen->p);
}

#define NASTY_LABELS                                                      \
    "{\"back\":\"C:\\\\\\\\dir\",\"host\":\"edge-1\",\"site\":\"hall 1, " \
    "east=a\",\"ta g\":\"v,a l=ue\"}\n"

static void version_2(void **state)
{
    AUTO(judge) j = judge_new(NULL);
    AUTO_RELEASE(buf) seen = {0};
    struct count n = body_count(j, "tests/corpus/telegraf/v2.lines",
                                "/api/v2/write", 1795283474, &seen);

    (void)state;
    assert_int_equal(n.units, 36);
    assert_int_equal(n.records, 186);
    assert_int_equal(n.text_fields, 3);
    has(&seen, "nasty name,x_n=9.2233720368547758e+18 " NASTY_LABELS);
    has(&seen, "nasty name,x_b=1 " NASTY_LABELS);
    has(&seen, "nasty name,x_f=9.9999999999999995e-08 " NASTY_LABELS);
    has(&seen, "kernel_boot_time=1795256079 {\"host\":\"edge-1\","
               "\"site\":\"hall 1, east=a\"}\n");
}

static void version_1(void **state)
{
    AUTO(judge) j = judge_new(NULL);
    AUTO_RELEASE(buf) seen = {0};
    struct count n = body_count(j, "tests/corpus/telegraf/v1.lines", "/write",
                                1795283472, &seen);

    (void)state;
    assert_int_equal(n.units, 35);
    assert_int_equal(n.records, 176);
    assert_int_equal(n.text_fields, 3);
    has(&seen, "nasty name,x_n=1.8446744073709552e+19 " NASTY_LABELS);
    has(&seen, "mem_available=22625955840 {\"host\":\"edge-1\","
               "\"site\":\"hall 1, east=a\"}\n");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(version_2),
        cmocka_unit_test(version_1),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
