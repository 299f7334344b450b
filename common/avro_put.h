/* SPDX-License-Identifier: Apache-2.0 */
/* avro_put.h - writes Avro bytes piece by piece, avro_cursor the other way
 * round. Each call writes at p and returns where the next byte goes; the caller
 * has made room: AVRO_LONG_MAX bytes, and for bytes as many as they are. */
#ifndef COMMON_AVRO_PUT_H
#define COMMON_AVRO_PUT_H

#include <string.h>

#include "common/str.h"

_Static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__,
               "numbers are written as Avro has them, little-endian");

enum { AVRO_LONG_MAX = 10 }; /* bytes of a number, at most */

/* Eight numbers of seven bits, one a byte. */
static inline uint64_t avro_spread(uint64_t n)
{
    n = (n & 0x0fffffff) | (n & 0xfffffff0000000) << 4;
    n = (n & 0x3fff00003fff) | (n & 0xfffc0000fffc000) << 2;
    return (n & 0x7f007f007f007f) | (n & 0x3f803f803f803f80) << 1;
}

/* Also an int, an enum's symbol, a union's branch, and how many items a block
 * has; a block of none ends an array or map. */
static inline char *avro_put_long(char *p, int64_t n)
{
    uint64_t zigzag = (uint64_t)n << 1 ^ -(uint64_t)(n < 0);
    if (zigzag >= 0x80 && zigzag >> 56 == 0) { /* as times are */
        unsigned bits = 64 - (unsigned)__builtin_clzll(zigzag);
        unsigned more = (bits - 1) / 7; /* bytes before the last */
        uint64_t on = UINT64_C(0x80808080808080) >> (56 - 8 * more);
        uint64_t bytes = avro_spread(zigzag) | on;
        memcpy(p, &bytes, sizeof bytes);
        return p + more + 1;
    }
    for (; zigzag >= 0x80; zigzag >>= 7)
        *p++ = (char)(zigzag | 0x80);
    *p++ = (char)zigzag;
    return p;
}

static inline char *avro_put_boolean(char *p, bool truth)
{
    *p = truth;
    return p + 1;
}

static inline char *avro_put_double(char *p, double value)
{
    memcpy(p, &value, sizeof value);
    return p + sizeof value;
}

static inline char *avro_put_bytes(char *p, struct str s)
{
    p = avro_put_long(p, (int64_t)s.n);
    if (s.n > 0)
        memcpy(p, s.p, s.n);
    return p + s.n;
}

/* Sets *bad if s is not UTF-8 without NUL. */
static inline char *avro_put_text(char *p, struct str s, bool *bad)
{
    bool plain = true;
    p = avro_put_long(p, (int64_t)s.n);
    if (s.n >= 8) { /* looked at while it is copied; the last may overlap */
        for (size_t i = 0; i < s.n; i += 8) {
            uint64_t eight;
            size_t at = i + 8 <= s.n ? i : s.n - 8;
            memcpy(&eight, s.p + at, sizeof eight);
            memcpy(p + at, &eight, sizeof eight);
            plain &= str_plain8(eight);
        }
    } else {
        for (size_t i = 0; i < s.n; i++) {
            p[i] = s.p[i];
            plain &= (unsigned char)(s.p[i] - 1) < 0x7f;
        }
    }
    if (!plain && !str_is_text(s))
        *bad = true;
    return p + s.n;
}

#endif
