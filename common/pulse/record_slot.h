/* SPDX-License-Identifier: Apache-2.0 */
/* record_slot.h - what the fields of each record are called in its schema, of
 * which type they are and where they are in struct record. Encoding, decoding,
 * checking and printing all go by this table. */
#ifndef COMMON_PULSE_RECORD_SLOT_H
#define COMMON_PULSE_RECORD_SLOT_H

#include "common/avro_cursor.h"
#include "common/buf.h"
#include "common/pulse/record.h"

enum slot_type {
    SLOT_ID,       /* struct str, not empty */
    SLOT_TEXT,     /* struct str */
    SLOT_OPTIONAL, /* struct str, p == NULL: null */
    SLOT_BYTES,    /* struct str, any bytes */
    SLOT_JSON,     /* struct str, the text of a JSON object */
    SLOT_LONG,     /* int64_t */
    SLOT_TIME,     /* int64_t, µs since 1970 UTC */
    SLOT_REAL,     /* double, finite */
    SLOT_KIND,     /* the event's kind */
    SLOT_LABELS,   /* the metric's labels */
    SLOT_FIELDS,   /* the telemetry's metrics */
    SLOT_PART,     /* the dead letter's part; null without topic */
    SLOT_OFFSET,   /* the dead letter's offset; null without topic */
};

struct slot {
    const char *name;
    enum slot_type type;
    size_t at; /* in struct record; for the types that have no place of
                  their own 0 */
};

/* What a field of each type is in the schema: its parsing canonical form. */
extern const char *const slot_types[SLOT_OFFSET + 1];

enum { RECORD_KINDS = 4, SLOTS_MAX = 16 };

struct record_shape {
    const char *name; /* of the schema */
    const struct slot *slots;
    size_t slot_count; /* at most SLOTS_MAX */
};
extern const struct record_shape record_shapes[RECORD_KINDS];

static inline const struct slot *slot_of(const struct record *r, size_t i)
{
    return &record_shapes[r->kind].slots[i];
}

static inline const struct str *slot_text(const struct record *r,
                                          const struct slot *s)
{
    return (const struct str *)(const void *)((const char *)r + s->at);
}

static inline int64_t slot_long(const struct record *r, const struct slot *s)
{
    return *(const int64_t *)(const void *)((const char *)r + s->at);
}

static inline double slot_real(const struct record *r, const struct slot *s)
{
    return *(const double *)(const void *)((const char *)r + s->at);
}

/* Memory for lists while they are read; {0} to begin. */
struct record_scratch {
    struct label *labels;
    struct field *fields;
    size_t label_cap, field_cap;
};
void record_scratch_release(struct record_scratch *s);
/* One more in s->fields, behind the *count there are. */
struct field *field_add(struct record_scratch *s, size_t *count);
/* Does a name come twice? */
bool fields_repeat(const struct field *fields, size_t count);
/* Of one name the first place counts, with the last value. Returns how many
 * there are then. */
size_t fields_merge(struct field *fields, size_t count);

/* Reads the fields, which come in the order of slots, into *r (of slots[0]'s
 * kind): texts stay where they are, lists are put into a. False: c->wrong. */
bool record_body_read(struct avro_cursor *c, const struct slot *const *slots,
                      size_t count, struct record_scratch *s, struct arena *a,
                      struct record *r) MUST_USE;

/* Appends r's fields in the order of slots. A name that comes twice is written
 * once, at its first place with its last value. False, with some of it written:
 * record_check says why. */
bool record_body_write(const struct record *r, const struct slot *const *slots,
                       size_t count, struct record_scratch *s, struct buf *out)
    MUST_USE;

/* What record_encode and record_decode refuse. texts: their UTF-8 too (what
 * record_body_read read needs it not again). ERR_INPUT. */
bool record_check(const struct record *r, bool texts, struct err *err) MUST_USE;

#endif
