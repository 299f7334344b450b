/* SPDX-License-Identifier: Apache-2.0 */
#include "services/collector/publish.h"

#include <stdlib.h>
#include <sys/epoll.h>

#include "common/kafka_producer.h"
#include "common/log.h"
#include "common/pulse/topology.h"

#define TENANT STR("pulse")

struct publisher {
    struct kafka_producer *producer;
    struct record_codec *codec;
    struct loop_io *io;
    struct buf key, message;
    struct counter *acked, *lost;
    void (*done)(void *arg); /* draining */
    void *arg;
};

static void drain_check(struct publisher *p)
{
    if (p->done && kafka_producer_pending(p->producer) == 0) {
        void (*done)(void *) = MOVE(p->done);
        done(p->arg);
    }
}

static void report(void *arg, void *tag, enum kafka_verdict verdict)
{
    struct publisher *p = arg;
    (void)tag;
    counter_add(verdict == KAFKA_ACKED ? p->acked : p->lost, 1);
}

static void serve(void *arg, uint32_t events)
{
    struct publisher *p = arg;
    (void)events;
    kafka_producer_serve(p->producer);
    drain_check(p);
}

static bool producer_open(struct publisher *p, const char *brokers,
                          size_t queue_max, struct err *err)
{
    const struct kafka_producer_options options = {
        .brokers = brokers,
        .client_id = "pulse-collector",
        .topics = topic_names,
        .topic_count = AT_METRICS + 1,
        .message_timeout_ms = 10000,
        .linger_ms = 20,
        .queue_messages = (int64_t)queue_max,
        .queue_bytes = (int64_t)queue_max * 1024,
        .message_bytes_max = 1000000,
        .report = report,
        .arg = p,
    };
    p->producer = kafka_producer_new(&options, err);
    return p->producer != NULL;
}

struct publisher *publisher_new(const char *brokers, size_t queue_max,
                                struct loop *loop, struct metrics *metrics,
                                struct err *err)
{
    AUTO(publisher) p = xcalloc(1, sizeof *p);
    const char *help = "Readings sent to pulse.metrics, by outcome.";
    p->acked = metrics_counter(metrics, "pulse_collector_published_total", help,
                               "outcome", "acked", NULL);
    p->lost = metrics_counter(metrics, "pulse_collector_published_total", help,
                              "outcome", "lost", NULL);
    p->codec = record_codec_new(err);
    if (!p->codec || !producer_open(p, brokers, queue_max, err))
        return NULL;
    p->io =
        loop_io_new(loop, kafka_producer_fd(p->producer), EPOLLIN, serve, p);
    return MOVE(p);
}

void publisher_free(struct publisher *p)
{
    if (!p)
        return;
    if (p->io)
        loop_io_free(p->io);
    kafka_producer_free(p->producer);
    record_codec_free(p->codec);
    buf_release(&p->key);
    buf_release(&p->message);
    free(p);
}

/* The labels of a record: the sample's and its service, sorted. */
static size_t labels_merge(const struct sample *s, struct label *out)
{
    size_t n = 0;
    for (size_t i = 0; i < s->label_count; i++)
        out[n++] = s->labels[i];
    if (s->service.p)
        out[n++] = (struct label){STR("service"), s->service};
    bool unique = labels_sort(out, n);
    return unique ? n : 0;
}

static void sample_send(struct publisher *p, const struct sample *s,
                        int64_t time_us)
{
    struct label labels[SAMPLE_LABELS_MAX + 2];
    struct err err = {0};
    struct record r = {
        .kind = RECORD_METRIC,
        .metric = {.tenant_id = TENANT,
                   .name = s->name,
                   .labels = labels,
                   .label_count = labels_merge(s, labels),
                   .value = s->value,
                   .time_us = time_us,
                   .received_at_us = time_us},
    };
    buf_reset(&p->key);
    buf_reset(&p->message);
    record_key(&r, &p->key);
    if (!record_encode(p->codec, &r, &p->message, &err)) {
        log_warn("sample_unencodable", LOG_STR("name", s->name), LOG_ERR(&err));
        counter_add(p->lost, 1);
        return;
    }
    struct kafka_record record = {.key = buf_str(&p->key),
                                  .payload = buf_str(&p->message)};
    if (kafka_producer_send(p->producer, AT_METRICS, &record, 1) == 0)
        counter_add(p->lost, 1);
}

/* What it cannot survive is rare, and a round is long: once each is enough. */
static void producer_mend(struct publisher *p)
{
    struct err cause = {0}, err = {0};
    if (!kafka_producer_broken(p->producer, &cause))
        return;
    if (kafka_producer_rebuild(p->producer, &err))
        log_error("kafka_producer_rebuilt", LOG_ERR(&cause));
    else
        log_error("kafka_producer_not_rebuilt", LOG_ERR(&err));
}

void publisher_send(struct publisher *p, const struct samples *samples,
                    int64_t time_us)
{
    producer_mend(p);
    for (size_t i = 0; i < samples->count; i++)
        sample_send(p, &samples->at[i], time_us);
}

void publisher_drain(struct publisher *p, void (*done)(void *arg), void *arg)
{
    p->done = done;
    p->arg = arg;
    kafka_producer_hurry(p->producer);
    drain_check(p);
}
