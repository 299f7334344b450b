/* SPDX-License-Identifier: Apache-2.0 */
#include "services/api/asking.h"

#include <assert.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/json.h"

bool refuse(struct asking *a, int status, const char *code, const char *format,
            ...)
{
    va_list ap;
    a->status = status;
    a->code = code;
    va_start(ap, format);
    vsnprintf(a->message, sizeof a->message, format, ap);
    va_end(ap);
    return false;
}

static bool text_check(struct asking *a, const char *name, struct str text)
{
    return (str_utf8_valid(text) && !str_has_nul(text)) ||
           refuse(a, 400, "invalid_parameter", "%s is not UTF-8 text", name);
}

bool path_text(struct asking *a, const char *name, struct str *out)
{
    *out = http_path_arg(a->request, name);
    return text_check(a, name, *out);
}

bool query_text(struct asking *a, const char *name, struct str *out)
{
    *out = http_query(a->request, name);
    return text_check(a, name, *out);
}

static void cell_json(struct buf *out, const struct pg_result *r, int row,
                      int column, char type)
{
    if (pg_is_null(r, row, column)) {
        buf_add_text(out, "null");
        return;
    }
    switch (type) {
    case 's':
        json_add_str(out, pg_get_str(r, row, column));
        return;
    case 'i':
        json_add_i64(out, pg_get_i64(r, row, column));
        return;
    case 'f':
        json_add_double(out, pg_get_f64(r, row, column));
        return;
    case 'b':
        buf_add_text(out, pg_get_bool(r, row, column) ? "true" : "false");
        return;
    case 't':
        json_add_time(out, pg_get_time(r, row, column));
        return;
    case 'j':
        buf_add_str(out, pg_get_str(r, row, column));
        return;
    default:
        abort(); /* no letter of row_json */
    }
}

void row_json(struct buf *out, const struct pg_result *r, int row,
              const char *types)
{
    assert(strlen(types) == (size_t)pg_columns(r));
    for (int i = 0; types[i]; i++) {
        buf_addf(out, "%s\"%s\":", i ? "," : "{", pg_column_name(r, i));
        cell_json(out, r, row, i, types[i]);
    }
    buf_add_char(out, '}');
}

void rows_json(struct buf *out, const struct pg_result *r, const char *types)
{
    buf_add_char(out, '[');
    for (int i = 0; i < pg_rows(r); i++) {
        if (i > 0)
            buf_add_char(out, ',');
        row_json(out, r, i, types);
    }
    buf_add_char(out, ']');
}
