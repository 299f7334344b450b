/* SPDX-License-Identifier: Apache-2.0 */
#include "common/kafka_link.h"

#include <assert.h>
#include <stdatomic.h>
#include <stdlib.h>

#include "common/clock.h"
#include "common/kafka_client.h"
#include "common/log.h"

enum {
    CHUNK = 128,
    LOG_EVERY_US = 1000000,
    KEY_ROOM = 4096, /* a record's key, and what Kafka adds to it */
};

/* A topic, and its failures since the last line in the log. */
struct link_topic {
    rd_kafka_topic_t *rkt;
    size_t failed;
    rd_kafka_resp_err_t err; /* of the last one */
    int64_t logged_us;
};

struct kafka_link {
    const struct kafka_producer_options *with;
    rd_kafka_t *rk;
    rd_kafka_queue_t *queue;
    struct kafka_probe *probe;
    struct link_topic *topics; /* as with->topics */
    atomic_size_t pending;
};

/* --- life ---------------------------------------------------------------- */

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
        {"message.max.bytes", NULL, o->message_bytes_max + KEY_ROOM},
        /* A broker refuses a batch as a whole, and librdkafka splits none:
         * where one record fits, a batch must. */
        {"batch.size", NULL, o->message_bytes_max},
        {"partitioner", "murmur2_random", 0}, /* as the Java clients do */
        {"allow.auto.create.topics", "false", 0},
    };
    return kafka_client_new(RD_KAFKA_PRODUCER, o->brokers, o->client_id,
                            RD_KAFKA_EVENT_DR | RD_KAFKA_EVENT_ERROR, settings,
                            ARRAY_LEN(settings), err);
}

struct kafka_link *kafka_link_new(const struct kafka_producer_options *options,
                                  int wake_fd, struct err *err)
{
    rd_kafka_t *rk = client_of(options, err);
    if (rk == NULL) {
        return NULL;
    }
    struct kafka_link *l = xcalloc(1, sizeof *l);
    l->with = options;
    l->rk = rk;
    l->queue = rd_kafka_queue_get_main(rk);
    kafka_wake_on(l->queue, wake_fd);
    l->topics = xcalloc(options->topic_count + 1, sizeof *l->topics);
    for (size_t i = 0; i < options->topic_count; i++) {
        l->topics[i].rkt = rd_kafka_topic_new(rk, options->topics[i], NULL);
        assert(l->topics[i].rkt != NULL); /* the name is ours */
    }
    l->probe = kafka_probe_new(rk, options->topic_count);
    return l;
}

/* One line a second and topic, whatever happens to its records. */
static void failures_log(struct kafka_link *l, bool now)
{
    int64_t at_us = clock_mono_us();
    for (size_t i = 0; i < l->with->topic_count; i++) {
        struct link_topic *t = &l->topics[i];
        if (t->failed == 0 || (!now && at_us - t->logged_us < LOG_EVERY_US)) {
            continue;
        }
        log_warn("kafka_not_delivered", LOG_S("topic", l->with->topics[i]),
                 LOG_I("records", t->failed),
                 LOG_S("err", rd_kafka_err2name(t->err)));
        t->failed = 0;
        t->logged_us = at_us;
    }
}

void kafka_link_free(struct kafka_link *l)
{
    if (l == NULL) {
        return;
    }
    failures_log(l, true);
    kafka_probe_free(l->probe);
    for (size_t i = 0; i < l->with->topic_count; i++) {
        rd_kafka_topic_destroy(l->topics[i].rkt);
    }
    rd_kafka_queue_destroy(l->queue);
    rd_kafka_destroy(l->rk);
    free(l->topics);
    free(l);
}

/* --- reports ------------------------------------------------------------- */

/* For a record that is not stored. */
static enum kafka_verdict refusal_of(rd_kafka_resp_err_t code)
{
    switch ((int)code) {
    case RD_KAFKA_RESP_ERR_MSG_SIZE_TOO_LARGE:
    case RD_KAFKA_RESP_ERR_RECORD_LIST_TOO_LARGE:
        return KAFKA_TOO_LARGE;
    case RD_KAFKA_RESP_ERR__UNKNOWN_TOPIC:
    case RD_KAFKA_RESP_ERR__UNKNOWN_PARTITION:
    case RD_KAFKA_RESP_ERR_UNKNOWN_TOPIC_OR_PART:
    case RD_KAFKA_RESP_ERR_UNKNOWN_TOPIC_ID:
        return KAFKA_NO_TOPIC;
    case RD_KAFKA_RESP_ERR__AUTHENTICATION:
    case RD_KAFKA_RESP_ERR_SASL_AUTHENTICATION_FAILED:
    case RD_KAFKA_RESP_ERR_TOPIC_AUTHORIZATION_FAILED:
    case RD_KAFKA_RESP_ERR_CLUSTER_AUTHORIZATION_FAILED:
        return KAFKA_FORBIDDEN;
    default:
        return KAFKA_REFUSED;
    }
}

/* librdkafka takes every error it does not know for "not stored". */
static bool is_vague(rd_kafka_resp_err_t code)
{
    return code == RD_KAFKA_RESP_ERR_UNKNOWN ||
           code == RD_KAFKA_RESP_ERR_NETWORK_EXCEPTION;
}

static enum kafka_verdict verdict_of(const rd_kafka_message_t *m)
{
    if (m->err == RD_KAFKA_RESP_ERR_NO_ERROR) {
        return KAFKA_ACKED;
    }
    enum kafka_verdict refusal = refusal_of(m->err);
    if (refusal != KAFKA_TOO_LARGE &&
        (is_vague(m->err) ||
         rd_kafka_message_status(m) != RD_KAFKA_MSG_STATUS_NOT_PERSISTED)) {
        return KAFKA_UNKNOWN;
    }
    return refusal;
}

static void failure_note(struct kafka_link *l, const rd_kafka_message_t *m)
{
    for (size_t i = 0; i < l->with->topic_count; i++) {
        if (l->topics[i].rkt == m->rkt) {
            l->topics[i].failed++;
            l->topics[i].err = m->err;
            return;
        }
    }
}

static void serve_reports(struct kafka_link *l, rd_kafka_event_t *event)
{
    const rd_kafka_message_t *m;
    while ((m = rd_kafka_event_message_next(event)) != NULL) {
        enum kafka_verdict verdict = verdict_of(m);
        if (verdict != KAFKA_ACKED) {
            failure_note(l, m);
        }
        l->with->report(l->with->arg, m->_private, verdict);
        atomic_fetch_sub(&l->pending, 1);
    }
}

static void serve_error(struct kafka_link *l, rd_kafka_event_t *event)
{
    rd_kafka_resp_err_t code = rd_kafka_event_error(event);
    if (code == RD_KAFKA_RESP_ERR__ALL_BROKERS_DOWN) {
        kafka_probe_down(l->probe);
    }
    log_warn("kafka_producer_fault", LOG_S("err", rd_kafka_err2name(code)),
             LOG_S("text", rd_kafka_event_error_string(event)));
}

void kafka_link_serve(struct kafka_link *l)
{
    rd_kafka_event_t *event;
    while ((event = rd_kafka_queue_poll(l->queue, 0)) != NULL) {
        if (rd_kafka_event_type(event) == RD_KAFKA_EVENT_DR) {
            serve_reports(l, event);
        } else if (rd_kafka_event_type(event) == RD_KAFKA_EVENT_ERROR) {
            serve_error(l, event);
        }
        rd_kafka_event_destroy(event);
    }
    failures_log(l, false);
}

/* --- sending ------------------------------------------------------------- */

/* At most CHUNK records, so that the array stands on the stack. */
static size_t send_chunk(struct kafka_link *l, rd_kafka_topic_t *topic,
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
    atomic_fetch_add(&l->pending, count);
    int sent =
        rd_kafka_produce_batch(topic, RD_KAFKA_PARTITION_UA,
                               RD_KAFKA_MSG_F_COPY, messages, (int)count);
    for (size_t i = 0; i < count; i++) {
        records[i].queued = messages[i].err == RD_KAFKA_RESP_ERR_NO_ERROR;
        if (!records[i].queued) {
            records[i].refusal = refusal_of(messages[i].err);
        }
    }
    atomic_fetch_sub(&l->pending, count - (size_t)sent);
    return (size_t)sent;
}

size_t kafka_link_send(struct kafka_link *l, size_t topic,
                       struct kafka_record *records, size_t count)
{
    size_t sent = 0;
    assert(topic < l->with->topic_count);
    for (size_t i = 0; i < count; i += CHUNK) {
        size_t n = count - i < CHUNK ? count - i : CHUNK;
        sent += send_chunk(l, l->topics[topic].rkt, records + i, n);
    }
    return sent;
}

size_t kafka_link_pending(const struct kafka_link *l)
{
    return atomic_load(&l->pending);
}

void kafka_link_purge(struct kafka_link *l, bool in_flight)
{
    rd_kafka_purge(l->rk, RD_KAFKA_PURGE_F_QUEUE |
                              RD_KAFKA_PURGE_F_NON_BLOCKING |
                              (in_flight ? RD_KAFKA_PURGE_F_INFLIGHT : 0));
}

void kafka_link_hurry(struct kafka_link *l)
{
    /* Broker threads do not linger while a flush is on. It waits 1 ms, so
     * that they see it; the reports come by kafka_link_serve. */
    (void)rd_kafka_flush(l->rk, 1);
}

/* --- looking on ---------------------------------------------------------- */

enum kafka_verdict kafka_link_outlook(const struct kafka_link *l)
{
    rd_kafka_resp_err_t code = rd_kafka_fatal_error(l->rk, NULL, 0);
    if (code == RD_KAFKA_RESP_ERR_NO_ERROR) {
        code = kafka_probe_state(l->probe);
    }
    return code == RD_KAFKA_RESP_ERR_NO_ERROR ? KAFKA_ACKED : refusal_of(code);
}

bool kafka_link_broken(const struct kafka_link *l, struct err *err)
{
    char text[256];
    rd_kafka_resp_err_t code = rd_kafka_fatal_error(l->rk, text, sizeof text);
    if (code == RD_KAFKA_RESP_ERR_NO_ERROR) {
        return false;
    }
    err_set(err, ERR_FATAL, "Kafka producer gave up: %s: %s",
            rd_kafka_err2name(code), text);
    return true;
}
