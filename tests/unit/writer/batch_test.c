/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>

#include <cmocka.h>

#include <string.h>

#include "common/clock.h"
#include "common/pulse/topology.h"
#include "services/writer/batch.h"
#include "services/writer/horizon.h"

static const int64_t now_us = INT64_C(1800000000000000);

struct fixture {
    struct metrics *metrics;
    struct stats stats;
    struct series *series;
    struct batch *batch;
    struct record_codec *codec;
    struct topics topics;
    struct slice *slices[TOPICS_MAX];
    struct buf message;
};

static int set_up(void **state)
{
    struct fixture *f = xcalloc(1, sizeof *f);
    struct err err;
    f->metrics = metrics_new();
    assert_true(topics_init(&f->topics, "audit", &err));
    stats_init(&f->stats, f->metrics, &f->topics);
    f->series = series_new(100, &f->stats);
    f->batch = batch_new(&(struct batch_options){.series = f->series,
                                                 .topics = &f->topics,
                                                 .raw_tenant = "ops",
                                                 .telemetry_series = true},
                         &err);
    f->codec = record_codec_new(&err);
    assert_non_null(f->batch);
    *state = f;
    return 0;
}

static int tear_down(void **state)
{
    struct fixture *f = *state;
    batch_free(f->batch);
    series_free(f->series);
    record_codec_free(f->codec);
    metrics_free(f->metrics);
    topics_release(&f->topics);
    buf_release(&f->message);
    free(f);
    return 0;
}

static struct message *add_bytes(struct fixture *f, size_t topic,
                                 int64_t offset, struct str payload)
{
    struct slice *s = batch_slice(f->batch, topic, 0, 0, 1);
    f->slices[topic] = s;
    const struct kafka_event e = {.kind = KAFKA_MESSAGE,
                                  .topic = topic,
                                  .offset = offset,
                                  .payload = payload};
    batch_add(f->batch, s, &e);
    return &f->batch->messages[f->batch->message_count - 1];
}

static struct message *add(struct fixture *f, size_t topic, int64_t offset,
                           const struct record *r)
{
    struct err err = {0};
    buf_reset(&f->message);
    if (!record_encode(f->codec, r, &f->message, &err))
        fail_msg("%s", err.text);
    return add_bytes(f, topic, offset, buf_str(&f->message));
}

static struct record metric(int64_t time_us, double value)
{
    return (struct record){.kind = RECORD_METRIC,
                           .metric = {.tenant_id = STR("acme"),
                                      .name = STR("cpu"),
                                      .value = value,
                                      .time_us = time_us,
                                      .received_at_us = now_us}};
}

static struct record event(struct str attributes)
{
    return (struct record){.kind = RECORD_EVENT,
                           .event = {.tenant_id = STR("acme"),
                                     .id = STR("e1"),
                                     .kind = EVENT_LOG,
                                     .level = STR("error"),
                                     .message = STR("it \"broke\""),
                                     .attributes = attributes,
                                     .time_us = now_us,
                                     .received_at_us = now_us}};
}

static void test_a_metric_is_a_sample(void **state)
{
    struct fixture *f = *state;
    struct record r = metric(now_us, 4.5);
    struct message *m = add(f, AT_METRICS, 0, &r);
    assert_false(m->poison);
    assert_int_equal(m->received_at_us, now_us);
    assert_int_equal(f->batch->samples.count, 1);
    const struct sample_row *s = (void *)rows_at(&f->batch->samples, 0);
    assert_true(s->row.decides);
    assert_int_equal(s->row.time_us, now_us);
    assert_true(s->value == 4.5);
    assert_int_equal(s->series_id, -1); /* a ticket: asked for once per batch */
    (void)add(f, AT_METRICS, 1, &r);
    assert_int_equal(f->batch->tickets.count, 1);
}

static void test_numbers_of_telemetry_are_samples(void **state)
{
    struct fixture *f = *state;
    const struct field fields[] = {
        {.name = STR("temp"), .type = FIELD_REAL, .real = 21.5},
        {.name = STR("count"), .type = FIELD_INTEGER, .integer = 7},
        {.name = STR("door"), .type = FIELD_BOOLEAN, .boolean = true},
        {.name = STR("mode"), .type = FIELD_TEXT, .text = STR("a\"b")}};
    struct record r = {.kind = RECORD_TELEMETRY,
                       .telemetry = {.tenant_id = STR("acme"),
                                     .device_id = STR("d1"),
                                     .site_id = STR("s1"),
                                     .msg_type = STR("telemetry"),
                                     .time_us = now_us,
                                     .received_at_us = now_us,
                                     .metrics = fields,
                                     .metric_count = ARRAY_LEN(fields)}};
    struct message *m = add(f, AT_TELEMETRY, 0, &r);
    assert_int_equal(f->batch->telemetry.count, 1);
    assert_int_equal(f->batch->samples.count, 2);
    assert_int_equal(f->batch->tickets.count, 2);
    const struct row *sample = rows_at(&f->batch->samples, 0);
    assert_false(sample->decides); /* the telemetry row does */
    const struct telemetry_row *t = (void *)rows_at(&f->batch->telemetry, 0);
    assert_true(t->row.decides);
    assert_true(t->row.seen_key != 0);
    assert_memory_equal(t->metrics.p, "{", 1);
    assert_non_null(memmem(t->metrics.p, t->metrics.n, "\"mode\":\"a\\\"b\"",
                           strlen("\"mode\":\"a\\\"b\"")));
    assert_true(str_is(m->device_id, "d1"));
}

static void test_what_cannot_be_stored_is_a_dead_letter(void **state)
{
    struct fixture *f = *state;
    struct record r = metric(now_us, 1);
    struct record early = metric(-1, 1);
    struct record late = metric(INT64_MAX, 1);
    struct record broken = event(STR("{\"a\":"));
    struct record list = event(STR("[1]"));
    struct record inject = event(STR("{},\"level\":\"info\""));
    const struct {
        const struct message *m;
        const char *reason;
    } cases[] = {
        {add_bytes(f, AT_METRICS, 0, STR("rubbish")), "undecodable"},
        {add_bytes(f, AT_METRICS, 1, (struct str){NULL, 0}), "undecodable"},
        {add_bytes(f, AT_METRICS, 2, STR("\303\001\1\2\3\4\5\6\7\10xyz")),
         "undecodable"},
        {add(f, AT_TELEMETRY, 0, &r), "wrong_record"},
        {add(f, AT_METRICS, 3, &early), "time_out_of_range"},
        {add(f, AT_METRICS, 4, &late), "time_out_of_range"},
        {add(f, AT_EVENTS, 0, &broken), "invalid_attributes"},
        {add(f, AT_EVENTS, 1, &list), "invalid_attributes"},
        {add(f, AT_EVENTS, 2, &inject), "invalid_attributes"},
    };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        const struct message *m = &f->batch->messages[i];
        assert_true(m->poison);
        assert_int_equal(m->verdict, VERDICT_DEAD);
        assert_string_equal(m->reason, cases[i].reason);
        assert_true(m->detail.n > 0);
    }
    assert_int_equal(f->batch->samples.count + f->batch->events.count, 0);
    batch_rewind(f->batch); /* for another attempt: still dead */
    assert_int_equal(f->batch->messages[0].verdict, VERDICT_DEAD);
}

static void test_an_event_keeps_its_attributes_inside(void **state)
{
    struct fixture *f = *state;
    struct record r = event(STR("{\"a\":1}"));
    assert_false(add(f, AT_EVENTS, 0, &r)->poison);
    const struct event_row *e = (void *)rows_at(&f->batch->events, 0);
    const char *data = "{\"level\":\"error\",\"msg\":\"it \\\"broke\\\"\","
                       "\"kind\":\"log\",\"attributes\":{\"a\":1}}";
    assert_true(str_is(e->data, data));
}

static void test_offsets_left_out_are_a_gap(void **state)
{
    struct fixture *f = *state;
    struct record r = metric(now_us, 1);
    (void)add(f, AT_METRICS, 5, &r);
    (void)add(f, AT_METRICS, 6, &r);
    (void)add(f, AT_METRICS, 9, &r);
    const struct slice *s = f->slices[AT_METRICS];
    assert_int_equal(s->from, 0);
    assert_int_equal(s->next, 10);
    assert_int_equal(s->gap, 7);
    assert_false(batch_empty(f->batch));
    assert_int_equal(batch_rows(f->batch), 6); /* 3 messages, 3 samples */
    batch_reset(f->batch);
    assert_true(batch_empty(f->batch));
    assert_int_equal(batch_rows(f->batch), 0);
    assert_int_equal(f->batch->tickets.count, 0);
}

static void test_a_dead_letter_of_an_unknown_stage_is_one_itself(void **state)
{
    struct fixture *f = *state;
    struct record r = {.kind = RECORD_DEAD_LETTER,
                       .dead_letter = {.stage = STR("ingest"),
                                       .reason = STR("invalid_value"),
                                       .detail = STR("no number"),
                                       .content_type = STR("text/plain"),
                                       .payload = STR("\0\1x"),
                                       .received_at_us = now_us,
                                       .failed_at_us = now_us}};
    assert_false(add(f, AT_DEADLETTER, 0, &r)->poison);
    assert_int_equal(f->batch->letter_count, 1);
    r.dead_letter.stage = STR("kitchen");
    assert_true(add(f, AT_DEADLETTER, 1, &r)->poison);
    assert_int_equal(f->batch->letter_count, 1);
}

/* PostgreSQL's times end sooner than 64 bits: a letter with such a one would
 * take its batch with it, time and again. */
static void test_a_received_at_that_is_no_time_is_unknown(void **state)
{
    struct fixture *f = *state;
    const int64_t good[] = {0, 1, now_us, INT64_C(253402300799999999)};
    const int64_t bad[] = {-1, INT64_C(-300000000000000000), INT64_MIN,
                           INT64_C(253402300800000000), INT64_MAX};
    struct record early = metric(-1, 1); /* to be a dead letter */
    struct record letter = {.kind = RECORD_DEAD_LETTER,
                            .dead_letter = {.stage = STR("ingest"),
                                            .reason = STR("invalid_value"),
                                            .failed_at_us = now_us}};
    int64_t offset = 0;
    for (size_t i = 0; i < ARRAY_LEN(good) + ARRAY_LEN(bad); i++, offset++) {
        bool is_good = i < ARRAY_LEN(good);
        int64_t us = is_good ? good[i] : bad[i - ARRAY_LEN(good)];
        early.metric.received_at_us = us;
        letter.dead_letter.received_at_us = us;
        assert_int_equal(add(f, AT_METRICS, offset, &early)->received_at_us,
                         is_good ? us : 0);
        assert_int_equal(add(f, AT_DEADLETTER, offset, &letter)->received_at_us,
                         is_good ? us : 0);
        assert_int_equal(f->batch->letter_count, i + 1);
        assert_int_equal(f->batch->letters[i].received_at_us, is_good ? us : 0);
    }
    for (size_t i = 0; i < ARRAY_LEN(bad); i++, offset++) {
        letter.dead_letter.failed_at_us = bad[i];
        struct message *m = add(f, AT_DEADLETTER, offset, &letter);
        assert_string_equal(m->reason, "time_out_of_range");
    }
}

static void test_a_message_of_a_raw_topic_is_named_by_its_place(void **state)
{
    struct fixture *f = *state;
    struct message *m = add_bytes(f, TOPIC_COUNT, 7, STR("hello"));
    assert_false(m->poison);
    assert_true(str_is(m->tenant_id, "ops"));
    const struct event_row *e = (void *)rows_at(&f->batch->events, 0);
    assert_true(str_is(e->id, "audit/0/7"));
    assert_true(str_is(e->tenant_id, "ops"));
    assert_true(str_is(e->data, "{\"text\":\"hello\"}"));
    /* The event's timestamp 0 is none. */
    assert_in_range(clock_wall_us() - e->row.time_us, 0, 60 * 1000 * 1000);
}

static void test_times_of_raw_messages(void **state)
{
    struct fixture *f = *state;
    int64_t now = clock_wall_us(), hour = INT64_C(3600) * 1000 * 1000;
    const struct {
        int64_t stamp_us, time_us;
    } cases[] = {{now - 100 * hour, now - 100 * hour},
                 {now + hour / 12, now + hour / 12},
                 {now + hour, now},
                 {-1, now}};
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct kafka_event e = {.kind = KAFKA_MESSAGE,
                                .topic = TOPIC_COUNT,
                                .offset = (int64_t)i,
                                .time_us = cases[i].stamp_us,
                                .payload = STR("{}")};
        batch_add(f->batch, batch_slice(f->batch, TOPIC_COUNT, 0, 0, 1), &e);
        int64_t off = rows_at(&f->batch->events, i)->time_us - cases[i].time_us;
        assert_in_range(off, 0, 60 * 1000 * 1000);
    }
}

/* now_us is long ago, or ahead, of the test's clock: the horizon is told. */
static void test_what_is_too_late_is_a_dead_letter(void **state)
{
    struct fixture *f = *state;
    struct record old = metric(now_us - 1000000, 1), good = metric(now_us, 1);
    struct record e = event(STR("{}"));
    e.event.time_us = now_us - 1000000;
    (void)add(f, AT_METRICS, 0, &old);
    (void)add(f, AT_METRICS, 1, &good);
    (void)add(f, AT_EVENTS, 0, &e);
    const struct horizon h = {.asked_us = clock_mono_us(),
                              .late_us = now_us - 900000};
    horizon_judge(&h, f->batch);
    const struct message *m = f->batch->messages;
    assert_true(m[0].poison && !m[1].poison && m[2].poison);
    assert_string_equal(m[0].reason, "too_late");
    assert_non_null(memmem(m[0].detail.p, m[0].detail.n, "2027-01-15T", 11));
    assert_int_equal(rows_at(&f->batch->samples, 0)->fault, FAULT_LATE);
    assert_int_equal(rows_at(&f->batch->samples, 1)->fault, FAULT_NONE);
    batch_rewind(f->batch);
    assert_int_equal(f->batch->messages[0].verdict, VERDICT_DEAD);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_a_metric_is_a_sample),
        TEST(test_numbers_of_telemetry_are_samples),
        TEST(test_what_cannot_be_stored_is_a_dead_letter),
        TEST(test_an_event_keeps_its_attributes_inside),
        TEST(test_offsets_left_out_are_a_gap),
        TEST(test_a_dead_letter_of_an_unknown_stage_is_one_itself),
        TEST(test_a_received_at_that_is_no_time_is_unknown),
        TEST(test_a_message_of_a_raw_topic_is_named_by_its_place),
        TEST(test_times_of_raw_messages),
        TEST(test_what_is_too_late_is_a_dead_letter),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
