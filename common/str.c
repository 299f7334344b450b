/* SPDX-License-Identifier: Apache-2.0 */
#include "common/str.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

struct str str_of(const char *text)
{
    return (struct str){text, text == NULL ? 0 : strlen(text)};
}

bool str_is(struct str s, const char *text)
{
    return str_eq(s, str_of(text));
}

int str_cmp(struct str a, struct str b)
{
    size_t n = a.n < b.n ? a.n : b.n;
    int order = n == 0 ? 0 : memcmp(a.p, b.p, n);
    if (order != 0)
        return order;
    return (a.n > b.n) - (a.n < b.n);
}

bool str_starts(struct str s, struct str prefix)
{
    return s.n >= prefix.n && str_eq((struct str){s.p, prefix.n}, prefix);
}

bool str_ends(struct str s, struct str suffix)
{
    return s.n >= suffix.n &&
           str_eq((struct str){s.p + (s.n - suffix.n), suffix.n}, suffix);
}

static bool is_space(char c)
{
    return c == ' ' || (c >= '\t' && c <= '\r');
}

struct str str_trim(struct str s)
{
    while (s.n > 0 && is_space(s.p[0])) {
        s.p++;
        s.n--;
    }
    while (s.n > 0 && is_space(s.p[s.n - 1]))
        s.n--;
    return s;
}

bool str_cut(struct str s, char sep, struct str *before, struct str *after)
{
    const char *at = s.n == 0 ? NULL : memchr(s.p, sep, s.n);
    if (at == NULL)
        return false;
    size_t left = (size_t)(at - s.p);
    *before = (struct str){s.p, left};
    *after = (struct str){at + 1, s.n - left - 1};
    return true;
}

bool str_next(struct str *rest, char sep, struct str *field)
{
    if (rest->p == NULL)
        return false;
    if (!str_cut(*rest, sep, field, rest)) {
        *field = *rest;
        *rest = (struct str){NULL, 0};
    }
    return true;
}

static char lower(char c)
{
    return c >= 'A' && c <= 'Z' ? (char)(c - 'A' + 'a') : c;
}

bool str_eq_nocase(struct str a, struct str b)
{
    if (a.n != b.n)
        return false;
    for (size_t i = 0; i < a.n; i++)
        if (lower(a.p[i]) != lower(b.p[i]))
            return false;
    return true;
}

bool str_to_i64(struct str s, int64_t *out)
{
    size_t i = 0;
    bool negative = s.n > 0 && s.p[0] == '-';
    if (negative)
        i = 1;
    if (i == s.n)
        return false;
    int64_t n = 0; /* kept negative: INT64_MIN has no positive twin */
    for (; i < s.n; i++) {
        if (s.p[i] < '0' || s.p[i] > '9')
            return false;
        if (__builtin_mul_overflow(n, 10, &n) ||
            __builtin_sub_overflow(n, s.p[i] - '0', &n))
            return false;
    }
    if (!negative && n == INT64_MIN)
        return false;
    *out = negative ? n : -n;
    return true;
}

/* Decimal notation only: strtod would take hexadecimal, "inf" and "nan". */
static bool is_decimal(struct str s)
{
    for (size_t i = 0; i < s.n; i++)
        if (memchr("0123456789+-.eE", s.p[i], 15) == NULL)
            return false;
    return s.n > 0 && s.p[0] != '+';
}

/* Digits with a point at most, as nearly all numbers are: an integer below
 * 2^53 and a power of ten up to 22 are exact doubles, so one division rounds
 * right (Clinger 1990). False: not of that kind. */
static bool double_short(struct str s, double *out)
{
    static const double powers[] = {
        1e0,  1e1,  1e2,  1e3,  1e4,  1e5,  1e6,  1e7,  1e8,  1e9,  1e10, 1e11,
        1e12, 1e13, 1e14, 1e15, 1e16, 1e17, 1e18, 1e19, 1e20, 1e21, 1e22};
    bool negative = s.n > 0 && s.p[0] == '-';
    size_t digits = 0, decimals = 0;
    bool point = false;
    uint64_t n = 0;

    for (size_t i = negative; i < s.n; i++) {
        unsigned char d = (unsigned char)(s.p[i] - '0');
        if (d <= 9) {
            n = n * 10 + d;
            digits++;
            decimals += point;
        } else if (s.p[i] == '.' && !point) {
            point = true;
        } else {
            return false;
        }
    }
    if (digits == 0 || digits > 19 || n > UINT64_C(1) << 53)
        return false;
    double value = (double)n / powers[decimals];
    *out = negative ? -value : value;
    return true;
}

bool str_to_double(struct str s, double *out)
{
    if (double_short(s, out))
        return true;
    char text[400]; /* longer than any number worth its digits */
    if (!is_decimal(s) || s.n >= sizeof text)
        return false;
    memcpy(text, s.p, s.n);
    text[s.n] = '\0';
    char *end;
    double value = strtod(text, &end);
    if (end != text + s.n || !isfinite(value))
        return false;
    *out = value;
    return true;
}

/* Length of the well-formed sequence at p, 0 if there is none (RFC 3629). */
static size_t utf8_sequence(const unsigned char *p, size_t n)
{
    static const struct {
        unsigned char first, last, second_min, second_max;
        size_t length;
    } forms[] = {
        {0xC2, 0xDF, 0x80, 0xBF, 2}, {0xE0, 0xE0, 0xA0, 0xBF, 3},
        {0xE1, 0xEC, 0x80, 0xBF, 3}, {0xED, 0xED, 0x80, 0x9F, 3},
        {0xEE, 0xEF, 0x80, 0xBF, 3}, {0xF0, 0xF0, 0x90, 0xBF, 4},
        {0xF1, 0xF3, 0x80, 0xBF, 4}, {0xF4, 0xF4, 0x80, 0x8F, 4},
    };
    if (p[0] < 0x80)
        return 1;
    for (size_t f = 0; f < ARRAY_LEN(forms); f++) {
        if (p[0] < forms[f].first || p[0] > forms[f].last)
            continue;
        if (n < forms[f].length || p[1] < forms[f].second_min ||
            p[1] > forms[f].second_max)
            return 0;
        for (size_t i = 2; i < forms[f].length; i++)
            if ((p[i] & 0xC0) != 0x80)
                return 0;
        return forms[f].length;
    }
    return 0;
}

static uint64_t load8(const char *p)
{
    uint64_t eight;
    memcpy(&eight, p, sizeof eight);
    return eight;
}

bool str_plain(struct str s)
{
    bool plain = true;
    if (s.n >= 8) {
        for (size_t i = 0; i + 8 <= s.n; i += 8)
            plain &= str_plain8(load8(s.p + i));
        return plain && str_plain8(load8(s.p + s.n - 8));
    }
    for (size_t i = 0; i < s.n; i++)
        plain &= (unsigned char)(s.p[i] - 1) < 0x7f;
    return plain;
}

bool str_is_text(struct str s)
{
    return str_plain(s) || (!str_has_nul(s) && str_utf8_valid(s));
}

bool str_utf8_valid(struct str s)
{
    const unsigned char *p = (const unsigned char *)s.p;
    size_t i = 0;
    while (i < s.n) {
        if (i + 8 <= s.n && str_plain8(load8(s.p + i))) {
            i += 8;
            continue;
        }
        size_t length = utf8_sequence(p + i, s.n - i);
        if (length == 0)
            return false;
        i += length;
    }
    return true;
}

bool str_has_nul(struct str s)
{
    return !str_plain(s) && memchr(s.p, '\0', s.n) != NULL;
}

char *str_dup(struct str s)
{
    return xstrndup(s.p, s.n);
}
