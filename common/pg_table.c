/* SPDX-License-Identifier: Apache-2.0 */
#include "common/buf.h"
#include "common/pg.h"

char *pg_table_sql(const char *format, const char *table)
{
    struct str rest = str_of(format), part;
    struct buf b = {0};
    while (str_cut(rest, '@', &part, &rest)) {
        buf_add_str(&b, part);
        buf_add_text(&b, table);
    }
    buf_add_str(&b, rest);
    return b.p; /* NUL-terminated: at least one piece was added */
}
