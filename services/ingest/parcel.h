/* SPDX-License-Identifier: Apache-2.0 */
/* parcel.h - encoded records on their way to one topic: keys and payloads
 * side by side in one buffer that is reused from request to request. */
#ifndef INGEST_PARCEL_H
#define INGEST_PARCEL_H

#include "common/kafka_producer.h"
#include "common/pulse/record.h"

struct parcel_span {
    size_t key_at, payload_at, end_at; /* places in bytes */
};

/* {0} is an empty parcel; one thread. */
struct parcel {
    struct buf bytes;
    struct parcel_span *spans;
    struct kafka_record *records; /* made by parcel_seal */
    size_t count, cap;
};

void parcel_release(struct parcel *p);
DEFINE_AUTO_RELEASE(parcel)
void parcel_reset(struct parcel *p); /* empty; memory kept up to a bound */
/* Begins a record by its key, which the caller may want for the time it gives
 * the record. Valid until the parcel changes. */
struct str parcel_key(struct parcel *p, const struct record *r);
/* Encodes the record whose key was begun. False: it is left out; *err is
 * ERR_INPUT, also when the message is longer than bytes_max. */
bool parcel_add(struct parcel *p, struct record_codec *codec,
                const struct record *r, size_t bytes_max, struct err *err)
    MUST_USE;
/* Only the first count records stay. */
void parcel_cut(struct parcel *p, size_t count);
/* The records, ready to send, each with tag. Valid until the parcel changes. */
struct kafka_record *parcel_seal(struct parcel *p, void *tag);

#endif
