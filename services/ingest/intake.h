/* SPDX-License-Identifier: Apache-2.0 */
/* intake.h - one request's body on its way to Kafka: read, judged record by
 * record, encoded; and the answer it gets once Kafka has it. */
#ifndef INGEST_INTAKE_H
#define INGEST_INTAKE_H

#include "common/pulse/endpoint.h"
#include "services/ingest/pending.h"
#include "services/ingest/reject.h"
#include "services/ingest/stamp.h"
#include "services/ingest/worker.h"

/* What all requests share. */
struct intake_shared {
    struct check_rules rules;
    size_t records_max, message_bytes_max;
    struct stamp_clock *stamps;
};

struct intake {
    const struct intake_shared *shared;
    const struct endpoint_kind *kind;
    struct http_request *request;
    struct worker *worker; /* its parcels are filled */
    struct check check;
    struct rejects rejects;
    size_t total;  /* records in the body */
    bool strict;   /* one bad record: none is accepted */
    bool too_many; /* nothing was read: 413 */
};

/* Reads the whole body; request, kind, shared, worker, strict and check are
 * set by the caller. */
void intake_read(struct intake *in, struct str body, bool lines);
void intake_release(struct intake *in);
DEFINE_AUTO_RELEASE(intake)
/* To be given when all of it is acknowledged; in the request's arena. */
struct answer intake_answer(const struct intake *in);

#endif
