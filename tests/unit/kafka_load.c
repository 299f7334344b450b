/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "tests/unit/kafka_load.h"

enum { BATCH = 50 };

static const char *const topics[] = {"load"};

static void report(void *arg, void *tag, enum kafka_verdict verdict)
{
    struct load *l = arg;
    size_t n = (size_t)(uintptr_t)tag - 1;
    int64_t took_us = clock_mono_us() - l->sent_us[n];
    l->reports[n]++;
    l->verdicts[n] = (uint8_t)verdict;
    l->by_verdict[verdict]++;
    if (took_us > l->slowest_us) {
        l->slowest_us = took_us;
    }
}

struct load *load_new(int broker_count, const char *brokers,
                      int64_t message_timeout_ms)
{
    struct err err = {0};
    struct load *l = xcalloc(1, sizeof *l);
    l->mock = mock_new(broker_count);
    rd_kafka_mock_topic_create(l->mock.cluster, topics[0], LOAD_PARTITIONS,
                               broker_count);
    const struct kafka_producer_options options = {
        .brokers = brokers != NULL ? brokers : l->mock.brokers,
        .client_id = "load",
        .topics = topics,
        .topic_count = ARRAY_LEN(topics),
        .message_timeout_ms = message_timeout_ms,
        .linger_ms = 2,
        .queue_messages = LOAD_MAX,
        .queue_bytes = 64 << 20,
        .message_bytes_max = 100000,
        .report = report,
        .arg = l,
    };
    l->producer = kafka_producer_new(&options, &err);
    if (l->producer == NULL) {
        fail_msg("%s", err.text);
    }
    return l;
}

void load_free(struct load *l)
{
    kafka_producer_free(l->producer);
    mock_free(&l->mock);
    free(l);
}

void load_up(struct load *l)
{
    WAIT_MS(10000, kafka_producer_outlook(l->producer) == KAFKA_ACKED,
            kafka_producer_serve(l->producer));
}

static size_t batch_send(struct load *l, size_t count)
{
    struct kafka_record records[BATCH];
    char keys[BATCH][24];
    size_t numbers[BATCH];
    size_t first = atomic_fetch_add(&l->next, count);
    int64_t now_us = clock_mono_us();
    assert_true(first + count <= LOAD_MAX);
    for (size_t i = 0; i < count; i++) {
        numbers[i] = first + i;
        snprintf(keys[i], sizeof keys[i], "k%zu", numbers[i] % 17);
        l->sent_us[numbers[i]] = now_us;
        records[i] = (struct kafka_record){
            .key = str_of(keys[i]),
            .payload = {(const char *)&numbers[i], sizeof numbers[i]},
            .tag = (void *)(uintptr_t)(numbers[i] + 1),
        };
    }
    size_t sent = kafka_producer_send(l->producer, 0, records, count);
    for (size_t i = 0; i < count; i++) {
        if (!records[i].queued) {
            l->sent_us[numbers[i]] = 0;
            atomic_fetch_add(&l->refusals[records[i].refusal], 1);
        }
    }
    return sent;
}

size_t load_send(struct load *l, size_t count)
{
    size_t sent = 0;
    for (size_t i = 0; i < count; i += BATCH) {
        sent += batch_send(l, count - i < BATCH ? count - i : BATCH);
    }
    return sent;
}

void load_settle(struct load *l, int ms)
{
    kafka_producer_serve(l->producer);
    WAIT_MS(ms, kafka_producer_pending(l->producer) == 0,
            kafka_producer_serve(l->producer));
}

bool load_mend(struct load *l)
{
    struct err err = {0};
    if (!kafka_producer_broken(l->producer, NULL)) {
        return false;
    }
    if (!kafka_producer_rebuild(l->producer, &err)) {
        fail_msg("%s", err.text);
    }
    return true;
}

void load_errors(struct load *l, rd_kafka_resp_err_t err, size_t count)
{
    rd_kafka_resp_err_t errors[1000];
    assert_true(count <= ARRAY_LEN(errors));
    for (size_t i = 0; i < count; i++) {
        errors[i] = err;
    }
    rd_kafka_mock_push_request_errors_array(l->mock.cluster, API_PRODUCE, count,
                                            errors);
}

void load_break(struct load *l)
{
    /* Of the first request in flight: the broker has lost its memory of this
     * producer, which cannot know any more what is stored. */
    load_errors(l, RD_KAFKA_RESP_ERR_OUT_OF_ORDER_SEQUENCE_NUMBER, 1);
}

/* --- what the brokers hold ----------------------------------------------- */

static rd_kafka_t *reader_of(const struct load *l)
{
    char why[256];
    rd_kafka_conf_t *conf = rd_kafka_conf_new();
    rd_kafka_conf_set(conf, "bootstrap.servers", l->mock.brokers, why,
                      sizeof why);
    rd_kafka_conf_set(conf, "group.id", "reader", why, sizeof why);
    rd_kafka_conf_set(conf, "enable.partition.eof", "true", why, sizeof why);
    rd_kafka_conf_set(conf, "isolation.level", "read_uncommitted", why,
                      sizeof why);
    rd_kafka_t *rk = rd_kafka_new(RD_KAFKA_CONSUMER, conf, why, sizeof why);
    assert_non_null(rk);
    rd_kafka_poll_set_consumer(rk);
    return rk;
}

/* held: by number. */
static void read_all(const struct load *l, uint8_t *held)
{
    int ended = 0;
    int64_t until_us = clock_mono_us() + 20000000;
    rd_kafka_t *rk = reader_of(l);
    rd_kafka_topic_partition_list_t *parts =
        rd_kafka_topic_partition_list_new(LOAD_PARTITIONS);
    for (int i = 0; i < LOAD_PARTITIONS; i++) {
        rd_kafka_topic_partition_list_add(parts, topics[0], i)->offset = 0;
    }
    rd_kafka_assign(rk, parts);
    while (ended < LOAD_PARTITIONS && clock_mono_us() < until_us) {
        size_t n;
        rd_kafka_message_t *m = rd_kafka_consumer_poll(rk, 100);
        if (m == NULL) {
            continue;
        }
        ended += m->err == RD_KAFKA_RESP_ERR__PARTITION_EOF;
        if (m->err == RD_KAFKA_RESP_ERR_NO_ERROR && m->len == sizeof n) {
            memcpy(&n, m->payload, sizeof n);
            assert_true(n < LOAD_MAX);
            held[n] = 1;
        }
        rd_kafka_message_destroy(m);
    }
    rd_kafka_topic_partition_list_destroy(parts);
    rd_kafka_consumer_close(rk);
    rd_kafka_destroy(rk);
    assert_int_equal(ended, LOAD_PARTITIONS);
}

void load_check(struct load *l)
{
    uint8_t *held = xcalloc(LOAD_MAX, 1);
    size_t acked = 0, lost = 0, wrong = 0;
    assert_int_equal(kafka_producer_pending(l->producer), 0);
    read_all(l, held);
    for (size_t n = 0; n < LOAD_MAX; n++) {
        wrong += l->reports[n] != (l->sent_us[n] != 0);
        if (l->reports[n] == 0 && held[n]) {
            wrong++; /* stored, though it was not taken */
        }
        if (l->reports[n] == 1 && l->verdicts[n] == KAFKA_ACKED) {
            acked++;
            lost += !held[n];
        }
    }
    free(held);
    if (lost > 0 || wrong > 0) {
        fail_msg("%zu of %zu acknowledged records are lost, %zu have not one "
                 "report",
                 lost, acked, wrong);
    }
    assert_int_equal(acked, l->by_verdict[KAFKA_ACKED]);
}
