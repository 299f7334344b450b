/* SPDX-License-Identifier: Apache-2.0 */
/* Format: PostgreSQL 17 documentation, COPY, "Binary Format". */
#include "common/pgcopy.h"

#include <assert.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>

#include "common/pg_conn.h"

enum { SEND_BYTES = 64 * 1024 }; /* of one CopyData message, about */

void pgcopy_release(struct pgcopy *c)
{
    buf_release(&c->out);
    *c = (struct pgcopy){0};
}

static void send(struct pgcopy *c)
{
    if (!c->failed && c->out.n > 0)
        c->failed = !pg_put_copy(c->pg, buf_str(&c->out), &c->err);
    buf_reset(&c->out);
}

bool pgcopy_begin(struct pgcopy *c, struct pg *pg, const char *sql,
                  struct err *err)
{
    static const char header[] = "PGCOPY\n\377\r\n\0\0\0\0\0\0\0\0"; /* 19 */
    PGconn *conn = pg_handle(pg);
    if (conn == NULL)
        return pg_failed(pg, NULL, err);
    PGresult *r = pg_answer(pg, PQsendQuery(conn, sql), err);
    if (r == NULL)
        return false;
    bool ok = PQresultStatus(r) == PGRES_COPY_IN;
    if (!ok)
        pg_failed(pg, r, err);
    PQclear(r);
    c->pg = pg;
    c->rows = 0;
    c->failed = false;
    buf_reset(&c->out);
    buf_add(&c->out, header, 19);
    return ok;
}

static char *room(struct pgcopy *c, size_t n)
{
    char *to = buf_reserve(&c->out, n);
    c->out.n += n;
    return to;
}

static void put_u16(struct pgcopy *c, uint16_t v)
{
    v = __builtin_bswap16(v);
    memcpy(room(c, sizeof v), &v, sizeof v);
}

void pgcopy_row(struct pgcopy *c, int fields)
{
    assert(fields > 0 && fields <= INT16_MAX);
    if (c->out.n >= SEND_BYTES)
        send(c);
    c->rows++;
    put_u16(c, (uint16_t)fields);
}

static void put_bytes(struct pgcopy *c, struct str s, size_t prefix)
{
    assert(s.n < INT_MAX / 2);
    char *to = room(c, 4 + prefix + s.n);
    pg_put_u32(to, (uint32_t)(prefix + s.n));
    memset(to + 4, 1, prefix);
    if (s.n > 0)
        memcpy(to + 4 + prefix, s.p, s.n);
}

void pgcopy_text(struct pgcopy *c, struct str s)
{
    put_bytes(c, s, 0);
}

void pgcopy_text_opt(struct pgcopy *c, struct str s)
{
    if (s.p == NULL)
        pgcopy_null(c);
    else
        put_bytes(c, s, 0);
}

void pgcopy_jsonb(struct pgcopy *c, struct str json)
{
    put_bytes(c, json, 1); /* jsonb's version byte is 1 */
}

void pgcopy_i32(struct pgcopy *c, int32_t v)
{
    char *to = room(c, 8);
    pg_put_u32(to, 4);
    pg_put_u32(to + 4, (uint32_t)v);
}

static void put_u64(struct pgcopy *c, uint64_t v)
{
    char *to = room(c, 12);
    pg_put_u32(to, 8);
    pg_put_u64(to + 4, v);
}

void pgcopy_i64(struct pgcopy *c, int64_t v)
{
    put_u64(c, (uint64_t)v);
}

void pgcopy_f64(struct pgcopy *c, double v)
{
    uint64_t u;
    memcpy(&u, &v, sizeof u);
    put_u64(c, u);
}

void pgcopy_time(struct pgcopy *c, int64_t us)
{
    put_u64(c, pg_time_bits(us));
}

void pgcopy_null(struct pgcopy *c)
{
    pg_put_u32(room(c, 4), UINT32_MAX);
}

/* The server may have said why before it closed. */
static bool copy_lost(struct pgcopy *c, struct err *err)
{
    if (pg_connected(c->pg)) {
        PGresult *r = pg_answer(c->pg, 1, err);
        if (r != NULL)
            pg_failed(c->pg, r, err);
        PQclear(r);
    } else {
        *err = c->err;
    }
    pg_disconnect(c->pg);
    return false;
}

bool pgcopy_end(struct pgcopy *c, int64_t *rows, struct err *err)
{
    put_u16(c, UINT16_MAX);
    send(c);
    if (c->failed)
        return copy_lost(c, err);
    PGresult *r = pg_answer(c->pg, PQputCopyEnd(pg_handle(c->pg), NULL), err);
    if (r == NULL)
        return false;
    bool ok = PQresultStatus(r) == PGRES_COMMAND_OK;
    if (!ok)
        pg_failed(c->pg, r, err);
    else if (rows != NULL)
        *rows = strtoll(PQcmdTuples(r), NULL, 10);
    PQclear(r);
    return ok;
}
