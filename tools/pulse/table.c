/* SPDX-License-Identifier: Apache-2.0 */
#include "tools/pulse/table.h"

#include <assert.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

void table_init(struct table *t, const char *headers)
{
    *t = (struct table){0};
    struct str rest = str_of(headers), header;
    while (str_next(&rest, '|', &header)) {
        assert(t->columns < TABLE_COLUMNS_MAX);
        bool right = str_ends(header, STR(">"));
        t->right[t->columns++] = right;
        header.n -= right;
        table_cell(t, header);
    }
}

void table_release(struct table *t)
{
    buf_release(&t->cells);
}

void table_cell(struct table *t, struct str text)
{
    /* Control bytes of foreign text must not reach a terminal. */
    for (size_t i = 0; i < text.n; i++) {
        unsigned char c = (unsigned char)text.p[i];
        buf_add_char(&t->cells, c < 0x20 || c == 0x7f ? '?' : (char)c);
    }
    buf_add_char(&t->cells, '\0');
    t->at++;
}

void table_cellf(struct table *t, const char *format, ...)
{
    char text[256];
    va_list ap;
    va_start(ap, format);
    vsnprintf(text, sizeof text, format, ap);
    va_end(ap);
    table_cell(t, str_of(text));
}

/* Characters, not bytes: UTF-8 continuation bytes are not counted. */
static int text_width(const char *text)
{
    int width = 0;
    for (; *text; text++)
        width += ((unsigned char)*text & 0xc0) != 0x80;
    return width;
}

static void padding_add(struct buf *out, int n)
{
    while (n-- > 0)
        buf_add_char(out, ' ');
}

/* Ends the line without the blanks of empty cells. */
static void line_end(struct buf *out)
{
    while (out->n > 0 && out->p[out->n - 1] == ' ')
        out->n--;
    buf_add_char(out, '\n');
}

void table_write(const struct table *t, const char *indent, struct buf *out)
{
    assert(t->columns > 0 && t->at % t->columns == 0);
    int widths[TABLE_COLUMNS_MAX] = {0};
    const char *cell = t->cells.p;
    for (int i = 0; i < t->at; i++, cell += strlen(cell) + 1) {
        int width = text_width(cell), column = i % t->columns;
        if (width > widths[column])
            widths[column] = width;
    }
    cell = t->cells.p;
    for (int i = 0; i < t->at; i++, cell += strlen(cell) + 1) {
        int column = i % t->columns;
        bool last = column == t->columns - 1;
        int padding = widths[column] - text_width(cell);
        buf_add_text(out, column == 0 ? indent : "  ");
        if (t->right[column])
            padding_add(out, padding);
        buf_add_text(out, cell);
        if (!t->right[column] && !last)
            padding_add(out, padding);
        if (last)
            line_end(out);
    }
}
