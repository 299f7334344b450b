/* SPDX-License-Identifier: Apache-2.0 */
/* A producer that breaks for good and is rebuilt, alone and under load. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include <poll.h>
#include <pthread.h>

#include "tests/unit/kafka_load.h"

/* Sends one record after the other until the producer is broken. */
static void break_it(struct load *l)
{
    load_break(l);
    WAIT_MS(10000, kafka_producer_broken(l->producer, NULL),
            (load_send(l, 1), kafka_producer_serve(l->producer)));
}

static void test_broken_takes_nothing_until_it_is_rebuilt(void **state)
{
    struct load *l = load_new(1, NULL, 3000);
    struct err err = {0};
    (void)state;
    load_up(l);
    load_send(l, 100);
    load_settle(l, 5000);
    assert_int_equal(l->by_verdict[KAFKA_ACKED], 100);
    break_it(l);
    assert_true(kafka_producer_broken(l->producer, &err));
    assert_int_equal(err.kind, ERR_FATAL);
    assert_non_null(strstr(err.text, "OUT_OF_ORDER_SEQUENCE_NUMBER"));
    assert_int_equal(kafka_producer_outlook(l->producer), KAFKA_REFUSED);
    assert_int_equal(load_send(l, 10), 0);

    int64_t start_us = clock_mono_us();
    assert_true(load_mend(l));
    load_up(l);
    print_message("# rebuilt and up again after %lld ms\n",
                  (long long)(clock_mono_us() - start_us) / 1000);
    assert_in_range(clock_mono_us() - start_us, 0, 2000000);
    assert_false(kafka_producer_broken(l->producer, NULL));
    assert_int_equal(load_send(l, 100), 100);
    load_settle(l, 5000);
    assert_true(l->by_verdict[KAFKA_ACKED] >= 200);
    load_check(l);
    load_free(l);
}

/* The broker has them and will say so, three seconds later. */
static void test_in_flight_keeps_its_report(void **state)
{
    struct load *l = load_new(1, NULL, 8000);
    (void)state;
    load_up(l);
    rd_kafka_mock_broker_set_rtt(l->mock.cluster, 1, 1500);
    load_send(l, 20);
    usleep(300000);
    struct err err = {0};
    assert_true(kafka_producer_rebuild(l->producer, &err));
    assert_int_equal(kafka_producer_pending(l->producer), 20);
    load_settle(l, 6000);
    assert_int_equal(l->by_verdict[KAFKA_ACKED], 20);
    rd_kafka_mock_broker_set_rtt(l->mock.cluster, 1, 0);
    load_check(l);
    load_free(l);
}

static void test_queued_is_refused_at_once(void **state)
{
    struct load *l = load_new(1, "127.0.0.1:1", 8000); /* nobody */
    struct err err = {0};
    (void)state;
    load_send(l, 20);
    assert_true(kafka_producer_rebuild(l->producer, &err));
    load_settle(l, 1000);
    assert_int_equal(l->by_verdict[KAFKA_REFUSED], 20);
    load_check(l);
    load_free(l);
}

/* What never gets an answer has its report when the old link's time is up. */
static void test_abandoned_in_flight_is_unknown_in_time(void **state)
{
    struct load *l = load_new(1, NULL, 1500);
    struct err err = {0};
    (void)state;
    load_up(l);
    rd_kafka_mock_broker_set_rtt(l->mock.cluster, 1, 20000);
    load_send(l, 20);
    usleep(300000);
    assert_true(kafka_producer_rebuild(l->producer, &err));
    load_settle(l, 1500 + 2500);
    assert_int_equal(l->by_verdict[KAFKA_UNKNOWN], 20);
    rd_kafka_mock_broker_set_rtt(l->mock.cluster, 1, 0);
    load_check(l);
    load_free(l);
}

static void test_free_reports_the_old_links_records_too(void **state)
{
    struct load *l = load_new(1, NULL, 60000);
    struct err err = {0};
    (void)state;
    load_up(l);
    rd_kafka_mock_broker_set_rtt(l->mock.cluster, 1, 20000);
    load_send(l, 20);
    usleep(300000);
    assert_true(kafka_producer_rebuild(l->producer, &err));
    load_send(l, 30);
    assert_int_equal(kafka_producer_pending(l->producer), 50);
    kafka_producer_free(MOVE(l->producer));
    assert_int_equal(
        l->by_verdict[KAFKA_UNKNOWN] + l->by_verdict[KAFKA_REFUSED], 50);
    load_free(l);
}

/* The loop that waits on the fd does not notice the swap. */
static void test_the_fd_stays(void **state)
{
    struct load *l = load_new(1, NULL, 3000);
    (void)state;
    int fd = kafka_producer_fd(l->producer);
    load_up(l);
    for (int round = 0; round < 3; round++) {
        struct err err = {0};
        assert_true(kafka_producer_rebuild(l->producer, &err));
        assert_int_equal(kafka_producer_fd(l->producer), fd);
        load_up(l);
        load_send(l, 10);
        while (kafka_producer_pending(l->producer) > 0) {
            struct pollfd p = {.fd = fd, .events = POLLIN};
            assert_int_equal(poll(&p, 1, 3000), 1);
            kafka_producer_serve(l->producer);
        }
    }
    assert_int_equal(l->by_verdict[KAFKA_ACKED], 30);
    load_check(l);
    load_free(l);
}

/* --- under load ---------------------------------------------------------- */

struct crowd {
    struct load *load;
    _Atomic bool ending;
};

static void *send_on_and_on(void *arg)
{
    struct crowd *c = arg;
    while (!atomic_load(&c->ending)) {
        load_send(c->load, 10);
        (void)kafka_producer_outlook(c->load->producer);
        usleep(1000);
    }
    return NULL;
}

enum { THREADS = 4, BREAKS = 4 };

static void test_breaks_under_load(void **state)
{
    struct load *l = load_new(1, NULL, 3000);
    struct crowd crowd = {.load = l};
    pthread_t threads[THREADS];
    (void)state;
    load_up(l);
    for (int i = 0; i < THREADS; i++) {
        assert_int_equal(
            pthread_create(&threads[i], NULL, send_on_and_on, &crowd), 0);
    }
    for (int i = 0; i < BREAKS; i++) {
        size_t acked = l->by_verdict[KAFKA_ACKED];
        WAIT_MS(10000, l->by_verdict[KAFKA_ACKED] > acked + 500,
                kafka_producer_serve(l->producer));
        load_break(l);
        WAIT_MS(10000, kafka_producer_broken(l->producer, NULL),
                kafka_producer_serve(l->producer));
        assert_true(load_mend(l));
    }
    size_t acked = l->by_verdict[KAFKA_ACKED];
    WAIT_MS(10000, l->by_verdict[KAFKA_ACKED] > acked + 500,
            kafka_producer_serve(l->producer));
    atomic_store(&crowd.ending, true);
    for (int i = 0; i < THREADS; i++) {
        pthread_join(threads[i], NULL);
    }
    load_settle(l, 6000);
    load_check(l);
    load_free(l);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_broken_takes_nothing_until_it_is_rebuilt),
        cmocka_unit_test(test_in_flight_keeps_its_report),
        cmocka_unit_test(test_queued_is_refused_at_once),
        cmocka_unit_test(test_abandoned_in_flight_is_unknown_in_time),
        cmocka_unit_test(test_free_reports_the_old_links_records_too),
        cmocka_unit_test(test_the_fd_stays),
        cmocka_unit_test(test_breaks_under_load),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
