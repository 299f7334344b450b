/* SPDX-License-Identifier: Apache-2.0 */
/* pgcopy.h - COPY … FROM STDIN (FORMAT binary): rows encoded straight into
 * the send buffer. */
#ifndef COMMON_PGCOPY_H
#define COMMON_PGCOPY_H

#include "common/buf.h"
#include "common/pg.h"

/* {0} is ready for pgcopy_begin; the buffer is kept between copies. */
struct pgcopy {
    struct pg *pg;
    struct buf out;
    int64_t rows;
    bool failed;    /* sticky: data was refused; pgcopy_end says why */
    struct err err; /* where failed */
};
void pgcopy_release(struct pgcopy *c);
DEFINE_AUTO_RELEASE(pgcopy)

/* sql: "COPY t (a, b) FROM STDIN (FORMAT binary)". */
bool pgcopy_begin(struct pgcopy *c, struct pg *pg, const char *sql,
                  struct err *err) MUST_USE;
/* A row is pgcopy_row and then exactly that many fields. */
void pgcopy_row(struct pgcopy *c, int fields);
void pgcopy_text(struct pgcopy *c, struct str s);
void pgcopy_text_opt(struct pgcopy *c, struct str s); /* p == NULL: NULL */
void pgcopy_jsonb(struct pgcopy *c, struct str json);
void pgcopy_i32(struct pgcopy *c, int32_t v);
void pgcopy_i64(struct pgcopy *c, int64_t v);
void pgcopy_f64(struct pgcopy *c, double v);
void pgcopy_time(struct pgcopy *c, int64_t us); /* µs since 1970 UTC */
void pgcopy_null(struct pgcopy *c);
/* Ends the COPY; *rows is what the server counted. On failure the transaction
 * is aborted; err's kind and pg_sqlstate as for pg_run. */
bool pgcopy_end(struct pgcopy *c, int64_t *rows, struct err *err) MUST_USE;

#endif
