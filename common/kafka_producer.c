/* SPDX-License-Identifier: Apache-2.0 */
#include "common/kafka_producer.h"

#include <assert.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <unistd.h>

#include "common/clock.h"
#include "common/kafka_client.h"
#include "common/log.h"

enum { CHUNK = 128, FREE_WAIT_MS = 5000 };

struct kafka_producer {
    rd_kafka_t *rk;
    rd_kafka_queue_t *queue;
    int fd;
    struct kafka_probe *probe;
    rd_kafka_topic_t **topics;
    size_t topic_count;
    kafka_report_fn *report;
    void *arg;
    atomic_size_t pending;
};

static rd_kafka_t *client_of(const struct kafka_producer_options *o,
                             struct err *err)
{
    const struct kafka_setting settings[] = {
        {"enable.idempotence", "true", 0}, /* implies acks=all */
        {"linger.ms", NULL, o->linger_ms},
        {"compression.type", "lz4", 0},
        {"message.timeout.ms", NULL, o->message_timeout_ms},
        {"queue.buffering.max.messages", NULL, o->queue_messages},
        {"queue.buffering.max.kbytes", NULL, o->queue_bytes / 1024},
        {"message.max.bytes", NULL, o->message_bytes_max},
        {"partitioner", "murmur2_random", 0}, /* as the Java clients do */
        {"allow.auto.create.topics", "false", 0},
    };
    return kafka_client_new(RD_KAFKA_PRODUCER, o->brokers, o->client_id,
                            RD_KAFKA_EVENT_DR | RD_KAFKA_EVENT_ERROR, settings,
                            ARRAY_LEN(settings), err);
}

struct kafka_producer *kafka_producer_new(
    const struct kafka_producer_options *options, struct err *err)
{
    rd_kafka_t *rk = client_of(options, err);
    if (rk == NULL) {
        return NULL;
    }
    struct kafka_producer *p = xcalloc(1, sizeof *p);
    p->rk = rk;
    p->queue = rd_kafka_queue_get_main(rk);
    p->fd = kafka_wake_fd(p->queue);
    p->report = options->report;
    p->arg = options->arg;
    p->topic_count = options->topic_count;
    p->topics = xcalloc(p->topic_count + 1, sizeof *p->topics);
    for (size_t i = 0; i < p->topic_count; i++) {
        p->topics[i] = rd_kafka_topic_new(rk, options->topics[i], NULL);
        assert(p->topics[i] != NULL); /* the name is ours */
    }
    p->probe = kafka_probe_new(rk, p->topic_count);
    return p;
}

/* Reports what is left: purged from the queue, or abandoned in flight. */
static void give_up(struct kafka_producer *p)
{
    int64_t until = clock_mono_us() + FREE_WAIT_MS * INT64_C(1000);
    rd_kafka_purge(p->rk, RD_KAFKA_PURGE_F_QUEUE | RD_KAFKA_PURGE_F_INFLIGHT);
    kafka_producer_serve(p);
    while (kafka_producer_pending(p) > 0 && clock_mono_us() < until) {
        usleep(1000);
        kafka_producer_serve(p);
    }
}

void kafka_producer_free(struct kafka_producer *p)
{
    if (p == NULL) {
        return;
    }
    give_up(p);
    kafka_probe_free(p->probe);
    for (size_t i = 0; i < p->topic_count; i++) {
        rd_kafka_topic_destroy(p->topics[i]);
    }
    rd_kafka_queue_destroy(p->queue);
    rd_kafka_destroy(p->rk);
    close(p->fd);
    free(p->topics);
    free(p);
}

int kafka_producer_fd(const struct kafka_producer *p)
{
    return p->fd;
}

static enum kafka_verdict verdict_of(const rd_kafka_message_t *m)
{
    switch ((int)m->err) {
    case RD_KAFKA_RESP_ERR_NO_ERROR:
        return KAFKA_ACKED;
    case RD_KAFKA_RESP_ERR_MSG_SIZE_TOO_LARGE:
    case RD_KAFKA_RESP_ERR_RECORD_LIST_TOO_LARGE:
        return KAFKA_TOO_LARGE;
    default:
        return rd_kafka_message_status(m) == RD_KAFKA_MSG_STATUS_NOT_PERSISTED
                   ? KAFKA_REFUSED
                   : KAFKA_UNKNOWN;
    }
}

static void serve_reports(struct kafka_producer *p, rd_kafka_event_t *event)
{
    const rd_kafka_message_t *m;
    while ((m = rd_kafka_event_message_next(event)) != NULL) {
        enum kafka_verdict verdict = verdict_of(m);
        if (verdict != KAFKA_ACKED) {
            log_warn("kafka_not_delivered",
                     LOG_S("topic", rd_kafka_topic_name(m->rkt)),
                     LOG_S("err", rd_kafka_err2name(m->err)));
        }
        p->report(p->arg, m->_private, verdict);
        atomic_fetch_sub(&p->pending, 1);
    }
}

static void serve_error(struct kafka_producer *p, rd_kafka_event_t *event)
{
    rd_kafka_resp_err_t code = rd_kafka_event_error(event);
    if (code == RD_KAFKA_RESP_ERR__ALL_BROKERS_DOWN) {
        kafka_probe_down(p->probe);
    }
    log_warn("kafka_producer_fault", LOG_S("err", rd_kafka_err2name(code)),
             LOG_S("text", rd_kafka_event_error_string(event)));
}

void kafka_producer_serve(struct kafka_producer *p)
{
    rd_kafka_event_t *event;
    kafka_wake_drain(p->fd);
    while ((event = rd_kafka_queue_poll(p->queue, 0)) != NULL) {
        if (rd_kafka_event_type(event) == RD_KAFKA_EVENT_DR) {
            serve_reports(p, event);
        } else if (rd_kafka_event_type(event) == RD_KAFKA_EVENT_ERROR) {
            serve_error(p, event);
        }
        rd_kafka_event_destroy(event);
    }
}

/* At most CHUNK records, so that the array stands on the stack. */
static size_t send_chunk(struct kafka_producer *p, rd_kafka_topic_t *topic,
                         struct kafka_record *records, size_t count)
{
    rd_kafka_message_t messages[CHUNK]; /* set as far as used: 9 KB */
    for (size_t i = 0; i < count; i++) {
        const struct kafka_record *r = &records[i];
        messages[i] = (rd_kafka_message_t){
            .payload = (void *)(uintptr_t)r->payload.p,
            .len = r->payload.n,
            .key = r->key.n > 0 ? (void *)(uintptr_t)r->key.p : NULL,
            .key_len = r->key.n,
            ._private = r->tag,
        };
    }
    /* Counted before: a report may come before the call is back. */
    atomic_fetch_add(&p->pending, count);
    int sent =
        rd_kafka_produce_batch(topic, RD_KAFKA_PARTITION_UA,
                               RD_KAFKA_MSG_F_COPY, messages, (int)count);
    for (size_t i = 0; i < count; i++) {
        records[i].queued = messages[i].err == RD_KAFKA_RESP_ERR_NO_ERROR;
        records[i].too_large =
            messages[i].err == RD_KAFKA_RESP_ERR_MSG_SIZE_TOO_LARGE;
    }
    atomic_fetch_sub(&p->pending, count - (size_t)sent);
    return (size_t)sent;
}

size_t kafka_producer_send(struct kafka_producer *p, size_t topic,
                           struct kafka_record *records, size_t count)
{
    size_t sent = 0;
    assert(topic < p->topic_count);
    for (size_t i = 0; i < count; i += CHUNK) {
        size_t n = count - i < CHUNK ? count - i : CHUNK;
        sent += send_chunk(p, p->topics[topic], records + i, n);
    }
    return sent;
}

size_t kafka_producer_pending(const struct kafka_producer *p)
{
    return atomic_load(&p->pending);
}

void kafka_producer_hurry(struct kafka_producer *p)
{
    /* Broker threads do not linger while a flush is on. It waits 1 ms, so
     * that they see it; the reports come by kafka_producer_serve. */
    (void)rd_kafka_flush(p->rk, 1);
}

bool kafka_producer_up(const struct kafka_producer *p)
{
    return kafka_probe_up(p->probe);
}

bool kafka_producer_broken(const struct kafka_producer *p, struct err *err)
{
    char text[256];
    rd_kafka_resp_err_t code = rd_kafka_fatal_error(p->rk, text, sizeof text);
    if (code == RD_KAFKA_RESP_ERR_NO_ERROR) {
        return false;
    }
    err_set(err, ERR_FATAL, "Kafka producer gave up: %s: %s",
            rd_kafka_err2name(code), text);
    return true;
}
