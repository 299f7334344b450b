/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A broker that is away, slow, or answers with every error there is. Whatever
 * it does: each record has one report in time, what is acknowledged is held,
 * and when the fault is over the producer works again.
 *
 * The mock does not check sequence numbers. Where an error is answered to one
 * request, nothing else is in flight: a real broker would refuse what follows,
 * the mock takes it, and librdkafka would conclude that the first came through.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include <arpa/inet.h>
#include <sys/socket.h>

#include "tests/unit/kafka_load.h"

enum {
    RECORDS = 40,
    DEADLINE_MS = 1500,
    LATE_MS = 2000, /* librdkafka looks for what is late once a second */
};

/* Sends, and has every report within the deadline. */
static void send_in_time(struct load *l)
{
    load_send(l, RECORDS);
    load_settle(l, DEADLINE_MS + LATE_MS);
}

/* Sends what all must come through. */
static void send_well(struct load *l)
{
    size_t before = l->by_verdict[KAFKA_ACKED];
    assert_int_equal(load_send(l, RECORDS), RECORDS);
    load_settle(l, DEADLINE_MS + LATE_MS);
    assert_int_equal(l->by_verdict[KAFKA_ACKED] - before, RECORDS);
}

/* The fault is over: after a rebuild, if one is needed, all is well. */
static void heal(struct load *l)
{
    rd_kafka_mock_clear_request_errors(l->mock.cluster, API_PRODUCE);
    load_mend(l);
    load_up(l);
    /* A topic that was forbidden is so until the next look at it. */
    WAIT_MS(8000, load_send(l, 1) == 1, usleep(50000));
    load_settle(l, DEADLINE_MS + LATE_MS);
    send_well(l);
}

static void finish(struct load *l)
{
    load_check(l);
    load_free(l);
}

/* --- errors in the answer ------------------------------------------------ */

enum { TILL_THE_DEADLINE = 1000 };

struct error_case {
    rd_kafka_resp_err_t err;
    size_t times;               /* answered so */
    enum kafka_verdict verdict; /* of every record */
};

#define ERR(name) RD_KAFKA_RESP_ERR_##name
static const struct error_case error_cases[] = {
    /* Over before the deadline: a retry delivers. */
    {ERR(NOT_ENOUGH_REPLICAS), LOAD_PARTITIONS, KAFKA_ACKED},
    {ERR(NOT_ENOUGH_REPLICAS_AFTER_APPEND), LOAD_PARTITIONS, KAFKA_ACKED},
    {ERR(NOT_LEADER_FOR_PARTITION), LOAD_PARTITIONS, KAFKA_ACKED},
    {ERR(LEADER_NOT_AVAILABLE), LOAD_PARTITIONS, KAFKA_ACKED},
    {ERR(UNKNOWN_TOPIC_OR_PART), LOAD_PARTITIONS, KAFKA_ACKED},
    {ERR(REQUEST_TIMED_OUT), LOAD_PARTITIONS, KAFKA_ACKED},
    {ERR(KAFKA_STORAGE_ERROR), LOAD_PARTITIONS, KAFKA_ACKED},
    {ERR(NETWORK_EXCEPTION), LOAD_PARTITIONS, KAFKA_UNKNOWN},
    /* Not over: the deadline ends it. */
    {ERR(NOT_ENOUGH_REPLICAS), TILL_THE_DEADLINE, KAFKA_REFUSED},
    {ERR(UNKNOWN_TOPIC_OR_PART), TILL_THE_DEADLINE, KAFKA_REFUSED},
    {ERR(NOT_LEADER_FOR_PARTITION), TILL_THE_DEADLINE, KAFKA_REFUSED},
    {ERR(REQUEST_TIMED_OUT), TILL_THE_DEADLINE, KAFKA_UNKNOWN},
    {ERR(NOT_ENOUGH_REPLICAS_AFTER_APPEND), TILL_THE_DEADLINE, KAFKA_UNKNOWN},
    /* Final. */
    {ERR(MSG_SIZE_TOO_LARGE), LOAD_PARTITIONS, KAFKA_TOO_LARGE},
    {ERR(RECORD_LIST_TOO_LARGE), LOAD_PARTITIONS, KAFKA_TOO_LARGE},
    {ERR(TOPIC_AUTHORIZATION_FAILED), LOAD_PARTITIONS, KAFKA_FORBIDDEN},
    {ERR(CLUSTER_AUTHORIZATION_FAILED), LOAD_PARTITIONS, KAFKA_FORBIDDEN},
    {ERR(INVALID_REQUIRED_ACKS), LOAD_PARTITIONS, KAFKA_REFUSED},
    {ERR(INVALID_RECORD), LOAD_PARTITIONS, KAFKA_REFUSED},
    {ERR(UNSUPPORTED_FOR_MESSAGE_FORMAT), LOAD_PARTITIONS, KAFKA_REFUSED},
    {ERR(UNKNOWN), LOAD_PARTITIONS, KAFKA_UNKNOWN},
    /* The producer and the broker do not agree on what came before. */
    {ERR(INVALID_PRODUCER_EPOCH), LOAD_PARTITIONS, KAFKA_REFUSED},
    {ERR(UNKNOWN_PRODUCER_ID), LOAD_PARTITIONS, KAFKA_ACKED},
};

static void error_try(struct load *l, const struct error_case *c)
{
    size_t before = l->by_verdict[c->verdict];
    load_errors(l, c->err, c->times);
    send_in_time(l);
    if (l->by_verdict[c->verdict] - before != RECORDS) {
        fail_msg("%s: %zu are %s", rd_kafka_err2name(c->err),
                 l->by_verdict[c->verdict] - before,
                 kafka_verdict_name(c->verdict));
    }
    heal(l);
}

/* One after the other, to the same producer. */
static void test_errors_in_the_answer(void **state)
{
    struct load *l = load_new(1, NULL, DEADLINE_MS);
    (void)state;
    load_up(l);
    for (size_t i = 0; i < ARRAY_LEN(error_cases); i++) {
        error_try(l, &error_cases[i]);
    }
    finish(l);
}

/* What is in flight may be stored, what is queued is not; then a rebuild. */
static void test_out_of_order_breaks_it(void **state)
{
    struct load *l = load_new(1, NULL, DEADLINE_MS);
    (void)state;
    load_up(l);
    load_errors(l, RD_KAFKA_RESP_ERR_OUT_OF_ORDER_SEQUENCE_NUMBER, 4);
    send_in_time(l);
    assert_true(l->by_verdict[KAFKA_UNKNOWN] > 0);
    assert_int_equal(
        l->by_verdict[KAFKA_UNKNOWN] + l->by_verdict[KAFKA_REFUSED], RECORDS);
    assert_true(kafka_producer_broken(l->producer, NULL));
    heal(l);
    finish(l);
}

/* --- away, slow, elsewhere ----------------------------------------------- */

static void test_down_from_the_start(void **state)
{
    struct load *l = load_new(1, NULL, DEADLINE_MS);
    (void)state;
    rd_kafka_mock_broker_set_down(l->mock.cluster, 1);
    send_in_time(l);
    assert_int_equal(l->by_verdict[KAFKA_REFUSED], RECORDS);
    assert_int_equal(kafka_producer_outlook(l->producer), KAFKA_REFUSED);
    rd_kafka_mock_broker_set_up(l->mock.cluster, 1);
    heal(l);
    finish(l);
}

static void test_down_in_the_middle(void **state)
{
    struct load *l = load_new(1, NULL, 6000);
    (void)state;
    load_up(l);
    for (int i = 0; i < 4; i++) {
        load_send(l, RECORDS);
        rd_kafka_mock_broker_set_down(l->mock.cluster, 1);
        load_send(l, RECORDS);
        usleep(200000);
        rd_kafka_mock_broker_set_up(l->mock.cluster, 1);
        load_settle(l, 6000 + LATE_MS);
    }
    assert_int_equal(l->by_verdict[KAFKA_ACKED], 4 * 2 * RECORDS);
    finish(l);
}

static void test_down_for_longer_than_the_deadline(void **state)
{
    struct load *l = load_new(1, NULL, DEADLINE_MS);
    (void)state;
    load_up(l);
    send_well(l);
    rd_kafka_mock_broker_set_down(l->mock.cluster, 1);
    send_in_time(l);
    send_in_time(l);
    assert_int_equal(l->by_verdict[KAFKA_ACKED], RECORDS);
    rd_kafka_mock_broker_set_up(l->mock.cluster, 1);
    heal(l);
    finish(l);
}

static void test_slow_but_in_time(void **state)
{
    struct load *l = load_new(1, NULL, 8000);
    (void)state;
    load_up(l);
    rd_kafka_mock_broker_set_rtt(l->mock.cluster, 1, 2000);
    load_send(l, RECORDS);
    load_settle(l, 8000 + LATE_MS);
    assert_int_equal(l->by_verdict[KAFKA_ACKED], RECORDS);
    assert_in_range(l->slowest_us, 2000000, 6000000);
    rd_kafka_mock_broker_set_rtt(l->mock.cluster, 1, 0);
    finish(l);
}

/* It stores everything, and its answers come when nobody waits any more. */
static void test_slower_than_the_deadline(void **state)
{
    struct load *l = load_new(1, NULL, DEADLINE_MS);
    (void)state;
    load_up(l);
    send_well(l);
    rd_kafka_mock_broker_set_rtt(l->mock.cluster, 1, 20000);
    send_in_time(l);
    assert_int_equal(l->by_verdict[KAFKA_UNKNOWN], RECORDS);
    send_in_time(l);
    assert_int_equal(l->by_verdict[KAFKA_ACKED], RECORDS);
    rd_kafka_mock_broker_set_rtt(l->mock.cluster, 1, 0);
    heal(l);
    finish(l);
}

/* Something listens and never says a word, as a stopped process does. */
static void test_frozen(void **state)
{
    char address[32];
    struct sockaddr_in at = {.sin_family = AF_INET,
                             .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t size = sizeof at;
    int fd = socket(AF_INET, SOCK_STREAM, 0);
    (void)state;
    if (fd < 0) {
        fail_msg("no socket");
    }
    assert_int_equal(bind(fd, (struct sockaddr *)&at, size), 0);
    assert_int_equal(listen(fd, 16), 0);
    assert_int_equal(getsockname(fd, (struct sockaddr *)&at, &size), 0);
    snprintf(address, sizeof address, "127.0.0.1:%d", ntohs(at.sin_port));
    struct load *l = load_new(1, address, DEADLINE_MS);
    send_in_time(l);
    assert_int_equal(l->by_verdict[KAFKA_REFUSED], RECORDS);
    assert_int_equal(kafka_producer_outlook(l->producer), KAFKA_REFUSED);
    finish(l);
    close(fd);
}

static void test_leaders_move(void **state)
{
    struct load *l = load_new(3, NULL, 6000);
    (void)state;
    load_up(l);
    for (int round = 0; round < 6; round++) {
        load_send(l, RECORDS);
        for (int part = 0; part < LOAD_PARTITIONS; part++) {
            rd_kafka_mock_partition_set_leader(l->mock.cluster, "load", part,
                                               1 + (round + part) % 3);
        }
        load_send(l, RECORDS);
        load_settle(l, 6000 + LATE_MS);
    }
    assert_int_equal(l->by_verdict[KAFKA_ACKED], 6 * 2 * RECORDS);
    finish(l);
}

static void test_topic_goes_away(void **state)
{
    struct load *l = load_new(1, NULL, DEADLINE_MS);
    (void)state;
    load_up(l);
    send_well(l);
    rd_kafka_mock_topic_set_error(l->mock.cluster, "load",
                                  RD_KAFKA_RESP_ERR_UNKNOWN_TOPIC_OR_PART);
    WAIT_MS(5000, kafka_producer_outlook(l->producer) == KAFKA_NO_TOPIC,
            kafka_producer_serve(l->producer));
    send_in_time(l);
    rd_kafka_mock_topic_set_error(l->mock.cluster, "load",
                                  RD_KAFKA_RESP_ERR_NO_ERROR);
    heal(l);
    finish(l);
}

static void test_topic_is_forbidden(void **state)
{
    struct load *l = load_new(1, NULL, DEADLINE_MS);
    (void)state;
    /* The mock tells the partitions all the same, as no broker does, and
     * librdkafka 2.8 falls over them unless it knows them already. */
    load_up(l);
    rd_kafka_mock_topic_set_error(l->mock.cluster, "load",
                                  RD_KAFKA_RESP_ERR_TOPIC_AUTHORIZATION_FAILED);
    WAIT_MS(5000, kafka_producer_outlook(l->producer) == KAFKA_FORBIDDEN,
            kafka_producer_serve(l->producer));
    send_in_time(l);
    rd_kafka_mock_topic_set_error(l->mock.cluster, "load",
                                  RD_KAFKA_RESP_ERR_NO_ERROR);
    heal(l);
    finish(l);
}

/* It may not be a producer at all, and that again and again. */
static void test_producer_is_forbidden(void **state)
{
    struct load *l = load_new(1, NULL, DEADLINE_MS);
    struct err err = {0};
    (void)state;
    load_up(l);
    rd_kafka_mock_push_request_errors(
        l->mock.cluster, API_INIT_PRODUCER_ID, 3,
        RD_KAFKA_RESP_ERR_CLUSTER_AUTHORIZATION_FAILED,
        RD_KAFKA_RESP_ERR_CLUSTER_AUTHORIZATION_FAILED,
        RD_KAFKA_RESP_ERR_CLUSTER_AUTHORIZATION_FAILED);
    /* One that asks while the answers are there; the first may have asked. */
    assert_true(kafka_producer_rebuild(l->producer, &err));
    for (int i = 0; i < 3; i++) {
        WAIT_MS(5000, kafka_producer_broken(l->producer, NULL),
                kafka_producer_serve(l->producer));
        assert_int_equal(kafka_producer_outlook(l->producer), KAFKA_FORBIDDEN);
        assert_int_equal(load_send(l, 5), 0);
        assert_true(load_mend(l));
    }
    heal(l);
    finish(l);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_errors_in_the_answer),
        cmocka_unit_test(test_out_of_order_breaks_it),
        cmocka_unit_test(test_down_from_the_start),
        cmocka_unit_test(test_down_in_the_middle),
        cmocka_unit_test(test_down_for_longer_than_the_deadline),
        cmocka_unit_test(test_slow_but_in_time),
        cmocka_unit_test(test_slower_than_the_deadline),
        cmocka_unit_test(test_frozen),
        cmocka_unit_test(test_leaders_move),
        cmocka_unit_test(test_topic_goes_away),
        cmocka_unit_test(test_topic_is_forbidden),
        cmocka_unit_test(test_producer_is_forbidden),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
