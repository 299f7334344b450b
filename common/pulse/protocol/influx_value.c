/* SPDX-License-Identifier: Apache-2.0 */
#include "common/pulse/protocol/influx_value.h"

static enum fault_code bad(const char **why, const char *text)
{
    *why = text;
    return FAULT_MALFORMED_LINE;
}

/* Digits alone. False with *why NULL: they are no number of 64 bits. */
static bool unsigned_read(struct str digits, uint64_t *out)
{
    uint64_t n = 0;

    for (size_t i = 0; i < digits.n; i++) {
        unsigned char d = (unsigned char)(digits.p[i] - '0');
        if (d > 9 || __builtin_mul_overflow(n, 10, &n) ||
            __builtin_add_overflow(n, d, &n))
            return false;
    }
    *out = n;
    return digits.n > 0;
}

static enum fault_code take_unsigned(struct str digits, struct field *f,
                                     const char **why)
{
    uint64_t n;

    if (!unsigned_read(digits, &n))
        return bad(why, "is no unsigned integer of 64 bits");
    f->type = n <= INT64_MAX ? FIELD_INTEGER : FIELD_REAL;
    if (f->type == FIELD_INTEGER)
        f->integer = (int64_t)n;
    else
        f->real = (double)n;
    return FAULT_NONE;
}

static enum fault_code take_integer(struct str digits, struct field *f,
                                    const char **why)
{
    f->type = FIELD_INTEGER;
    return str_to_i64(digits, &f->integer)
               ? FAULT_NONE
               : bad(why, "is no integer of 64 bits");
}

static bool boolean_read(struct str s, bool *out)
{
    static const char *const words[] = {"t", "T", "true",  "True",  "TRUE",
                                        "f", "F", "false", "False", "FALSE"};

    for (size_t i = 0; i < ARRAY_LEN(words); i++)
        if (str_is(s, words[i])) {
            *out = i < ARRAY_LEN(words) / 2;
            return true;
        }
    return false;
}

/* How programs write what is no number. */
static bool is_nonfinite(struct str s)
{
    if (s.n > 0 && (s.p[0] == '-' || s.p[0] == '+'))
        s = (struct str){s.p + 1, s.n - 1};
    return str_eq_nocase(s, STR("nan")) || str_eq_nocase(s, STR("inf")) ||
           str_eq_nocase(s, STR("infinity"));
}

static enum fault_code take_word(struct str s, struct field *f,
                                 const char **why)
{
    f->type = FIELD_BOOLEAN;
    if (boolean_read(s, &f->boolean))
        return FAULT_NONE;
    if (is_nonfinite(s)) {
        *why = "is not a finite number";
        return FAULT_NOT_FINITE;
    }
    return bad(why, "is neither a number nor a boolean nor a \"text\"");
}

static bool starts_number(struct str s)
{
    return (s.p[0] >= '0' && s.p[0] <= '9') || s.p[0] == '-' || s.p[0] == '.';
}

enum fault_code influx_value_read(struct str token, struct field *f,
                                  const char **why)
{
    if (token.n == 0)
        return bad(why, "is missing");
    struct str but_last = {token.p, token.n - 1};
    if (!starts_number(token) || is_nonfinite(token))
        return take_word(token, f, why);
    if (token.p[token.n - 1] == 'i')
        return take_integer(but_last, f, why);
    if (token.p[token.n - 1] == 'u')
        return take_unsigned(but_last, f, why);
    f->type = FIELD_REAL;
    return str_to_double(token, &f->real)
               ? FAULT_NONE
               : bad(why, "is no number, or beyond a double");
}
