/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What pulse-ingest would be if it answered before Kafka does, as many do: an
 * own services/ingest/pending.c, linked in its place for make bench-ingest
 * alone. Production has no such switch. The budget is kept, so that memory
 * stays bounded; a request is answered as soon as its records are handed over.
 */
#include <assert.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdlib.h>

#include "services/ingest/pending.h"

struct pendings {
    int64_t records_max, bytes_max;
    _Atomic int64_t records, bytes;
    _Atomic bool closed;
    _Atomic int senders;
};

/* Lives on when its request is answered. */
struct pending {
    struct pendings *all;
    struct http_request *request;
    struct answer answer;
    int64_t records, bytes;
    _Atomic size_t remaining;
};

struct pendings *pendings_new(const struct pendings_options *options)
{
    struct pendings *p = xcalloc(1, sizeof *p);

    p->records_max = options->records_max;
    p->bytes_max = options->bytes_max;
    return p;
}

void pendings_free(struct pendings *p)
{
    free(p);
}

void pendings_close(struct pendings *p)
{
    atomic_store(&p->closed, true);
    while (atomic_load(&p->senders) > 0)
        sched_yield();
}

size_t pendings_count(const struct pendings *p)
{
    return (size_t)atomic_load(&p->records);
}

enum admission pending_admit(struct pendings *p, struct http_request *r,
                             const struct answer *answer, size_t records,
                             size_t bytes, struct pending **out)
{
    if (atomic_load(&p->closed))
        return ADMISSION_CLOSED;
    if (atomic_load(&p->records) > p->records_max ||
        atomic_load(&p->bytes) > p->bytes_max)
        return ADMISSION_FULL;
    atomic_fetch_add(&p->senders, 1);
    atomic_fetch_add(&p->records, (int64_t)records);
    atomic_fetch_add(&p->bytes, (int64_t)bytes);
    struct pending *pending = xcalloc(1, sizeof *pending);
    *pending = (struct pending){.all = p,
                                .request = r,
                                .answer = *answer,
                                .records = (int64_t)records,
                                .bytes = (int64_t)bytes,
                                .remaining = records + 1};
    *out = pending;
    return ADMITTED;
}

void answer_unavailable(struct http_request *r, const char *code,
                        const char *message)
{
    http_reply_header(r, "Retry-After", "2");
    http_reply_error(r, 503, code, message);
}

static void pending_drop(struct pending *p, size_t counts)
{
    if (atomic_fetch_sub(&p->remaining, counts) != counts)
        return;
    atomic_fetch_sub(&p->all->records, p->records);
    atomic_fetch_sub(&p->all->bytes, p->bytes);
    free(p);
}

void pending_report(void *arg, void *tag, enum kafka_verdict verdict)
{
    (void)arg;
    (void)verdict; /* nobody is there to be told */
    pending_drop(tag, 1);
}

void pending_send(struct pending *p, struct kafka_producer *producer,
                  size_t topic, struct kafka_record *records, size_t count)
{
    pending_drop(p,
                 count - kafka_producer_send(producer, topic, records, count));
}

void answer_kafka(struct http_request *r, enum kafka_verdict why,
                  const char *then)
{
    (void)why;
    answer_unavailable(r, "kafka_unavailable", then);
}

void pending_sent(struct pending *p)
{
    struct pendings *all = p->all;
    const struct answer *a = &p->answer;

    counter_add(a->counter, a->accepted);
    http_reply(p->request, a->status, a->type, a->body);
    pending_drop(p, 1);
    atomic_fetch_sub(&all->senders, 1);
}
