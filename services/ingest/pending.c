/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A pending holds one count per record and one for the thread that sends
 * them, so it cannot end while that thread still touches it. Whoever takes
 * the last count answers: the loop's thread that serves the reports, or the
 * sending thread when the reports were faster.
 */
#include "services/ingest/pending.h"

#include <assert.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>

#include "common/clock.h"

struct pendings {
    int64_t records_max, bytes_max;
    _Atomic int64_t records, bytes, requests;
    _Atomic bool closed;
    _Atomic int senders; /* threads between admit and sent */
    struct counter *refused, *failed[KAFKA_VERDICTS];
    struct histogram *ack_seconds;
};

struct pending {
    struct pendings *all;
    struct http_request *request;
    struct answer answer;
    int64_t records, bytes, since_us;
    _Atomic size_t remaining;
    _Atomic int worst; /* enum kafka_verdict */
};

static double records_now(void *arg)
{
    return (double)atomic_load(&((struct pendings *)arg)->records);
}

static double bytes_now(void *arg)
{
    return (double)atomic_load(&((struct pendings *)arg)->bytes);
}

static double requests_now(void *arg)
{
    return (double)atomic_load(&((struct pendings *)arg)->requests);
}

struct pendings *pendings_new(const struct pendings_options *options)
{
    struct pendings *p = xcalloc(1, sizeof *p);
    struct metrics *m = options->metrics;

    p->records_max = options->records_max;
    p->bytes_max = options->bytes_max;
    metrics_gauge_fn(m, "pulse_ingest_inflight_records",
                     "Records waiting for Kafka's acknowledgement.",
                     records_now, p);
    metrics_gauge_fn(m, "pulse_ingest_inflight_bytes",
                     "Bytes waiting for Kafka's acknowledgement.", bytes_now,
                     p);
    metrics_gauge_fn(m, "pulse_ingest_inflight_requests",
                     "Requests waiting for Kafka's acknowledgement.",
                     requests_now, p);
    p->refused = metrics_counter(
        m, "pulse_ingest_budget_refused_total",
        "Requests refused because too much was in flight.", NULL);
    for (int v = KAFKA_ACKED + 1; v < KAFKA_VERDICTS; v++)
        p->failed[v] = metrics_counter(
            m, "pulse_ingest_records_failed_total",
            "Records Kafka did not acknowledge, by what is known of them.",
            "verdict", kafka_verdict_name((enum kafka_verdict)v), NULL);
    p->ack_seconds = metrics_histogram(
        m, "pulse_ingest_ack_seconds",
        "From sending a request's records to Kafka to the last "
        "acknowledgement.",
        0.001, 10, NULL);
    return p;
}

void pendings_free(struct pendings *p)
{
    assert(!p || atomic_load(&p->requests) == 0);
    free(p);
}

void pendings_close(struct pendings *p)
{
    atomic_store(&p->closed, true);
    while (atomic_load(&p->senders) > 0)
        sched_yield(); /* some µs: they hand records to a queue */
}

size_t pendings_count(const struct pendings *p)
{
    return (size_t)atomic_load(&p->requests);
}

/* Takes records and bytes from the budget, or nothing. */
static bool budget_take(struct pendings *p, int64_t records, int64_t bytes)
{
    int64_t r = atomic_fetch_add(&p->records, records) + records;
    int64_t b = atomic_fetch_add(&p->bytes, bytes) + bytes;

    if (r <= p->records_max && b <= p->bytes_max)
        return true;
    atomic_fetch_sub(&p->records, records);
    atomic_fetch_sub(&p->bytes, bytes);
    return false;
}

enum admission pending_admit(struct pendings *p, struct http_request *r,
                             const struct answer *answer, size_t records,
                             size_t bytes, struct pending **out)
{
    atomic_fetch_add(&p->senders, 1); /* before closed is read: see close */
    if (atomic_load(&p->closed)) {
        atomic_fetch_sub(&p->senders, 1);
        return ADMISSION_CLOSED;
    }
    if (!budget_take(p, (int64_t)records, (int64_t)bytes)) {
        atomic_fetch_sub(&p->senders, 1);
        counter_add(p->refused, 1);
        return ADMISSION_FULL;
    }
    atomic_fetch_add(&p->requests, 1);
    struct pending *pending = arena_alloc(http_arena(r), sizeof *pending);
    *pending = (struct pending){
        .all = p,
        .request = r,
        .answer = *answer,
        .records = (int64_t)records,
        .bytes = (int64_t)bytes,
        .since_us = clock_mono_us(),
        .remaining = records + 1,
        .worst = KAFKA_ACKED,
    };
    *out = pending;
    return ADMITTED;
}

void answer_unavailable(struct http_request *r, const char *code,
                        const char *message)
{
    http_reply_header(r, "Retry-After", "2");
    http_reply_error(r, 503, code, message);
}

void answer_kafka(struct http_request *r, enum kafka_verdict why,
                  const char *then)
{
    static const struct {
        const char *code, *text;
    } words[KAFKA_VERDICTS] = {
        [KAFKA_UNKNOWN] = {"kafka_unavailable",
                           "Kafka did not acknowledge every record in time"},
        [KAFKA_REFUSED] = {"kafka_unavailable",
                           "Kafka is not reachable, or refuses records"},
        [KAFKA_NO_TOPIC] = {"topic_missing",
                            "A topic of Pulse does not exist in Kafka"},
        [KAFKA_FORBIDDEN] = {"kafka_not_authorised",
                             "Kafka does not let this server write"},
    };
    char text[256];

    assert(words[why].code);
    snprintf(text, sizeof text, "%s; %s", words[why].text, then);
    answer_unavailable(r, words[why].code, text);
}

static void pending_answer(struct http_request *r, enum kafka_verdict worst,
                           const struct answer *answer)
{
    switch (worst) {
    case KAFKA_ACKED:
        if (answer->accepted > 0)
            counter_add(answer->counter, answer->accepted);
        http_reply(r, answer->status, answer->type, answer->body);
        return;
    case KAFKA_TOO_LARGE:
        http_reply_error(r, 413, "message_too_large",
                         "Kafka refused a record of this request as too "
                         "large; the others may be stored.");
        return;
    case KAFKA_UNKNOWN:
    case KAFKA_REFUSED:
    case KAFKA_NO_TOPIC:
    case KAFKA_FORBIDDEN:
        answer_kafka(r, worst,
                     "some may be stored. Send the request again: records "
                     "that carry their time are not doubled.");
        return;
    }
    assert(false && "no verdict");
}

static void pending_end(struct pending *p)
{
    struct pendings *all = p->all;
    enum kafka_verdict worst = (enum kafka_verdict)atomic_load(&p->worst);

    if (worst == KAFKA_ACKED)
        histogram_observe(all->ack_seconds,
                          (double)(clock_mono_us() - p->since_us) / 1e6);
    atomic_fetch_sub(&all->records, p->records);
    atomic_fetch_sub(&all->bytes, p->bytes);
    pending_answer(p->request, worst, &p->answer); /* p is gone with it */
    atomic_fetch_sub(&all->requests, 1);
}

static void pending_worsen(struct pending *p, enum kafka_verdict verdict)
{
    int worst = atomic_load(&p->worst);

    while (!atomic_compare_exchange_weak(
        &p->worst, &worst,
        (int)kafka_verdict_worse((enum kafka_verdict)worst, verdict)))
        ;
}

/* What the store does not get. */
static void pending_fail(struct pending *p, enum kafka_verdict verdict)
{
    counter_add(p->all->failed[verdict], 1);
    pending_worsen(p, verdict);
}

static void pending_drop(struct pending *p, size_t counts)
{
    if (atomic_fetch_sub(&p->remaining, counts) == counts)
        pending_end(p);
}

void pending_report(void *arg, void *tag, enum kafka_verdict verdict)
{
    (void)arg;
    if (verdict != KAFKA_ACKED)
        pending_fail(tag, verdict);
    pending_drop(tag, 1);
}

void pending_send(struct pending *p, struct kafka_producer *producer,
                  size_t topic, struct kafka_record *records, size_t count)
{
    size_t sent = kafka_producer_send(producer, topic, records, count);

    if (sent == count)
        return;
    for (size_t i = 0; i < count; i++)
        if (!records[i].queued)
            pending_fail(p, records[i].refusal);
    pending_drop(p, count - sent); /* never the last: see pending_sent */
}

void pending_sent(struct pending *p)
{
    struct pendings *all = p->all;

    pending_drop(p, 1);
    atomic_fetch_sub(&all->senders, 1);
}
