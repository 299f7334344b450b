/* SPDX-License-Identifier: Apache-2.0 */
/* record.h - the four records that travel through Kafka (schemas/), as C
 * structs and as Avro single-object messages. */
#ifndef COMMON_PULSE_RECORD_H
#define COMMON_PULSE_RECORD_H

#include "common/arena.h"
#include "common/buf.h"
#include "common/err.h"
#include "common/pulse/topology.h"

struct label {
    struct str name, value;
};

struct metric_record {
    struct str tenant_id, name;
    const struct label *labels; /* sorted by name, bytewise; names unique */
    size_t label_count;
    double value;           /* finite */
    int64_t time_us;        /* the sender's clock, µs since 1970 UTC */
    int64_t received_at_us; /* the edge's clock */
    struct str source;      /* p == NULL: none */
    /* Of decoded ones: bytes that no other series has; the same series may
     * have others, in a message that spells it differently. p == NULL: none
     * are known. */
    struct str series;
};

enum field_type { FIELD_REAL, FIELD_INTEGER, FIELD_BOOLEAN, FIELD_TEXT };
struct field {
    struct str name;
    enum field_type type;
    union {
        double real;
        int64_t integer;
        bool boolean;
        struct str text;
    };
};

struct telemetry_record {
    struct str tenant_id, device_id;
    struct str site_id; /* p == NULL: none */
    struct str msg_type;
    int64_t seq;
    int64_t time_us, received_at_us;
    const struct field *metrics; /* names unique */
    size_t metric_count;
};

enum event_kind { EVENT_LOG, EVENT_EVENT };
struct event_record {
    struct str tenant_id, id;
    enum event_kind kind;
    struct str level, service, message; /* p == NULL: none */
    struct str attributes;              /* JSON text of an object */
    int64_t time_us, received_at_us;
};

struct dead_letter_record {
    struct str tenant_id;                   /* p == NULL: unknown */
    struct str stage;                       /* "ingest", "writer" */
    struct str endpoint, key_id, device_id; /* p == NULL: none */
    struct str reason; /* stable code, as in docs/errors.md */
    struct str detail; /* a sentence */
    struct str content_type;
    struct str payload; /* bytes as received */
    struct str topic;   /* p == NULL: did not come from Kafka */
    int32_t part;
    int64_t offset;
    int64_t received_at_us, failed_at_us;
};

enum record_kind {
    RECORD_METRIC,
    RECORD_TELEMETRY,
    RECORD_EVENT,
    RECORD_DEAD_LETTER,
};
struct record {
    enum record_kind kind;
    union {
        struct metric_record metric;
        struct telemetry_record telemetry;
        struct event_record event;
        struct dead_letter_record dead_letter;
    };
};

/* Encoders and decoders for all schemas and versions. One per thread. */
struct record_codec;
struct record_codec *record_codec_new(struct err *err) MUST_USE;
void record_codec_free(struct record_codec *c);
DEFINE_AUTO(record_codec)

/* Appends the message, in the newest version of its schema. False and *err
 * (ERR_INPUT), out as before, if a text is not UTF-8 or holds a NUL, a number
 * is not finite, or an id or name is empty. */
bool record_encode(struct record_codec *c, const struct record *r,
                   struct buf *out, struct err *err) MUST_USE;
/* Texts of *r point into message, lists are in a: both must outlive it. A
 * metric's labels are those of its series (metric_labels): no reader needs to
 * look at source. ERR_INPUT: unknown schema, bad bytes, or what record_encode
 * refuses. */
bool record_decode(struct record_codec *c, struct str message, struct arena *a,
                   struct record *r, struct err *err) MUST_USE;

/* The labels of the metric's series: those it has, and label "source" from
 * source where there is none. Sorted; lives as long as m and a. */
const struct label *metric_labels(const struct metric_record *m,
                                  struct arena *a, size_t *count) MUST_USE;

/* The Kafka message key of a record, appended: what must keep its order has one
 * key, so a series lives in one partition. */
void record_key(const struct record *r, struct buf *out);
struct str record_tenant(const struct record *r); /* p == NULL: unknown */
enum topic record_topic(enum record_kind kind);   /* the one that carries it */
/* The sender's time; a dead letter's received_at. */
int64_t *record_time(struct record *r);
/* One JSON object, for people and tools (pulse tail): the schema's fields
 * without the null ones, times as RFC 3339. */
void record_json(const struct record *r, struct buf *out);

/* The inverse of record_json, for records that people edit: every field that
 * is not null must be there, and nothing else. Texts live in a. ERR_INPUT. A
 * reading without a fraction becomes whole. Not for dead letters. */
bool record_from_json(enum record_kind kind, struct str json, struct arena *a,
                      struct record *r, struct err *err) MUST_USE;

/* Sorts labels by name; false if a name appears twice. */
bool labels_sort(struct label *labels, size_t count) MUST_USE;
/* The labels as a JSON object, keys in order. */
void labels_json(const struct label *labels, size_t count, struct buf *out);
/* A telemetry's metrics as a JSON object, in their order. */
void fields_json(const struct field *fields, size_t count, struct buf *out);

#endif
