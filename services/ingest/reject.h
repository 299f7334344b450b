/* SPDX-License-Identifier: Apache-2.0 */
/* reject.h - the records of one request that were rejected, and why. */
#ifndef INGEST_REJECT_H
#define INGEST_REJECT_H

#include "common/buf.h"
#include "common/pulse/fault.h"

struct reject {
    size_t index;         /* of the record in its request */
    size_t line;          /* of a text of lines, from 1; else 0 */
    struct fault fault;   /* texts live as long as the request */
    struct str payload;   /* the record's bytes, likewise */
    struct str device_id; /* as the record says; p == NULL: unknown */
};

/* {0} is an empty list; one thread. */
struct rejects {
    struct reject *items;
    size_t count, cap;
};

void rejects_release(struct rejects *r);
DEFINE_AUTO_RELEASE(rejects)
void rejects_add(struct rejects *r, const struct reject *reject); /* copied */
/* Appends [{"index":…,"code":…,"field":…,"message":…}, …]. */
void rejects_json(const struct rejects *r, struct buf *out);

#endif
