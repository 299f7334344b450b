/* SPDX-License-Identifier: Apache-2.0 */
/* worker.h - what one server thread keeps from request to request. */
#ifndef INGEST_WORKER_H
#define INGEST_WORKER_H

#include "common/unpack.h"
#include "services/ingest/parcel.h"

struct worker {
    struct record_codec *codec;
    struct parcel parcels[TOPIC_COUNT]; /* for each topic */
    struct arena *arena; /* of the request at hand, until it is sent */
    struct buf text;
    struct unpacker *unpacker;
    struct buf unpacked; /* the request's body, where it came packed */
};

/* The calling thread's, made at first use, freed when the thread ends. Empty:
 * what the last request left is gone. */
struct worker *worker_mine(void);
/* What the parcels hold, all together. */
size_t worker_records(const struct worker *w);
size_t worker_bytes(const struct worker *w);

#endif
