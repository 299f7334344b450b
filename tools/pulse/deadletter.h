/* SPDX-License-Identifier: Apache-2.0 */
/* deadletter.h - rows of dead_letters: which are meant, and what is in one. */
#ifndef TOOLS_PULSE_DEADLETTER_H
#define TOOLS_PULSE_DEADLETTER_H

#include "common/pg.h"
#include "tools/pulse/call.h"

/* Which letters. {0} with until_us set means all; filter_parse sets it. */
struct deadletter_filter {
    struct str tenant, reason, stage, status, device; /* p == NULL: any */
    int64_t since_us, until_us;                       /* of failed_at */
    int64_t *ids;                                     /* malloc'ed */
    size_t id_count;                                  /* 0: any */
    bool given; /* the caller named letters or a filter */
};
void deadletter_filter_release(struct deadletter_filter *f);
DEFINE_AUTO_RELEASE(deadletter_filter)

/* The options every command that takes many letters has. */
#define DEADLETTER_FILTER_OPTIONS                                            \
    {"--tenant", "TENANT", "only this tenant's", false},                     \
        {"--reason", "CODE", "only of this reason (docs/errors.md)", false}, \
        {"--stage", "STAGE", "refused by ingest or by writer", false},       \
        {"--status", "STATUS", "new, redriven or dropped", false},           \
        {"--device", "DEVICE", "only about this device", false},             \
        {"--since", "WHEN", "refused at or after: RFC 3339, or 2h for ago",  \
         false},                                                             \
    {                                                                        \
        "--until", "WHEN", "refused before: likewise", false                 \
    }
/* Reads them and the words of c, which are ids. ERR_INPUT. */
bool deadletter_filter_parse(struct deadletter_filter *f, const struct call *c,
                             struct err *err) MUST_USE;
/* A decimal id. ERR_INPUT. */
bool deadletter_id_parse(const char *text, int64_t *id, struct err *err)
    MUST_USE;
/* Binds $1 to $8 of DEADLETTER_WHERE. */
void deadletter_filter_bind(const struct deadletter_filter *f,
                            struct pg_params *p);
#define DEADLETTER_WHERE                          \
    "($1::text IS NULL OR d.tenant_id = $1)"      \
    " AND ($2::text IS NULL OR d.reason = $2)"    \
    " AND ($3::text IS NULL OR d.stage = $3)"     \
    " AND ($4::text IS NULL OR d.status = $4)"    \
    " AND ($5::text IS NULL OR d.device_id = $5)" \
    " AND d.failed_at >= $6 AND d.failed_at < $7" \
    " AND (cardinality($8::bigint[]) = 0 OR d.id = ANY ($8))"

/* One row; texts live as long as the result they come from. */
struct deadletter {
    int64_t id;
    struct str tenant; /* p == NULL: unknown */
    struct str stage, endpoint, key_id, device_id, reason, detail;
    struct str content_type, payload;
    struct str topic; /* p == NULL: refused before Kafka */
    int64_t part, offset;
    int64_t received_us; /* 0: unknown */
    int64_t failed_us, created_us;
    struct str status;
    int64_t redriven_us; /* 0: never */
    int64_t redrives;
    int64_t edited_us; /* 0: never */
    struct str edited_by, original, last_error;
    struct str key_device; /* the device the key is bound to; p == NULL: none */
};
/* The columns deadletter_get reads, of dead_letters d and api_keys k. */
#define DEADLETTER_COLUMNS                                                    \
    "d.id, d.tenant_id, d.stage, d.endpoint, d.key_id, d.device_id,"          \
    " d.reason, d.detail, d.content_type, d.payload, d.topic, d.part, d.off," \
    " d.received_at, d.failed_at, d.created_at, d.status, d.redriven_at,"     \
    " d.redrives, d.edited_at, d.edited_by, d.original_payload,"              \
    " d.last_error, k.device_id"
#define DEADLETTER_FROM \
    " FROM dead_letters d LEFT JOIN api_keys k ON k.key_id = d.key_id"
void deadletter_get(const struct pg_result *r, int row, struct deadletter *l);
/* One row by its id, locked till the transaction ends if lock. NULL and *err
 * (ERR_INPUT where there is none). */
struct pg_result *deadletter_find(struct pg *pg, int64_t id, bool lock,
                                  struct deadletter *l, struct err *err)
    MUST_USE;

#endif
