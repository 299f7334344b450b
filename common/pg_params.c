/* SPDX-License-Identifier: Apache-2.0 */
/* The binary forms are those of PostgreSQL's send functions
 * (src/backend/utils/adt: array_send, timestamptz_send, jsonb_send). */
#include <assert.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>

#include "common/pg_conn.h"

void pg_params_release(struct pg_params *p)
{
    for (int i = 0; i < p->count; i++) {
        free(p->owned[i]);
        p->owned[i] = NULL;
    }
    p->count = 0;
}

/* value NULL: SQL NULL. owned (may be NULL) is freed with the parameters. */
static void add(struct pg_params *p, uint32_t type, const char *value, size_t n,
                void *owned)
{
    assert(p->count < PG_PARAMS_MAX && n <= INT_MAX);
    int i = p->count++;
    p->types[i] = type;
    p->values[i] = value;
    p->lengths[i] = (int)n;
    p->owned[i] = owned;
}

static void add_str(struct pg_params *p, uint32_t type, struct str s)
{
    add(p, type, s.p == NULL ? "" : s.p, s.n, NULL);
}

static void add_u32(struct pg_params *p, uint32_t type, uint32_t v)
{
    assert(p->count < PG_PARAMS_MAX);
    char *to = p->store[p->count];
    pg_put_u32(to, v);
    add(p, type, to, 4, NULL);
}

static void add_u64(struct pg_params *p, uint32_t type, uint64_t v)
{
    assert(p->count < PG_PARAMS_MAX);
    char *to = p->store[p->count];
    pg_put_u64(to, v);
    add(p, type, to, 8, NULL);
}

static uint64_t bits(double v)
{
    uint64_t u;
    memcpy(&u, &v, sizeof u);
    return u;
}

void pg_text(struct pg_params *p, struct str s)
{
    add_str(p, PG_OID_TEXT, s);
}

void pg_text_opt(struct pg_params *p, struct str s)
{
    add(p, PG_OID_TEXT, s.p, s.n, NULL);
}

void pg_null_text(struct pg_params *p)
{
    add(p, PG_OID_TEXT, NULL, 0, NULL);
}

void pg_bytea(struct pg_params *p, struct str s)
{
    add_str(p, PG_OID_BYTEA, s);
}

void pg_jsonb(struct pg_params *p, struct str json)
{
    char *to = xmalloc(json.n + 1);
    to[0] = 1; /* jsonb's version */
    if (json.n > 0)
        memcpy(to + 1, json.p, json.n);
    add(p, PG_OID_JSONB, to, json.n + 1, to);
}

void pg_i32(struct pg_params *p, int32_t v)
{
    add_u32(p, PG_OID_INT4, (uint32_t)v);
}

void pg_i64(struct pg_params *p, int64_t v)
{
    add_u64(p, PG_OID_INT8, (uint64_t)v);
}

void pg_f64(struct pg_params *p, double v)
{
    add_u64(p, PG_OID_FLOAT8, bits(v));
}

void pg_bool(struct pg_params *p, bool v)
{
    assert(p->count < PG_PARAMS_MAX);
    char *to = p->store[p->count];
    *to = v;
    add(p, PG_OID_BOOL, to, 1, NULL);
}

void pg_time(struct pg_params *p, int64_t us)
{
    add_u64(p, PG_OID_TIMESTAMPTZ, pg_time_bits(us));
}

/* ---- arrays ---- */

enum { ARRAY_HEADER = 20 };

/* Room for an array whose elements' bytes (without their lengths) sum up to
 * bytes; *at is where the first element goes. */
static char *array_new(uint32_t element, size_t n, size_t bytes, bool nulls,
                       char **at)
{
    assert(n <= INT_MAX / 4 && bytes <= INT_MAX - ARRAY_HEADER - 4 * n);
    char *to = xmalloc(ARRAY_HEADER + 4 * n + bytes);
    pg_put_u32(to, n == 0 ? 0 : 1); /* dimensions */
    pg_put_u32(to + 4, nulls);
    pg_put_u32(to + 8, element);
    pg_put_u32(to + 12, (uint32_t)n);
    pg_put_u32(to + 16, 1); /* lower bound */
    *at = to + (n == 0 ? 12 : ARRAY_HEADER);
    return to;
}

/* prefix: bytes before each element (jsonb's version byte). */
static void slices(struct pg_params *p, uint32_t type, uint32_t element,
                   const struct str *v, size_t n, size_t prefix)
{
    size_t bytes = 0;
    bool nulls = false;
    for (size_t i = 0; i < n; i++) {
        nulls = nulls || v[i].p == NULL;
        bytes += v[i].p == NULL ? 0 : v[i].n + prefix;
    }
    char *at;
    char *to = array_new(element, n, bytes, nulls, &at);
    for (size_t i = 0; i < n; i++) {
        bool null = v[i].p == NULL;
        pg_put_u32(at, null ? UINT32_MAX : (uint32_t)(v[i].n + prefix));
        at += 4;
        if (null)
            continue;
        memset(at, 1, prefix);
        memcpy(at + prefix, v[i].p, v[i].n);
        at += prefix + v[i].n;
    }
    add(p, type, to, (size_t)(at - to), to);
}

void pg_text_array(struct pg_params *p, const struct str *v, size_t n)
{
    slices(p, PG_OID_TEXT_ARRAY, PG_OID_TEXT, v, n, 0);
}

void pg_bytea_array(struct pg_params *p, const struct str *v, size_t n)
{
    slices(p, PG_OID_BYTEA_ARRAY, PG_OID_BYTEA, v, n, 0);
}

void pg_jsonb_array(struct pg_params *p, const struct str *v, size_t n)
{
    slices(p, PG_OID_JSONB_ARRAY, PG_OID_JSONB, v, n, 1);
}

void pg_i32_array(struct pg_params *p, const int32_t *v, size_t n)
{
    char *at;
    char *to = array_new(PG_OID_INT4, n, 4 * n, false, &at);
    for (size_t i = 0; i < n; i++, at += 8) {
        pg_put_u32(at, 4);
        pg_put_u32(at + 4, (uint32_t)v[i]);
    }
    add(p, PG_OID_INT4_ARRAY, to, (size_t)(at - to), to);
}

static char *put_eight(char *at, uint64_t v)
{
    pg_put_u32(at, 8);
    pg_put_u64(at + 4, v);
    return at + 12;
}

void pg_i64_array(struct pg_params *p, const int64_t *v, size_t n)
{
    char *at;
    char *to = array_new(PG_OID_INT8, n, 8 * n, false, &at);
    for (size_t i = 0; i < n; i++)
        at = put_eight(at, (uint64_t)v[i]);
    add(p, PG_OID_INT8_ARRAY, to, (size_t)(at - to), to);
}

void pg_f64_array(struct pg_params *p, const double *v, size_t n)
{
    char *at;
    char *to = array_new(PG_OID_FLOAT8, n, 8 * n, false, &at);
    for (size_t i = 0; i < n; i++)
        at = put_eight(at, bits(v[i]));
    add(p, PG_OID_FLOAT8_ARRAY, to, (size_t)(at - to), to);
}

void pg_time_array(struct pg_params *p, const int64_t *us, size_t n)
{
    char *at;
    char *to = array_new(PG_OID_TIMESTAMPTZ, n, 8 * n, false, &at);
    for (size_t i = 0; i < n; i++)
        at = put_eight(at, pg_time_bits(us[i]));
    add(p, PG_OID_TIMESTAMPTZ_ARRAY, to, (size_t)(at - to), to);
}
