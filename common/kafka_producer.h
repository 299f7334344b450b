/* SPDX-License-Identifier: Apache-2.0 */
/* kafka_producer.h - an idempotent Kafka producer whose delivery reports wake
 * an event loop. Needs librdkafka 2.6.1 or newer (checked when made). */
#ifndef COMMON_KAFKA_PRODUCER_H
#define COMMON_KAFKA_PRODUCER_H

#include "common/err.h"
#include "common/str.h"

struct kafka_producer;

/* What became of a record. */
enum kafka_verdict {
    KAFKA_ACKED,     /* all in-sync replicas have it */
    KAFKA_UNKNOWN,   /* no answer in time: may or may not be stored */
    KAFKA_REFUSED,   /* not stored; a later try may work */
    KAFKA_TOO_LARGE, /* not stored, will never be */
    KAFKA_NO_TOPIC,  /* not stored: its topic does not exist */
    KAFKA_FORBIDDEN, /* not stored: we may not write there */
};
enum { KAFKA_VERDICTS = KAFKA_FORBIDDEN + 1 }; /* how many */

/* The one of two that says more of what to do with a request that holds
 * both: sending it again comes before giving it up. */
enum kafka_verdict kafka_verdict_worse(enum kafka_verdict a,
                                       enum kafka_verdict b);
const char *kafka_verdict_name(enum kafka_verdict v); /* "too_large" */

/* One report for each record sent, in the thread that serves. */
typedef void kafka_report_fn(void *arg, void *tag, enum kafka_verdict verdict);

struct kafka_producer_options {
    const char *brokers; /* host:port,host:port */
    const char *client_id;
    const char *const *topics; /* must outlive the producer */
    size_t topic_count;
    int64_t message_timeout_ms;
    int64_t linger_ms;
    int64_t queue_messages; /* librdkafka's bound; above the caller's budget */
    int64_t queue_bytes;
    int64_t message_bytes_max; /* of a payload; key and header come on top */
    kafka_report_fn *report;
    void *arg;
};

struct kafka_record {
    struct str key;     /* copied; empty: any partition */
    struct str payload; /* copied */
    void *tag;          /* comes back in the report */
    /* Set by kafka_producer_send: */
    bool queued;
    enum kafka_verdict refusal; /* why it was not queued */
};

/* Does not wait for a broker. NULL and *err (ERR_FATAL) on a bad option. */
struct kafka_producer *kafka_producer_new(
    const struct kafka_producer_options *options, struct err *err) MUST_USE;
/* Undelivered records are reported first: KAFKA_REFUSED if never sent, else
 * KAFKA_UNKNOWN. */
void kafka_producer_free(struct kafka_producer *p);
DEFINE_AUTO(kafka_producer)

/* Readable when kafka_producer_serve has work; never changes. */
int kafka_producer_fd(const struct kafka_producer *p);
/* Delivers every report there is; one thread. */
void kafka_producer_serve(struct kafka_producer *p);
/* Any thread. Returns how many were queued; the others (queued == false) get
 * no report and were not sent. */
size_t kafka_producer_send(struct kafka_producer *p, size_t topic,
                           struct kafka_record *records, size_t count);
/* Unreported records; for the thread that serves. */
size_t kafka_producer_pending(const struct kafka_producer *p);
/* Send what lingers (waits 1 ms); the caller serves until pending is 0. */
void kafka_producer_hurry(struct kafka_producer *p);
/* What a record sent now has to expect; KAFKA_ACKED: a broker is connected
 * and every topic is known. Any thread. */
enum kafka_verdict kafka_producer_outlook(struct kafka_producer *p);
/* librdkafka's idempotent producer gave up for good: true, and *err
 * (ERR_FATAL) says why; nothing is queued any more until a rebuild. Any
 * thread. */
bool kafka_producer_broken(struct kafka_producer *p, struct err *err);
/* Starts anew with the same options; the thread that serves. Does not wait:
 * what is in flight keeps its deadline and its report, what is queued is
 * refused. Serve every second or so until pending is 0. False and *err: all
 * is as before. */
bool kafka_producer_rebuild(struct kafka_producer *p, struct err *err) MUST_USE;

#endif
