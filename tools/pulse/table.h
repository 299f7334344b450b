/* SPDX-License-Identifier: Apache-2.0 */
/* table.h - rows of text in aligned columns. */
#ifndef TOOLS_PULSE_TABLE_H
#define TOOLS_PULSE_TABLE_H

#include "common/buf.h"

enum { TABLE_COLUMNS_MAX = 16 };
/* Headers joined by '|'; a header that ends with '>' is aligned right. */
struct table {
    int columns;
    int at; /* cells so far */
    bool right[TABLE_COLUMNS_MAX];
    struct buf cells; /* each ends with a NUL */
};
void table_init(struct table *t, const char *headers);
void table_release(struct table *t);
DEFINE_AUTO_RELEASE(table)
/* Cells are added from left to right, row after row. */
void table_cell(struct table *t, struct str text);
void table_cellf(struct table *t, const char *format, ...) PRINTF_LIKE(2, 3);
void table_write(const struct table *t, const char *indent, struct buf *out);

#endif
