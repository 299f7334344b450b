/* SPDX-License-Identifier: Apache-2.0 */
#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "common/pg_conn.h"

struct pg_result {
    PGresult *result;
};

struct pg_result *pg_result_new(PGresult *result)
{
    struct pg_result *r = xmalloc(sizeof *r);
    r->result = result;
    return r;
}

void pg_result_free(struct pg_result *r)
{
    if (r == NULL)
        return;
    PQclear(r->result);
    free(r);
}

int pg_rows(const struct pg_result *r)
{
    return PQntuples(r->result);
}

int pg_columns(const struct pg_result *r)
{
    return PQnfields(r->result);
}

const char *pg_column_name(const struct pg_result *r, int column)
{
    return PQfname(r->result, column);
}

bool pg_is_null(const struct pg_result *r, int row, int column)
{
    assert(row < pg_rows(r) && column < pg_columns(r));
    return PQgetisnull(r->result, row, column) != 0;
}

static struct str raw(const struct pg_result *r, int row, int column)
{
    return (struct str){PQgetvalue(r->result, row, column),
                        (size_t)PQgetlength(r->result, row, column)};
}

static uint64_t get_uint(const char *p, size_t n)
{
    uint64_t v = 0;
    for (size_t i = 0; i < n; i++)
        v = v << 8 | (unsigned char)p[i];
    return v;
}

static bool is_textual(Oid type)
{
    return type == PG_OID_TEXT || type == PG_OID_VARCHAR ||
           type == PG_OID_NAME || type == PG_OID_BPCHAR ||
           type == PG_OID_BYTEA || type == PG_OID_JSON || type == PG_OID_CHAR ||
           type == PG_OID_UNKNOWN;
}

struct str pg_get_str(const struct pg_result *r, int row, int column)
{
    if (pg_is_null(r, row, column))
        return (struct str){NULL, 0};
    Oid type = PQftype(r->result, column);
    struct str s = raw(r, row, column);
    if (type == PG_OID_JSONB) {
        assert(s.n > 0 && s.p[0] == 1);
        return (struct str){s.p + 1, s.n - 1};
    }
    assert(is_textual(type));
    return s;
}

int64_t pg_get_i64(const struct pg_result *r, int row, int column)
{
    if (pg_is_null(r, row, column))
        return 0;
    struct str s = raw(r, row, column);
    uint64_t v = get_uint(s.p, s.n);
    switch (PQftype(r->result, column)) {
    case PG_OID_INT2:
        return (int16_t)v;
    case PG_OID_INT4:
        return (int32_t)v;
    case PG_OID_INT8:
        return (int64_t)v;
    case PG_OID_OID:
        return (int64_t)v;
    default:
        assert(false); /* the column is no integer */
        return 0;
    }
}

double pg_get_f64(const struct pg_result *r, int row, int column)
{
    if (pg_is_null(r, row, column))
        return 0;
    struct str s = raw(r, row, column);
    uint64_t v = get_uint(s.p, s.n);
    if (PQftype(r->result, column) == PG_OID_FLOAT4) {
        uint32_t v32 = (uint32_t)v;
        float f;
        memcpy(&f, &v32, sizeof f);
        return (double)f;
    }
    assert(PQftype(r->result, column) == PG_OID_FLOAT8);
    double d;
    memcpy(&d, &v, sizeof d);
    return d;
}

bool pg_get_bool(const struct pg_result *r, int row, int column)
{
    if (pg_is_null(r, row, column))
        return false;
    assert(PQftype(r->result, column) == PG_OID_BOOL);
    return raw(r, row, column).p[0] != 0;
}

int64_t pg_get_time(const struct pg_result *r, int row, int column)
{
    if (pg_is_null(r, row, column))
        return 0;
    assert(PQftype(r->result, column) == PG_OID_TIMESTAMPTZ);
    int64_t us = (int64_t)get_uint(raw(r, row, column).p, 8);
    if (us == INT64_MIN) /* -infinity stays itself, infinity by overflow */
        return INT64_MIN;
    return us > INT64_MAX - PG_EPOCH_US ? INT64_MAX : us + PG_EPOCH_US;
}

size_t pg_get_texts(const struct pg_result *r, int row, int column,
                    struct str *out, size_t max)
{
    if (pg_is_null(r, row, column))
        return 0;
    assert(PQftype(r->result, column) == PG_OID_TEXT_ARRAY);
    const char *p = raw(r, row, column).p;
    uint64_t dimensions = get_uint(p, 4);
    assert(dimensions <= 1);
    size_t n = dimensions == 0 ? 0 : (size_t)get_uint(p + 12, 4);
    p += 20;
    for (size_t i = 0; i < n && i < max; i++) {
        uint32_t length = (uint32_t)get_uint(p, 4);
        bool null = length == UINT32_MAX;
        out[i] = null ? (struct str){NULL, 0} : (struct str){p + 4, length};
        p += 4 + (null ? 0 : length);
    }
    return n;
}
