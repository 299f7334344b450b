/* SPDX-License-Identifier: Apache-2.0 */
/* avro_cursor.h - reads foreign Avro bytes piece by piece: nothing is copied or
 * allocated, and no length, count or text is believed before it is checked. */
#ifndef COMMON_AVRO_CURSOR_H
#define COMMON_AVRO_CURSOR_H

#include <string.h>

#include "common/str.h"

struct avro_cursor {
    const unsigned char *p, *end;
    const char *wrong; /* what, once a call returned false; a constant */
};

static inline struct avro_cursor avro_cursor_of(struct str body)
{
    const unsigned char *p = (const unsigned char *)(body.n > 0 ? body.p : "");
    return (struct avro_cursor){.p = p, .end = p + body.n};
}

static inline size_t avro_cursor_left(const struct avro_cursor *c)
{
    return (size_t)(c->end - c->p);
}

/* All of these move behind what they read. False: c->wrong says why, and c
 * stands somewhere in it. */
bool avro_cursor_fail(struct avro_cursor *c, const char *what);
bool avro_cursor_long_slowly(struct avro_cursor *c, int64_t *out) MUST_USE;
bool avro_cursor_range(struct avro_cursor *c, int64_t least, int64_t most,
                       const char *what, int64_t *out) MUST_USE;
bool avro_cursor_boolean(struct avro_cursor *c, bool *out) MUST_USE;
bool avro_cursor_skip(struct avro_cursor *c, int64_t n) MUST_USE;
bool avro_cursor_bytes(struct avro_cursor *c, struct str *out) MUST_USE;
/* UTF-8 without NUL. p is never NULL. */
bool avro_cursor_text(struct avro_cursor *c, struct str *out) MUST_USE;
/* Which of a union's branches comes. */
bool avro_cursor_branch(struct avro_cursor *c, size_t branches, int64_t *out)
    MUST_USE;

static inline bool avro_cursor_long(struct avro_cursor *c, int64_t *out)
{
    if (c->p == c->end || *c->p >= 0x80)
        return avro_cursor_long_slowly(c, out);
    *out = (int64_t)(*c->p >> 1) ^ -(int64_t)(*c->p & 1);
    c->p++;
    return true;
}

static inline bool avro_cursor_double(struct avro_cursor *c, double *out)
{
    if (avro_cursor_left(c) < sizeof *out)
        return avro_cursor_skip(c, sizeof *out);
    memcpy(out, c->p, sizeof *out); /* little-endian, as we are */
    c->p += sizeof *out;
    return true;
}

/* The blocks of an array or map: open until one has count 0; between open and
 * close exactly count items are read. */
struct avro_block {
    int64_t count;
    int64_t bytes; /* as the block says; -1: it does not */
    const unsigned char *start;
};
bool avro_block_open(struct avro_cursor *c, struct avro_block *b) MUST_USE;
bool avro_block_close(struct avro_cursor *c, const struct avro_block *b)
    MUST_USE;

#endif
