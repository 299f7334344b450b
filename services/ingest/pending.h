/* SPDX-License-Identifier: Apache-2.0 */
/* pending.h - requests that wait for Kafka's delivery reports. Admission is
 * all or nothing against a budget of records and bytes. */
#ifndef INGEST_PENDING_H
#define INGEST_PENDING_H

#include "common/http.h"
#include "common/kafka_producer.h"

struct pendings; /* all of them; any thread */
struct pending;  /* one request's; lives in the request's arena */

struct pendings_options {
    int64_t records_max, bytes_max;
    struct metrics *metrics;
};

struct pendings *pendings_new(const struct pendings_options *options) MUST_USE;
void pendings_free(struct pendings *p); /* none may be left */
DEFINE_AUTO(pendings)
/* No more admissions; returns when no thread is between admit and sent. */
void pendings_close(struct pendings *p);
size_t pendings_count(const struct pendings *p); /* unanswered requests */

/* What the client gets once every record is acknowledged. */
struct answer {
    int status;
    const char *type; /* of the body, a constant; NULL: there is none */
    struct str body;  /* lives as long as the request */
    size_t accepted;  /* records, then added to counter */
    struct counter *counter;
};

enum admission { ADMITTED, ADMISSION_FULL, ADMISSION_CLOSED };
/* On ADMITTED *out is the tag of the request's records, and pending_sent must
 * follow. Otherwise nothing is held. */
enum admission pending_admit(struct pendings *p, struct http_request *r,
                             const struct answer *answer, size_t records,
                             size_t bytes, struct pending **out) MUST_USE;
/* Hands records, whose tag is p, to the producer; those it does not take are
 * failures of the request like those reported. */
void pending_send(struct pending *p, struct kafka_producer *producer,
                  size_t topic, struct kafka_record *records, size_t count);
/* All of them were handed over. The request may be answered and gone when
 * this returns. */
void pending_sent(struct pending *p);
/* A kafka_report_fn; tag is the pending. arg is unused. */
void pending_report(void *arg, void *tag, enum kafka_verdict verdict);

/* 503 with Retry-After. */
void answer_unavailable(struct http_request *r, const char *code,
                        const char *message);
/* The same with the code and the words for why; then is their end. */
void answer_kafka(struct http_request *r, enum kafka_verdict why,
                  const char *then);

#endif
