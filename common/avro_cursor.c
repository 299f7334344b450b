/* SPDX-License-Identifier: Apache-2.0 */
#include "common/avro_cursor.h"

_Static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__,
               "numbers are read as Avro has them, little-endian");

bool avro_cursor_fail(struct avro_cursor *c, const char *what)
{
    if (c->wrong == NULL)
        c->wrong = what;
    return false;
}

static int64_t unzigzag(uint64_t n)
{
    return (int64_t)(n >> 1 ^ -(n & 1));
}

/* avro_put.h's avro_spread undone; top bits do not count. */
static uint64_t gather(uint64_t n)
{
    n = (n & 0x7f007f007f007f) | (n & 0x7f007f007f007f00) >> 1;
    n = (n & 0x3fff00003fff) | (n & 0x3fff00003fff0000) >> 2;
    return (n & 0x0fffffff) | (n & 0x0fffffff00000000) >> 4;
}

/* A number of at most eight bytes, as times are. */
static bool take_eight(struct avro_cursor *c, int64_t *out)
{
    uint64_t eight, ends;
    if (avro_cursor_left(c) < sizeof eight)
        return false;
    memcpy(&eight, c->p, sizeof eight);
    ends = ~eight & UINT64_C(0x8080808080808080);
    if (ends == 0)
        return false;
    eight &= ends ^ (ends - 1); /* up to the byte that ends it */
    c->p += __builtin_ctzll(ends) / 8 + 1;
    *out = unzigzag(gather(eight));
    return true;
}

bool avro_cursor_long_slowly(struct avro_cursor *c, int64_t *out)
{
    uint64_t n = 0;
    if (take_eight(c, out))
        return true;
    for (int shift = 0; shift < 64; shift += 7) {
        if (c->p == c->end)
            return avro_cursor_fail(c, "it ends inside a number");
        unsigned char byte = *c->p++;
        if (shift == 63 && byte > 1)
            break;
        n |= (uint64_t)(byte & 0x7f) << shift;
        if (byte < 0x80) {
            *out = unzigzag(n);
            return true;
        }
    }
    return avro_cursor_fail(c, "a number has more than 64 bits");
}

bool avro_cursor_range(struct avro_cursor *c, int64_t least, int64_t most,
                       const char *what, int64_t *out)
{
    if (!avro_cursor_long(c, out))
        return false;
    return (*out >= least && *out <= most) || avro_cursor_fail(c, what);
}

bool avro_cursor_skip(struct avro_cursor *c, int64_t n)
{
    if (n < 0 || (uint64_t)n > avro_cursor_left(c))
        return avro_cursor_fail(c, "a length is beyond its end");
    c->p += n;
    return true;
}

bool avro_cursor_boolean(struct avro_cursor *c, bool *out)
{
    if (avro_cursor_left(c) > 0 && *c->p > 1)
        return avro_cursor_fail(c, "a boolean is neither 0 nor 1");
    const unsigned char *at = c->p;
    if (!avro_cursor_skip(c, 1))
        return false;
    *out = *at == 1;
    return true;
}

bool avro_cursor_bytes(struct avro_cursor *c, struct str *out)
{
    int64_t n;
    if (!avro_cursor_long(c, &n))
        return false;
    const char *start = (const char *)c->p;
    if (!avro_cursor_skip(c, n))
        return false;
    *out = (struct str){start, (size_t)n};
    return true;
}

bool avro_cursor_text(struct avro_cursor *c, struct str *out)
{
    if (!avro_cursor_bytes(c, out))
        return false;
    if (str_is_text(*out))
        return true;
    return avro_cursor_fail(c, str_has_nul(*out) ? "a text holds a NUL"
                                                 : "a text is not UTF-8");
}

bool avro_cursor_branch(struct avro_cursor *c, size_t branches, int64_t *out)
{
    return avro_cursor_range(c, 0, (int64_t)branches - 1,
                             "a union has no such branch", out);
}

bool avro_block_open(struct avro_cursor *c, struct avro_block *b)
{
    b->bytes = -1;
    if (!avro_cursor_long(c, &b->count))
        return false;
    bool sized = b->count < 0;
    if (sized && !avro_cursor_long(c, &b->bytes))
        return false;
    int64_t left = (int64_t)avro_cursor_left(c);
    if (b->count < -left || b->count > left)
        return avro_cursor_fail(c, "a count is beyond its end");
    if (sized && b->bytes < 0)
        return avro_cursor_fail(c, "a block is not as long as it says");
    b->count = sized ? -b->count : b->count;
    b->start = c->p;
    return true;
}

bool avro_block_close(struct avro_cursor *c, const struct avro_block *b)
{
    if (b->bytes >= 0 && c->p - b->start != b->bytes)
        return avro_cursor_fail(c, "a block is not as long as it says");
    return true;
}
