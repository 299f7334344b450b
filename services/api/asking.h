/* SPDX-License-Identifier: Apache-2.0 */
/* asking.h - one request while a worker answers it: who asks, over which
 * connection, and the answer so far. */
#ifndef SERVICES_API_ASKING_H
#define SERVICES_API_ASKING_H

#include "common/http.h"
#include "common/pg.h"
#include "services/api/settings.h"

struct asking {
    struct http_request *request;
    struct pg *pg; /* inside the request's transaction */
    const struct api_settings *settings;
    struct buf *out; /* JSON body of a 200 */
    /* Set by refuse(): */
    int status;
    const char *code;
    char message[200];
};

/* Writes the answer to a->out. False: refused, or *err is set (the
 * database's). */
typedef bool endpoint_fn(struct asking *a, struct err *err);

/* Notes what the client did wrong; always false. */
bool refuse(struct asking *a, int status, const char *code, const char *format,
            ...) PRINTF_LIKE(4, 5);

/* The text of {name} in the path, and of a query parameter (p == NULL: absent).
 * Bytes that PostgreSQL would not take as text are refused: false. */
bool path_text(struct asking *a, const char *name, struct str *out) MUST_USE;
bool query_text(struct asking *a, const char *name, struct str *out) MUST_USE;

/* Finds the key in the headers (or the anonymous tenant) and makes its tenant
 * the transaction's; from here on only that tenant's rows are seen. Scope read
 * is needed. */
bool caller_admit(struct asking *a, struct err *err) MUST_USE;

/* Appends row as a JSON object; keys are the column names. types has a letter
 * per column: s text, i integer, f number, b boolean, t time, j jsonb. SQL NULL
 * becomes null. */
void row_json(struct buf *out, const struct pg_result *r, int row,
              const char *types);
/* All rows as an array of such objects. */
void rows_json(struct buf *out, const struct pg_result *r, const char *types);

#endif
