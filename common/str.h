/* SPDX-License-Identifier: Apache-2.0 */
/* str.h - a slice of bytes that somebody else owns; never NUL-terminated by
 * hope. */
#ifndef COMMON_STR_H
#define COMMON_STR_H

#include <string.h>

#include "common/base.h"

struct str {
    const char *p; /* may be NULL when n is 0 */
    size_t n;      /* bytes */
};

#define STR(literal) ((struct str){(literal), sizeof(literal) - 1})
/* printf("%.*s", STR_ARG(s)) */
#define STR_ARG(s) (int)(s).n, (s).p

struct str str_of(const char *text); /* NULL gives an empty slice */
static inline bool str_eq(struct str a, struct str b)
{
    /* Most are told apart without a call. */
    return a.n == b.n &&
           (a.n == 0 || (a.p[0] == b.p[0] && memcmp(a.p, b.p, a.n) == 0));
}
bool str_is(struct str s, const char *text);
int str_cmp(struct str a, struct str b); /* bytewise, like memcmp */
bool str_starts(struct str s, struct str prefix);
bool str_ends(struct str s, struct str suffix);
struct str str_trim(struct str s); /* ASCII white space off both ends */
/* Splits at the first sep. False, outputs untouched, where there is none. */
bool str_cut(struct str s, char sep, struct str *before, struct str *after);
/* Takes the next field up to sep off *rest. False when *rest is used up;
 * "a,,b" gives "a", "", "b". */
bool str_next(struct str *rest, char sep, struct str *field);
bool str_eq_nocase(struct str a, struct str b); /* ASCII only */
/* Whole-slice numbers: no sign of anything else, no overflow, no NaN/Inf. */
bool str_to_i64(struct str s, int64_t *out) MUST_USE;
bool str_to_double(struct str s, double *out) MUST_USE;
bool str_utf8_valid(
    struct str s); /* strict UTF-8: no surrogates, no overlong */
bool str_has_nul(struct str s);
/* Is none of eight bytes NUL or beyond ASCII? */
static inline bool str_plain8(uint64_t eight)
{
    const uint64_t ones = UINT64_C(0x0101010101010101), tops = ones << 7;
    /* A top bit is set, or shows up because a byte is 0. */
    return ((eight | (eight - ones)) & tops) == 0;
}
/* ASCII without NUL, as nearly all texts are. */
bool str_plain(struct str s);
/* UTF-8 without NUL: what PostgreSQL and Avro's libraries take for a text. */
bool str_is_text(struct str s);
char *str_dup(struct str s) MUST_USE; /* malloc'ed, NUL-terminated */

#endif
