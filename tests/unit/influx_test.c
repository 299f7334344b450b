/* SPDX-License-Identifier: Apache-2.0 */
#include "common/pulse/protocol/influx.h"

#include <inttypes.h>

#include "common/pulse/endpoint.h"
#include "tests/unit/judge.h"

#define NOW_NS "1767225600000000000"

struct post {
    const char *text, *precision, *device_tag;
    bool strict;
};

static struct str or_none(const char *text)
{
    return text ? str_of(text) : (struct str){0};
}

static void post_open(struct judge *j, struct body *b, const struct post *p)
{
    const struct posted posted = {.text = str_of(p->text),
                                  .precision = or_none(p->precision),
                                  .device_tag = or_none(p->device_tag),
                                  .strict = p->strict};

    judge_begin(j);
    assert_true(body_open(b, endpoint_find(STR("/write")), &j->check, &posted));
}

static void unit_text(struct judge *j, const struct unit *u, struct buf *out)
{
    buf_addf(out, "%zu:%zu ", u->index, u->line);
    if (!u->good) {
        buf_addf(out, "%s %.*s\n", fault_name(j->check.fault.code),
                 STR_ARG(j->check.fault.field));
        return;
    }
    if (u->record.kind == RECORD_METRIC) {
        const struct metric_record *m = &u->record.metric;
        buf_addf(out, "%.*s=%.17g ", STR_ARG(m->name), m->value);
        labels_json(m->labels, m->label_count, out);
        if (m->time_us != CHECK_NO_TIME)
            buf_addf(out, " %" PRId64, m->time_us - NOW_US);
    } else {
        const struct telemetry_record *t = &u->record.telemetry;
        buf_addf(out, "%.*s/%.*s/%.*s ", STR_ARG(t->device_id),
                 STR_ARG(t->site_id), STR_ARG(t->msg_type));
        fields_json(t->metrics, t->metric_count, out);
        if (t->time_us != CHECK_NO_TIME)
            buf_addf(out, " %" PRId64, t->time_us - NOW_US);
    }
    buf_add_char(out, '\n');
}

/* One line for each record or fault: index:line what. */
static struct str post_text(struct judge *j, const struct post *p,
                            size_t *text_fields)
{
    AUTO_RELEASE(buf) out = {0};
    struct body b;
    struct unit u;
    size_t units = 0;

    post_open(j, &b, p);
    while (body_next(&b, &u)) {
        assert_true(++units <= b.records_max);
        unit_text(j, &u, &out);
    }
    *text_fields = b.skipped[SKIP_TEXT_FIELD];
    return arena_str(j->arena, buf_str(&out));
}

static void what_lines_become(void **state)
{
    static const struct {
        struct post post;
        const char *becomes;
        size_t text_fields;
    } cases[] = {
        {{"cpu,host=a idle=1.5,n=3i,up=t,big=18446744073709551615u " NOW_NS,
          NULL, NULL, false},
         "0:1 cpu_idle=1.5 {\"host\":\"a\"} 0\n0:1 cpu_n=3 {\"host\":\"a\"} "
         "0\n0:1 cpu_up=1 {\"host\":\"a\"} 0\n0:1 "
         "cpu_big=1.8446744073709552e+19 {\"host\":\"a\"} 0\n",
         0},
        {{"temp value=21\ntemp,b=2,a=1 value=f", NULL, NULL, false},
         "0:1 temp=21 {}\n1:2 temp=0 {\"a\":\"1\",\"b\":\"2\"}\n",
         0},
        {{"# comment\n\n \t\r\nm f=1\n  # another\n\nm f=2\r\n", NULL, NULL,
          false},
         "0:4 m_f=1 {}\n1:7 m_f=2 {}\n",
         0},
        {{"", NULL, NULL, false}, "", 0},
        {{"#m f=1", NULL, NULL, false}, "", 0},
        {{"m s=\"x\",f=1,s2=\"y\"\nonly s=\"text\"\nm f=2", NULL, NULL, false},
         "0:1 m_f=1 {}\n1:3 m_f=2 {}\n",
         3},
        {{"m s=\"a\nb\",f=1\nm f=x", NULL, NULL, false},
         "0:1 m_f=1 {}\n1:3 malformed_line \n",
         1},
        {{"m s=\"x\",f=1\nm f=2", NULL, NULL, true},
         "0:1 wrong_type s\n1:2 m_f=2 {}\n",
         0},
        /* A line is rejected whole. */
        {{"m a=1,b=NaN\nm a=1,a=2\nm,x=1,x=2 a=1\nm a=1 1\nm a=1", NULL, NULL,
          false},
         "0:1 not_finite \n1:2 duplicate_key a\n2:3 duplicate_key "
         "labels\n3:4 time_too_old time\n4:5 m_a=1 {}\n",
         0},
        {{"m\xff"
          "f=1\nm \xff=1\nm f=1\nm s=\"\xff\",f=1",
          NULL, NULL, false},
         "0:1 malformed_line \n1:2 invalid_utf8 \n2:3 m_f=1 {}\n3:4 "
         "invalid_utf8 \n",
         0},
        /* Precisions; ns are cut. */
        {{"m f=1 1767225600000001999", "ns", NULL, false},
         "0:1 m_f=1 {} 1\n",
         0},
        {{"m f=1 1767225600000001999", "n", NULL, false},
         "0:1 m_f=1 {} 1\n",
         0},
        {{"m f=1 1767225600000001", "us", NULL, false}, "0:1 m_f=1 {} 1\n", 0},
        {{"m f=1 1767225600000001", "u", NULL, false}, "0:1 m_f=1 {} 1\n", 0},
        {{"m f=1 1767225600001", "ms", NULL, false}, "0:1 m_f=1 {} 1000\n", 0},
        {{"m f=1 1767225601", "s", NULL, false}, "0:1 m_f=1 {} 1000000\n", 0},
        {{"m f=1 29453760", "m", NULL, false}, "0:1 m_f=1 {} 0\n", 0},
        {{"m f=1 490896", "h", NULL, false}, "0:1 m_f=1 {} 0\n", 0},
        {{"m f=1 1767225600", "ms", NULL, false}, "0:1 time_too_old time\n", 0},
        {{"m f=1 1767225600000", "s", NULL, false},
         "0:1 time_too_new time\n",
         0},
        {{"m f=1 9223372036854775807\nm f=1 -1", "h", NULL, false},
         "0:1 invalid_time time\n1:2 time_too_old time\n",
         0},
        {{"m f=1 -9223372036854775808", "us", NULL, false},
         "0:1 invalid_time time\n",
         0},
        /* Telemetry. */
        {{"env,device_id=d1,site_id=s1,room=x t=1.5,n=2i,s=\"w\" " NOW_NS
          "\nenv t=2\nenv,device_id=d1 s=\"only text\"",
          NULL, "device_id", false},
         "0:1 d1/s1/env {\"t\":1.5,\"n\":2,\"s\":\"w\",\"room\":"
         "\"x\"} 0\n1:2 env_t=2 {}\n2:3 d1//env {\"s\":\"only text\"}\n",
         0},
        {{"env,host=h,room=x t=1,room=2", NULL, "host", false},
         "0:1 duplicate_key room\n",
         0},
        {{"env,host=h,host=i t=1", NULL, "host", false},
         "0:1 duplicate_key host\n",
         0},
        {{"env,host=h,a=1,b=2 t=1,u=2,v=3", NULL, "host", false},
         "0:1 too_many_fields \n",
         0},
    };
    AUTO(judge) j = judge_new(NULL);

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        size_t text_fields;
        struct str text = post_text(j, &cases[i].post, &text_fields);
        if (!str_is(text, cases[i].becomes))
            fail_msg("%s:\n%.*snot\n%s", cases[i].post.text, STR_ARG(text),
                     cases[i].becomes);
        assert_int_equal(text_fields, cases[i].text_fields);
    }
}

static void a_bound_key_writes_for_its_device(void **state)
{
    static const struct {
        struct post post;
        const char *becomes;
    } cases[] = {
        {{"m f=1\nm,device_id=d1 f=1\nm,device_id=d2 f=1", NULL, NULL, false},
         "0:1 m_f=1 {\"device_id\":\"d1\"}\n1:2 m_f=1 "
         "{\"device_id\":\"d1\"}\n2:3 device_mismatch labels.device_id\n"},
        {{"m,host=d1 f=1\nm,host=d2 f=1", NULL, "host", false},
         "0:1 d1//m {\"f\":1}\n1:2 device_mismatch device_id\n"},
    };
    AUTO(judge) j = judge_new("d1");

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        size_t text_fields;
        assert_str(post_text(j, &cases[i].post, &text_fields),
                   cases[i].becomes);
    }
}

static void many_fields_are_compared_too(void **state)
{
    AUTO(judge) j = judge_new(NULL);
    AUTO_RELEASE(buf) lines = {0};
    size_t text_fields;

    (void)state;
    j->rules.fields_max = 64;
    for (int line = 0; line < 2; line++) {
        buf_add_text(&lines, "m last=1");
        for (int i = 0; i < 40; i++)
            buf_addf(&lines, ",f%d=1", i);
        buf_add_text(&lines, line == 0 ? "\n" : ",f7=1");
    }
    struct post post = {.text = lines.p};
    struct str text = post_text(j, &post, &text_fields);
    assert_true(str_ends(text, STR("1:2 duplicate_key \n")));
    assert_true(str_starts(text, STR("0:1 m_last=1 {}\n0:1 m_f0=1 {}\n")));
}

/* A dead letter's text and type give the same records again. */
static void a_letter_is_read_alike(void **state)
{
    AUTO(judge) j = judge_new(NULL);
    struct body b;
    struct unit u;

    (void)state;
    post_open(
        j, &b,
        &(struct post){.text = "ok f=1\r\n\nm,host=h f=1 1767225600000\r\n",
                       .precision = "s",
                       .device_tag = "host"});
    assert_true(body_next(&b, &u) && u.good);
    assert_true(body_next(&b, &u) && !u.good);
    assert_str(u.device_id, "h");
    struct posted kept = {.text = body_text(&b, &u),
                          .content_type = body_text_type(&b)};
    assert_str(kept.text, "m,host=h f=1 1767225600000");
    assert_str(kept.content_type, "text/plain; precision=s; device_tag=host");
    kept.text = STR("m,host=h f=1 1767225600");
    judge_begin(j);
    assert_true(body_open(&b, endpoint_find(STR("/write")), &j->check, &kept));
    assert_true(body_next(&b, &u) && u.good);
    assert_int_equal(u.record.kind, RECORD_TELEMETRY);
    assert_true(u.record.telemetry.time_us == NOW_US);
    assert_false(body_next(&b, &u));
}

static void unknown_parameters_are_refused(void **state)
{
    static const struct posted cases[] = {
        {.precision = {"d", 1}},
        {.content_type = {"text/plain; precision=NS", 24}},
        {.device_tag = {"a b", 3}},
        {.device_tag = {"a;b", 3}},
    };
    AUTO(judge) j = judge_new(NULL);
    struct body b;

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        judge_begin(j);
        assert_false(body_open(&b, endpoint_find(STR("/api/v2/write")),
                               &j->check, &cases[i]));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_lines_become),
        cmocka_unit_test(a_bound_key_writes_for_its_device),
        cmocka_unit_test(many_fields_are_compared_too),
        cmocka_unit_test(a_letter_is_read_alike),
        cmocka_unit_test(unknown_parameters_are_refused),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
