/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>

#include <cmocka.h>

#include <poll.h>

#include "common/kafka_client.h"
#include "common/kafka_producer.h"
#include "tests/unit/mock_kafka.h"

static const char *const topics[] = {"a", "b"};

struct counts {
    size_t by_verdict[KAFKA_VERDICTS];
    size_t total;
    uintptr_t tags;
};

static void count(void *arg, void *tag, enum kafka_verdict verdict)
{
    struct counts *c = arg;
    c->by_verdict[verdict]++;
    c->total++;
    c->tags += (uintptr_t)tag;
}

static struct kafka_producer_options options_of(const struct mock *m,
                                                struct counts *c)
{
    return (struct kafka_producer_options){
        .brokers = m->brokers,
        .client_id = "test",
        .topics = topics,
        .topic_count = ARRAY_LEN(topics),
        .message_timeout_ms = 10000,
        .linger_ms = 5,
        .queue_messages = 1000,
        .queue_bytes = 1 << 20,
        .message_bytes_max = 100000,
        .report = count,
        .arg = c,
    };
}

static struct kafka_producer *producer_of(
    const struct kafka_producer_options *options)
{
    struct err err = {0};
    struct kafka_producer *p = kafka_producer_new(options, &err);
    if (p == NULL) {
        fail_msg("%s", err.text);
    }
    return p;
}

static struct mock cluster(void)
{
    struct mock m = mock_new(1);
    for (size_t i = 0; i < ARRAY_LEN(topics); i++) {
        rd_kafka_mock_topic_create(m.cluster, topics[i], 6, 1);
    }
    return m;
}

static bool is_up(struct kafka_producer *p)
{
    return kafka_producer_outlook(p) == KAFKA_ACKED;
}

static void wait_up(struct kafka_producer *p)
{
    WAIT_MS(10000, is_up(p), kafka_producer_serve(p));
}

static bool send_one(struct kafka_producer *p, struct str payload)
{
    struct kafka_record r = {
        .key = STR("k"), .payload = payload, .tag = (void *)(uintptr_t)1};
    return kafka_producer_send(p, 0, &r, 1) == 1;
}

static void test_records_are_acked(void **state)
{
    struct mock m = cluster();
    struct counts c = {0};
    struct kafka_producer_options o = options_of(&m, &c);
    AUTO(kafka_producer) p = producer_of(&o);
    struct kafka_record records[300];
    (void)state;
    wait_up(p);
    uintptr_t tags = 0;
    for (size_t i = 0; i < ARRAY_LEN(records); i++) {
        records[i] = (struct kafka_record){
            .key = STR("k"), .payload = STR("v"), .tag = (void *)(i + 1)};
        tags += i + 1;
    }
    assert_int_equal(kafka_producer_send(p, 1, records, ARRAY_LEN(records)),
                     300);
    assert_true(records[0].queued && records[299].queued);
    assert_int_equal(kafka_producer_pending(p), 300);
    /* The fd wakes the loop; nothing is served meanwhile. */
    while (c.total < 300) {
        struct pollfd fd = {.fd = kafka_producer_fd(p), .events = POLLIN};
        assert_int_equal(poll(&fd, 1, 5000), 1);
        kafka_producer_serve(p);
    }
    assert_int_equal(c.by_verdict[KAFKA_ACKED], 300);
    assert_true(c.tags == tags);
    assert_int_equal(kafka_producer_pending(p), 0);
    kafka_producer_free(MOVE(p));
    mock_free(&m);
}

static void test_first_record_does_not_wait_for_metadata(void **state)
{
    struct mock m = cluster();
    struct counts c = {0};
    struct kafka_producer_options o = options_of(&m, &c);
    AUTO(kafka_producer) p = producer_of(&o);
    (void)state;
    wait_up(p);
    int64_t start = clock_mono_us();
    assert_true(send_one(p, STR("v")));
    WAIT_MS(5000, c.total == 1, kafka_producer_serve(p));
    assert_in_range(clock_mono_us() - start, 0, 700000);
    kafka_producer_free(MOVE(p));
    mock_free(&m);
}

static void test_outage_ends_in_a_verdict_and_heals(void **state)
{
    struct mock m = cluster();
    struct counts c = {0};
    struct kafka_producer_options o = options_of(&m, &c);
    (void)state;
    o.message_timeout_ms = 1000;
    AUTO(kafka_producer) p = producer_of(&o);
    wait_up(p);
    assert_true(send_one(p, STR("v")));
    WAIT_MS(5000, c.total == 1, kafka_producer_serve(p));
    rd_kafka_mock_broker_set_down(m.cluster, 1);
    assert_true(send_one(p, STR("v")));
    WAIT_MS(5000, c.total == 2, kafka_producer_serve(p));
    assert_int_equal(c.by_verdict[KAFKA_REFUSED] + c.by_verdict[KAFKA_UNKNOWN],
                     1);
    WAIT_MS(6000, !is_up(p), kafka_producer_serve(p));
    rd_kafka_mock_broker_set_up(m.cluster, 1);
    wait_up(p);
    assert_true(send_one(p, STR("v")));
    WAIT_MS(5000, c.total == 3, kafka_producer_serve(p));
    assert_int_equal(c.by_verdict[KAFKA_ACKED], 2);
    kafka_producer_free(MOVE(p));
    mock_free(&m);
}

/* The broker has it, its answer comes too late. */
static void test_late_answer_is_unknown(void **state)
{
    struct mock m = cluster();
    struct counts c = {0};
    struct kafka_producer_options o = options_of(&m, &c);
    (void)state;
    o.message_timeout_ms = 1000;
    AUTO(kafka_producer) p = producer_of(&o);
    wait_up(p);
    assert_true(send_one(p, STR("v")));
    WAIT_MS(5000, c.total == 1, kafka_producer_serve(p));
    rd_kafka_mock_broker_set_rtt(m.cluster, 1, 3000);
    assert_true(send_one(p, STR("v")));
    WAIT_MS(8000, c.total == 2, kafka_producer_serve(p));
    assert_int_equal(c.by_verdict[KAFKA_UNKNOWN], 1);
    rd_kafka_mock_broker_set_rtt(m.cluster, 1, 0);
    kafka_producer_free(MOVE(p));
    mock_free(&m);
}

static void test_too_large_by_our_own_limit(void **state)
{
    static char big[200000];
    struct mock m = cluster();
    struct counts c = {0};
    struct kafka_producer_options o = options_of(&m, &c);
    AUTO(kafka_producer) p = producer_of(&o);
    struct kafka_record r[3] = {
        {.payload = STR("v")},
        {.payload = {big, sizeof big}},
        {.payload = STR("v")},
    };
    (void)state;
    assert_int_equal(kafka_producer_send(p, 0, r, 3), 2);
    assert_true(r[0].queued && !r[1].queued && r[2].queued);
    assert_true(r[1].refusal == KAFKA_TOO_LARGE);
    WAIT_MS(10000, c.total == 2, kafka_producer_serve(p));
    assert_int_equal(c.by_verdict[KAFKA_ACKED], 2);
    kafka_producer_free(MOVE(p));
    mock_free(&m);
}

static void test_too_large_by_the_brokers_limit(void **state)
{
    struct mock m = cluster();
    struct counts c = {0};
    struct kafka_producer_options o = options_of(&m, &c);
    AUTO(kafka_producer) p = producer_of(&o);
    (void)state;
    wait_up(p);
    rd_kafka_mock_push_request_errors(m.cluster, API_PRODUCE, 1,
                                      RD_KAFKA_RESP_ERR_MSG_SIZE_TOO_LARGE);
    assert_true(send_one(p, STR("v")));
    WAIT_MS(5000, c.total == 1, kafka_producer_serve(p));
    assert_int_equal(c.by_verdict[KAFKA_TOO_LARGE], 1);
    kafka_producer_free(MOVE(p));
    mock_free(&m);
}

static void test_not_enough_replicas_is_retried(void **state)
{
    struct mock m = cluster();
    struct counts c = {0};
    struct kafka_producer_options o = options_of(&m, &c);
    AUTO(kafka_producer) p = producer_of(&o);
    (void)state;
    wait_up(p);
    rd_kafka_mock_push_request_errors(m.cluster, API_PRODUCE, 2,
                                      RD_KAFKA_RESP_ERR_NOT_ENOUGH_REPLICAS,
                                      RD_KAFKA_RESP_ERR_NOT_ENOUGH_REPLICAS);
    assert_true(send_one(p, STR("v")));
    WAIT_MS(8000, c.total == 1, kafka_producer_serve(p));
    assert_int_equal(c.by_verdict[KAFKA_ACKED], 1);
    kafka_producer_free(MOVE(p));
    mock_free(&m);
}

static void test_full_queue_refuses_and_free_reports_the_rest(void **state)
{
    struct mock m = cluster();
    struct counts c = {0};
    struct kafka_producer_options o = options_of(&m, &c);
    struct kafka_record r[20] = {0};
    (void)state;
    o.queue_messages = 10;
    o.brokers = "127.0.0.1:1"; /* nobody */
    AUTO(kafka_producer) p = producer_of(&o);
    assert_int_equal(kafka_producer_send(p, 0, r, ARRAY_LEN(r)), 10);
    assert_true(r[9].queued && !r[10].queued && r[10].refusal == KAFKA_REFUSED);
    assert_int_equal(kafka_producer_pending(p), 10);
    assert_false(is_up(p));
    kafka_producer_hurry(p);
    kafka_producer_free(MOVE(p));
    assert_int_equal(c.total, 10);
    assert_int_equal(c.by_verdict[KAFKA_REFUSED], 10);
    mock_free(&m);
}

static void test_not_up_while_a_topic_is_missing(void **state)
{
    struct mock m = mock_new(1);
    struct counts c = {0};
    struct kafka_producer_options o = options_of(&m, &c);
    (void)state;
    rd_kafka_mock_topic_create(m.cluster, "a", 6, 1);
    AUTO(kafka_producer) p = producer_of(&o);
    for (int i = 0; i < 150; i++) {
        kafka_producer_serve(p);
        assert_false(is_up(p));
        usleep(10000);
    }
    rd_kafka_mock_topic_create(m.cluster, "b", 6, 1);
    wait_up(p);
    kafka_producer_free(MOVE(p));
    mock_free(&m);
}

static void test_fatal_error_is_told(void **state)
{
    struct mock m = cluster();
    struct counts c = {0};
    struct kafka_producer_options o = options_of(&m, &c);
    struct err err = {0};
    (void)state;
    rd_kafka_mock_push_request_errors(
        m.cluster, API_INIT_PRODUCER_ID, 1,
        RD_KAFKA_RESP_ERR_CLUSTER_AUTHORIZATION_FAILED);
    AUTO(kafka_producer) p = producer_of(&o);
    WAIT_MS(10000, kafka_producer_broken(p, &err), kafka_producer_serve(p));
    assert_int_equal(err.kind, ERR_FATAL);
    assert_false(send_one(p, STR("v")));
    assert_int_equal(kafka_producer_pending(p), 0);
    kafka_producer_free(MOVE(p));
    mock_free(&m);
}

static void test_bad_option_is_refused(void **state)
{
    struct counts c = {0};
    struct mock m = {.brokers = "127.0.0.1:1"};
    struct kafka_producer_options o = options_of(&m, &c);
    struct err err = {0};
    (void)state;
    o.linger_ms = -1;
    assert_null(kafka_producer_new(&o, &err));
    assert_int_equal(err.kind, ERR_FATAL);
    assert_non_null(strstr(err.text, "linger.ms"));
}

static void test_old_librdkafka_is_refused(void **state)
{
    struct err err = {0};
    (void)state;
    assert_false(kafka_version_check(0x020002ff, &err)); /* Debian 12's */
    assert_int_equal(err.kind, ERR_FATAL);
    assert_non_null(strstr(err.text, "2.0.2"));
    assert_false(kafka_version_check(0x020600ff, NULL));
    assert_true(kafka_version_check(0x020601ff, NULL));
    assert_true(kafka_version_check(rd_kafka_version(), NULL));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_records_are_acked),
        cmocka_unit_test(test_first_record_does_not_wait_for_metadata),
        cmocka_unit_test(test_outage_ends_in_a_verdict_and_heals),
        cmocka_unit_test(test_late_answer_is_unknown),
        cmocka_unit_test(test_too_large_by_our_own_limit),
        cmocka_unit_test(test_too_large_by_the_brokers_limit),
        cmocka_unit_test(test_not_enough_replicas_is_retried),
        cmocka_unit_test(test_full_queue_refuses_and_free_reports_the_rest),
        cmocka_unit_test(test_not_up_while_a_topic_is_missing),
        cmocka_unit_test(test_fatal_error_is_told),
        cmocka_unit_test(test_bad_option_is_refused),
        cmocka_unit_test(test_old_librdkafka_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
