/* SPDX-License-Identifier: Apache-2.0 */
/* buf.h - a growing byte buffer. */
#ifndef COMMON_BUF_H
#define COMMON_BUF_H

#include "common/str.h"

/* {0} is an empty buffer. Always NUL-terminated behind n once written to. */
struct buf {
    char *p;
    size_t n;   /* bytes used */
    size_t cap; /* bytes allocated */
};

void buf_release(struct buf *b); /* frees; b is {0} afterwards */
DEFINE_AUTO_RELEASE(buf)
void buf_reset(struct buf *b);          /* empty, memory kept */
void buf_grow(struct buf *b, size_t n); /* room for n more, and a NUL */
/* Room for n more bytes; returns where they go (then b->n += written). */
static inline char *buf_reserve(struct buf *b, size_t n)
{
    if (b->cap - b->n <= n)
        buf_grow(b, n);
    return b->p + b->n;
}
void buf_add(struct buf *b, const void *p, size_t n);
void buf_add_str(struct buf *b, struct str s);
void buf_add_text(struct buf *b, const char *text);
void buf_add_char(struct buf *b, char c);
void buf_addf(struct buf *b, const char *format, ...) PRINTF_LIKE(2, 3);
struct str buf_str(const struct buf *b); /* valid until the next change */

#endif
