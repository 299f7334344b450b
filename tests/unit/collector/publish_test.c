/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "common/pulse/topology.h"
#include "services/collector/publish.h"
#include "tests/unit/mock_kafka.h"

enum { OUT_OF_ORDER = RD_KAFKA_RESP_ERR_OUT_OF_ORDER_SEQUENCE_NUMBER };

struct world {
    struct loop *loop;
    struct publisher *publisher;
    struct samples samples;
    struct counter *acked, *lost;
    int64_t until_us;
    size_t goal; /* acknowledged */
};

/* A round as the collector makes them, only faster. */
static void round_do(void *arg)
{
    struct world *w = arg;
    if (counter_get(w->acked) >= w->goal || clock_mono_us() > w->until_us) {
        loop_stop(w->loop, 0);
        return;
    }
    publisher_send(w->publisher, &w->samples, 1700000000000000);
}

static void run_until(struct world *w, size_t acked)
{
    struct loop_timer *timer = loop_timer_new(w->loop, round_do, w);
    w->goal = acked;
    w->until_us = clock_mono_us() + 15000000;
    loop_timer_set(timer, 0, 50);
    assert_int_equal(loop_run(w->loop), 0);
    loop_timer_free(timer);
    assert_true(counter_get(w->acked) >= acked);
}

static void drained(void *arg)
{
    loop_stop(((struct world *)arg)->loop, 0);
}

static void test_goes_on_with_a_new_producer(void **state)
{
    struct world w = {.loop = loop_new()};
    struct err err = {0};
    AUTO(metrics) metrics = metrics_new();
    struct mock mock = mock_new(1);
    (void)state;
    rd_kafka_mock_topic_create(mock.cluster, TOPIC_METRICS, 2, 1);
    w.publisher = publisher_new(mock.brokers, 1000, w.loop, metrics, &err);
    assert_non_null(w.publisher);
    w.acked = metrics_counter(metrics, "pulse_collector_published_total", "",
                              "outcome", "acked", NULL);
    w.lost = metrics_counter(metrics, "pulse_collector_published_total", "",
                             "outcome", "lost", NULL);
    samples_init(&w.samples, 10);
    samples_addf(&w.samples, "writer", "lag", 1.0, "part", "0", NULL);
    run_until(&w, 10);
    assert_int_equal(counter_get(w.lost), 0);

    rd_kafka_mock_push_request_errors(mock.cluster, API_PRODUCE, 1,
                                      OUT_OF_ORDER);
    run_until(&w, counter_get(w.acked) + 10);
    assert_in_range(counter_get(w.lost), 1, 10);

    publisher_drain(w.publisher, drained, &w);
    assert_int_equal(loop_run(w.loop), 0);
    publisher_free(w.publisher);
    samples_release(&w.samples);
    loop_free(w.loop);
    mock_free(&mock);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_goes_on_with_a_new_producer),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
