/* SPDX-License-Identifier: Apache-2.0 */
/* pg.h - one PostgreSQL connection: typed parameters, binary results, errors
 * that say what to do. Calls block; one thread. */
#ifndef COMMON_PG_H
#define COMMON_PG_H

#include "common/err.h"
#include "common/str.h"

struct pg;
struct pg_result;

struct pg_options {
    const char *url;         /* postgresql://user@host:port/db or keywords */
    const char *application; /* application_name */
    int64_t connect_timeout_ms;
    int64_t statement_timeout_ms; /* the server's; 0: none, wait for ever */
    /* So much later, should the server not answer at all, the connection is
     * given up; 0: 5 s. */
    int64_t margin_ms;
    bool writes; /* a server that is read-only is as good as away */
};

/* No connection yet. */
struct pg *pg_new(const struct pg_options *options) MUST_USE;
void pg_free(struct pg *pg);
DEFINE_AUTO(pg)
/* Connects unless connected. ERR_RETRY when the server is away, ERR_FATAL
 * when the login is wrong. UTF-8, UTC, keepalives, tcp_user_timeout set. */
bool pg_connect(struct pg *pg, struct err *err) MUST_USE;
bool pg_connected(const struct pg *pg);
void pg_disconnect(struct pg *pg);  /* a later pg_connect starts anew */
int pg_socket(const struct pg *pg); /* -1 when not connected; for NOTIFY */
uint64_t pg_generation(const struct pg *pg); /* counts connections made */
int pg_backend_pid(const struct pg *pg);

/* Parameters, bound in order; values are not copied and must live until the
 * query is run. More than PG_PARAMS_MAX is our bug. */
enum { PG_PARAMS_MAX = 24 };
struct pg_params {
    int count;
    uint32_t types[PG_PARAMS_MAX];
    const char *values[PG_PARAMS_MAX];
    int lengths[PG_PARAMS_MAX];
    char store[PG_PARAMS_MAX][8]; /* numbers in network order */
    void *owned[PG_PARAMS_MAX];   /* arrays, freed by pg_run */
};
void pg_text(struct pg_params *p, struct str s);
void pg_text_opt(struct pg_params *p, struct str s); /* p == NULL: SQL NULL */
void pg_bytea(struct pg_params *p, struct str s);
void pg_jsonb(struct pg_params *p, struct str json);
void pg_i32(struct pg_params *p, int32_t v);
void pg_i64(struct pg_params *p, int64_t v);
void pg_f64(struct pg_params *p, double v);
void pg_bool(struct pg_params *p, bool v);
void pg_time(struct pg_params *p, int64_t us); /* timestamptz, µs since 1970 */
void pg_null_text(struct pg_params *p);
/* Arrays for INSERT … SELECT unnest(, , …); an element with p == NULL is
 * SQL NULL. */
void pg_text_array(struct pg_params *p, const struct str *v, size_t n);
void pg_bytea_array(struct pg_params *p, const struct str *v, size_t n);
void pg_jsonb_array(struct pg_params *p, const struct str *v, size_t n);
void pg_i32_array(struct pg_params *p, const int32_t *v, size_t n);
void pg_i64_array(struct pg_params *p, const int64_t *v, size_t n);
void pg_f64_array(struct pg_params *p, const double *v, size_t n);
void pg_time_array(struct pg_params *p, const int64_t *us, size_t n);

/* Runs one statement. NULL and *err on failure: ERR_INPUT for class 22, 23,
 * 42 and 54 (the data or the statement), ERR_RETRY for everything that may
 * pass (connection, 25006 which disconnects, 40, 53, 55, 57, no answer in
 * time), ERR_FATAL for 28. params may be NULL; it
 * is emptied. Statements are prepared once per connection and reused, keyed by
 * the pointer-equal text: pass string literals. */
struct pg_result *pg_run(struct pg *pg, const char *sql,
                         struct pg_params *params, struct err *err) MUST_USE;
/* As pg_run for who needs no rows. affected may be NULL. */
bool pg_do(struct pg *pg, const char *sql, struct pg_params *params,
           int64_t *affected, struct err *err) MUST_USE;
/* Text built at run time, or several statements; no parameters, no rows. */
bool pg_script(struct pg *pg, const char *sql, struct err *err) MUST_USE;
bool pg_begin(struct pg *pg, struct err *err) MUST_USE;
bool pg_commit(struct pg *pg, struct err *err) MUST_USE;
void pg_rollback(struct pg *pg); /* a failing rollback disconnects */
const char *pg_sqlstate(const struct pg *pg); /* of the last failure, or "" */

void pg_result_free(struct pg_result *r);
DEFINE_AUTO(pg_result)
int pg_rows(const struct pg_result *r);
int pg_columns(const struct pg_result *r);
const char *pg_column_name(const struct pg_result *r, int column);
/* Getters check the column's type by assert; NULL reads as 0 or p == NULL. */
bool pg_is_null(const struct pg_result *r, int row, int column);
struct str pg_get_str(const struct pg_result *r, int row, int column); /* text,
                             bytea, jsonb, name, uuid only as ::text */
int64_t pg_get_i64(const struct pg_result *r, int row, int column); /* int2-8 */
double pg_get_f64(const struct pg_result *r, int row, int column);
bool pg_get_bool(const struct pg_result *r, int row, int column);
int64_t pg_get_time(const struct pg_result *r, int row, int column); /* µs */
/* Elements of a text[]; returns how many there are, fills at most max. */
size_t pg_get_texts(const struct pg_result *r, int row, int column,
                    struct str *out, size_t max);

/* A statement's text with a table's name in place of each '@'; malloc'ed. */
char *pg_table_sql(const char *format, const char *table) MUST_USE;

/* Asks the server to cancel what pg runs; the only call another thread may
 * make. */
void pg_cancel(struct pg *pg);
/* True once for each NOTIFY received on LISTENed channels; reads the socket
 * without waiting. channel (may be NULL) is valid until the next call. */
bool pg_notified(struct pg *pg, const char **channel);

#endif
