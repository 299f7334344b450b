/* SPDX-License-Identifier: Apache-2.0 */
/* intake.h - one request's body on its way to Kafka: read, judged unit by
 * unit, encoded. */
#ifndef INGEST_INTAKE_H
#define INGEST_INTAKE_H

#include "common/http.h"
#include "common/pulse/endpoint.h"
#include "services/ingest/packed.h"
#include "services/ingest/reject.h"
#include "services/ingest/stamp.h"
#include "services/ingest/worker.h"

/* What all requests share. */
struct intake_shared {
    size_t message_bytes_max;
    size_t bytes_max; /* of a request's messages: what may be in flight */
    struct stamp_clock *stamps;
    struct packed packed;
};

struct intake {
    const struct intake_shared *shared;
    const struct endpoint_kind *kind;
    struct http_request *request;
    struct worker *worker; /* its parcels are filled */
    struct check check;
    struct rejects rejects;
    size_t records_max;
    size_t units;               /* in the body, as far as it was read */
    size_t records;             /* accepted; all in the parcels */
    size_t skipped[SKIP_COUNT]; /* see struct body */
    bool strict;                /* one bad unit: none is accepted */
    bool too_many;              /* not read to the end: 413 */
    bool too_large;             /* unpacked; not read: 413 */
    bool too_heavy;             /* its records together; not read: 413 */
    bool unread;                /* the body as a whole is the one reject */
    struct str type;            /* of what the rejects' letters keep */
};

/* Unpacks and reads the whole body; request, kind, shared, worker, records_max,
 * strict and check are set by the caller, and all of posted but its text. */
void intake_read(struct intake *in, struct posted *posted);
void intake_release(struct intake *in);
DEFINE_AUTO_RELEASE(intake)

#endif
