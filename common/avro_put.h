/* SPDX-License-Identifier: Apache-2.0 */
/* avro_put.h - writes Avro bytes piece by piece behind a buf: avro_cursor the
 * other way round. Memory is asked for only when the buf is full. */
#ifndef COMMON_AVRO_PUT_H
#define COMMON_AVRO_PUT_H

#include <string.h>

#include "common/buf.h"

/* Between open and close nobody else touches out. */
struct avro_put {
    unsigned char *p,
        *end; /* where the next byte goes; where out's room ends */
    struct buf *out;
};

enum { AVRO_LONG_MAX = 10 }; /* bytes of a number, at most */

struct avro_put avro_put_open(struct buf *out);
void avro_put_close(struct avro_put *w); /* out has what was written */
void avro_put_grow(struct avro_put *w, size_t n);

/* Room for n more bytes. */
static inline void avro_put_room(struct avro_put *w, size_t n)
{
    if ((size_t)(w->end - w->p) < n)
        avro_put_grow(w, n);
}

static inline unsigned char *avro_long_bytes(unsigned char *p, int64_t n)
{
    uint64_t zigzag = (uint64_t)n << 1 ^ -(uint64_t)(n < 0);
    for (; zigzag >= 0x80; zigzag >>= 7)
        *p++ = (unsigned char)(zigzag | 0x80);
    *p++ = (unsigned char)zigzag;
    return p;
}

/* Also an int, an enum's symbol, a union's branch, and how many items a block
 * has; a block of none ends an array or map. */
static inline void avro_put_long(struct avro_put *w, int64_t n)
{
    avro_put_room(w, AVRO_LONG_MAX);
    w->p = avro_long_bytes(w->p, n);
}

static inline void avro_put_boolean(struct avro_put *w, bool truth)
{
    avro_put_room(w, 1);
    *w->p++ = truth;
}

static inline void avro_put_double(struct avro_put *w, double value)
{
    avro_put_room(w, sizeof value);
    memcpy(w->p, &value, sizeof value); /* little-endian, as we are */
    w->p += sizeof value;
}

/* Bytes, or a text: whether it is one is not looked at. */
static inline void avro_put_bytes(struct avro_put *w, struct str s)
{
    avro_put_room(w, AVRO_LONG_MAX + s.n);
    w->p = avro_long_bytes(w->p, (int64_t)s.n);
    if (s.n > 0)
        memcpy(w->p, s.p, s.n);
    w->p += s.n;
}

#endif
