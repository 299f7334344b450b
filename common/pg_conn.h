/* SPDX-License-Identifier: Apache-2.0 */
/* pg_conn.h - what the files of pg share among themselves; nobody else
 * includes it. */
#ifndef COMMON_PG_CONN_H
#define COMMON_PG_CONN_H

#include <libpq-fe.h>

#include "common/pg.h"

/* PostgreSQL counts µs from 2000-01-01. */
#define PG_EPOCH_US INT64_C(946684800000000)

enum pg_oid {
    PG_OID_BOOL = 16,
    PG_OID_BYTEA = 17,
    PG_OID_CHAR = 18,
    PG_OID_NAME = 19,
    PG_OID_INT8 = 20,
    PG_OID_INT2 = 21,
    PG_OID_INT4 = 23,
    PG_OID_TEXT = 25,
    PG_OID_OID = 26,
    PG_OID_JSON = 114,
    PG_OID_FLOAT4 = 700,
    PG_OID_FLOAT8 = 701,
    PG_OID_UNKNOWN = 705,
    PG_OID_BYTEA_ARRAY = 1001,
    PG_OID_INT4_ARRAY = 1007,
    PG_OID_TEXT_ARRAY = 1009,
    PG_OID_INT8_ARRAY = 1016,
    PG_OID_FLOAT8_ARRAY = 1022,
    PG_OID_BPCHAR = 1042,
    PG_OID_VARCHAR = 1043,
    PG_OID_TIMESTAMPTZ = 1184,
    PG_OID_TIMESTAMPTZ_ARRAY = 1185,
    PG_OID_JSONB = 3802,
    PG_OID_JSONB_ARRAY = 3807,
};

/* NULL when not connected. */
PGconn *pg_handle(struct pg *pg);
/* Notes the failure's SQLSTATE, fills err, and disconnects if the connection
 * is lost. result may be NULL; it is not freed. Returns false. */
bool pg_failed(struct pg *pg, const PGresult *result, struct err *err);
/* How long one answer may take, ms; 0: for ever. */
int64_t pg_patience_ms(const struct pg *pg);
/* The last result of what was just sent (sent is what libpq's PQsend… said);
 * of a COPY the first, which says it may begin. NULL and *err: the connection
 * is lost, or given up since no answer came in time. */
PGresult *pg_answer(struct pg *pg, int sent, struct err *err);
/* One CopyData message. False: the connection is lost or given up; where it is
 * lost, pg_answer still has what the server said last. */
bool pg_put_copy(struct pg *pg, struct str data, struct err *err);
/* Owns result. */
struct pg_result *pg_result_new(PGresult *result) MUST_USE;
void pg_params_release(struct pg_params *p);

static inline void pg_put_u32(char *to, uint32_t v)
{
    v = __builtin_bswap32(v);
    __builtin_memcpy(to, &v, sizeof v);
}

static inline void pg_put_u64(char *to, uint64_t v)
{
    v = __builtin_bswap64(v);
    __builtin_memcpy(to, &v, sizeof v);
}

/* What timestamptz holds for µs since 1970; too early is -infinity. */
static inline uint64_t pg_time_bits(int64_t us)
{
    bool early = us < INT64_MIN + PG_EPOCH_US;
    return (uint64_t)(early ? INT64_MIN : us - PG_EPOCH_US);
}

#endif
