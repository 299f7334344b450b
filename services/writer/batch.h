/* SPDX-License-Identifier: Apache-2.0 */
/* batch.h - the messages of one transaction and the rows they become: one
 * slice per partition, decoded once, verdicts counted per slice. */
#ifndef WRITER_BATCH_H
#define WRITER_BATCH_H

#include "common/kafka_consumer.h"
#include "common/pulse/record.h"
#include "services/writer/rows.h"
#include "services/writer/series.h"
#include "services/writer/topics.h"

enum verdict {
    VERDICT_NONE, /* not written yet */
    VERDICT_STORED,
    VERDICT_DUPLICATE, /* same key, same content, was there before */
    VERDICT_DEAD,      /* a dead letter says why */
};
enum { VERDICTS = VERDICT_DEAD + 1 };

/* What was read of one partition. */
struct slice {
    size_t topic;
    int32_t part;
    uint32_t assignment; /* changes with every (re)assignment: see seen.h */
    int64_t from, next;  /* offsets [from, next) */
    int64_t gap;         /* of those, offsets the log did not have */
    bool held;           /* the claim's compare-and-swap matched */
};

struct message {
    uint32_t slice;
    enum verdict verdict;
    bool poison; /* can never be stored: a dead letter in every attempt */
    int64_t offset;
    struct str payload;     /* as received */
    struct str tenant_id;   /* p == NULL: undecodable */
    struct str device_id;   /* p == NULL: none */
    int64_t received_at_us; /* 0: unknown */
    const char *reason;     /* of VERDICT_DEAD: a stable code, constant */
    struct str detail;
};

struct batch {
    struct arena *arena;
    struct record_codec *codec;
    struct series *series;
    struct tickets tickets; /* of series it did not know */
    bool sorted;            /* its rows are in the order of writing */
    const struct topics *topics;
    struct str raw_tenant; /* whose the messages of raw topics are */
    bool telemetry_series; /* numeric fields become samples */
    struct slice *slices;
    size_t slice_count, slice_cap;
    struct message *messages;
    size_t message_count, message_cap;
    struct rows telemetry, samples, events;
    struct dead_letter_record *letters; /* those of pulse.deadletter */
    uint32_t *letter_messages;          /* and the messages they came in */
    size_t letter_count, letter_cap;
    struct buf scratch;
};

struct batch_options {
    struct series *series;
    const struct topics *topics;
    const char *raw_tenant;
    bool telemetry_series;
};

/* Borrows all of options. NULL and *err (ERR_FATAL): the schemas are bad. */
struct batch *batch_new(const struct batch_options *options, struct err *err)
    MUST_USE;
void batch_free(struct batch *b);
DEFINE_AUTO(batch)
void batch_reset(struct batch *b); /* what it learnt of series is kept */

/* Notes that the partition is read from offset from on. Slices are made by
 * this or by the partition's first message. */
struct slice *batch_slice(struct batch *b, size_t topic, int32_t part,
                          int64_t from, uint32_t assignment);
/* Adds the message; its offset must not be before slice->next. Offsets left
 * out count as gap. Never fails: what cannot be decoded is poison. */
void batch_add(struct batch *b, struct slice *slice,
               const struct kafka_event *event);
/* offsets [slice->next, to) are not in the log. */
void batch_gap(struct slice *slice, int64_t to);

/* The slice's topic. */
const char *batch_topic(const struct batch *b, const struct slice *s);
bool batch_empty(const struct batch *b); /* nothing to commit */
size_t batch_rows(const struct batch *b);
size_t batch_bytes(const struct batch *b);

/* The message m will never be stored; detail is copied. */
void batch_poison(struct batch *b, struct message *m, const char *reason,
                  const char *detail);
/* Verdicts as before the first attempt to write. */
void batch_rewind(struct batch *b);

#endif
