/* SPDX-License-Identifier: Apache-2.0 */
/* Describing, creating and configuring topics is tested against a real Kafka
 * (tests/e2e): the mock cluster has no controller, which those ask. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>

#include <cmocka.h>

#include "common/kafka_admin.h"
#include "tests/unit/mock_kafka.h"

static struct kafka_admin *admin_of(const char *brokers, int64_t timeout_ms)
{
    struct err err = {0};
    struct kafka_admin *a = kafka_admin_new(brokers, "test", timeout_ms, &err);
    if (a == NULL) {
        fail_msg("%s", err.text);
    }
    return a;
}

static void produce(const struct mock *m, int32_t part, int count)
{
    char why[256];
    rd_kafka_conf_t *conf = rd_kafka_conf_new();
    rd_kafka_conf_set(conf, "bootstrap.servers", m->brokers, why, sizeof why);
    rd_kafka_t *rk = rd_kafka_new(RD_KAFKA_PRODUCER, conf, why, sizeof why);
    for (int i = 0; i < count; i++) {
        assert_int_equal(
            rd_kafka_producev(rk, RD_KAFKA_V_TOPIC("a"),
                              RD_KAFKA_V_PARTITION(part),
                              RD_KAFKA_V_MSGFLAGS(RD_KAFKA_MSG_F_COPY),
                              RD_KAFKA_V_VALUE("x", 1), RD_KAFKA_V_END),
            0);
    }
    assert_int_equal(rd_kafka_flush(rk, 10000), 0);
    rd_kafka_destroy(rk);
}

static void test_log_ranges(void **state)
{
    struct mock m = mock_new(1);
    struct err err = {0};
    struct kafka_log_range r[] = {{.topic = "a", .part = 2},
                                  {.topic = "a", .part = 0}};
    (void)state;
    rd_kafka_mock_topic_create(m.cluster, "a", 3, 1);
    produce(&m, 2, 7);
    AUTO(kafka_admin) admin = admin_of(m.brokers, 5000);
    if (!kafka_log_ranges(admin, r, 2, &err)) {
        fail_msg("%s", err.text);
    }
    assert_int_equal(r[0].first, 0);
    assert_int_equal(r[0].end, 7);
    assert_int_equal(r[1].end, 0);
    assert_true(kafka_log_ranges(admin, NULL, 0, &err));
    struct kafka_log_range absent = {.topic = "a", .part = 9};
    assert_false(kafka_log_ranges(admin, &absent, 1, &err));
    assert_int_equal(err.kind, ERR_RETRY);
    kafka_admin_free(MOVE(admin));
    mock_free(&m);
}

static void test_nobody_answers(void **state)
{
    struct err err = {0};
    struct kafka_topic_info info;
    struct kafka_log_range r = {.topic = "a"};
    AUTO(kafka_admin) admin = admin_of("127.0.0.1:1", 500);
    (void)state;
    int64_t start = clock_mono_us();
    assert_false(kafka_topic_describe(admin, "a", &info, &err));
    assert_int_equal(err.kind, ERR_RETRY);
    assert_false(kafka_log_ranges(admin, &r, 1, &err));
    assert_int_equal(err.kind, ERR_RETRY);
    assert_in_range(clock_mono_us() - start, 0, 6000000);
}

/* A broker too slow for one request: librdkafka 2.8 calls that a success with
 * offsets of -1001, here it is ERR_RETRY. The next request gets its own
 * answer, not the late one of the first. */
static void test_late_answer_is_not_taken_for_another(void **state)
{
    struct mock m = mock_new(1);
    struct err err = {0};
    struct kafka_log_range a = {.topic = "a", .part = 0};
    struct kafka_log_range b = {.topic = "a", .part = 1};
    (void)state;
    rd_kafka_mock_topic_create(m.cluster, "a", 2, 1);
    produce(&m, 0, 3);
    produce(&m, 1, 5);
    AUTO(kafka_admin) admin = admin_of(m.brokers, 1000);
    WAIT_MS(10000, a.end == 3, (void)!kafka_log_ranges(admin, &a, 1, &err));
    rd_kafka_mock_broker_set_rtt(m.cluster, 1, 2500);
    assert_false(kafka_log_ranges(admin, &a, 1, &err));
    assert_int_equal(err.kind, ERR_RETRY);
    assert_int_equal(a.end, 3);
    rd_kafka_mock_broker_set_rtt(m.cluster, 1, 0);
    bool ok = false;
    WAIT_MS(10000, ok, ok = kafka_log_ranges(admin, &b, 1, &err));
    assert_int_equal(b.end, 5);
    kafka_admin_free(MOVE(admin));
    mock_free(&m);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_log_ranges),
        cmocka_unit_test(test_nobody_answers),
        cmocka_unit_test(test_late_answer_is_not_taken_for_another),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
