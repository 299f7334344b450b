/* SPDX-License-Identifier: Apache-2.0 */
#include "common/http_route.h"

#include <string.h>

static int hex_digit(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    if (c >= 'a' && c <= 'f')
        return c - 'a' + 10;
    if (c >= 'A' && c <= 'F')
        return c - 'A' + 10;
    return -1;
}

static bool escapes_ok(struct str s)
{
    for (size_t i = 0; i < s.n; i++) {
        if (s.p[i] == '\0')
            return false;
        if (s.p[i] != '%')
            continue;
        if (s.n - i < 3)
            return false;
        int high = hex_digit(s.p[i + 1]), low = hex_digit(s.p[i + 2]);
        if (high < 0 || low < 0 || high + low == 0)
            return false;
    }
    return true;
}

/* s has passed escapes_ok. */
static struct str decode(struct str s, bool plus_is_space, struct arena *a)
{
    char *out = arena_alloc(a, s.n + 1);
    size_t n = 0;
    for (size_t i = 0; i < s.n; i++) {
        if (s.p[i] == '%') {
            out[n++] =
                (char)(hex_digit(s.p[i + 1]) * 16 + hex_digit(s.p[i + 2]));
            i += 2;
        } else {
            out[n++] = plus_is_space && s.p[i] == '+' ? ' ' : s.p[i];
        }
    }
    out[n] = '\0';
    return (struct str){out, n};
}

/* "http://host/path" means "/path" (RFC 9112, 3.2.2). */
static bool without_authority(struct str target, struct str *out)
{
    static const struct str schemes[] = {STR("http://"), STR("https://")};
    *out = target;
    if (str_starts(target, STR("/")) || str_is(target, "*"))
        return true;
    for (size_t i = 0; i < ARRAY_LEN(schemes); i++) {
        struct str scheme = schemes[i], rest;
        if (target.n <= scheme.n ||
            !str_eq_nocase((struct str){target.p, scheme.n}, scheme))
            continue;
        rest = (struct str){target.p + scheme.n, target.n - scheme.n};
        size_t host_n = 0;
        while (host_n < rest.n && rest.p[host_n] != '/' &&
               rest.p[host_n] != '?')
            host_n++;
        *out = (struct str){rest.p + host_n, rest.n - host_n};
        if (!str_starts(*out, STR("/")) && out->n == 0)
            *out = STR("/");
        return host_n > 0 && str_starts(*out, STR("/"));
    }
    return false;
}

enum { IS_PLAIN, HAS_ESCAPES, IS_BROKEN };

static int form_of(struct str s)
{
    int form = IS_PLAIN;
    for (size_t i = 0; i < s.n; i++) {
        unsigned char c = (unsigned char)s.p[i];
        if (c <= ' ' || c == 0x7f || c == '#')
            return IS_BROKEN;
        if (c == '%' || c >= 0x80)
            form = HAS_ESCAPES;
    }
    return form;
}

bool http_target_parse(struct str target, struct arena *a,
                       struct http_target *out)
{
    int form = form_of(target);
    *out = (struct http_target){0};
    if (form == IS_BROKEN || !without_authority(target, &out->raw))
        return false;
    str_cut(out->raw, '?', &out->raw, &out->query);
    out->path = out->raw;
    out->plain = form == IS_PLAIN;
    if (out->plain)
        return true;
    if (!escapes_ok(target))
        return false;
    out->path = decode(out->raw, false, a);
    return str_utf8_valid(out->path) &&
           str_utf8_valid(decode(out->query, false, a));
}

static bool is_arg(struct str segment)
{
    return str_starts(segment, STR("{")) && str_ends(segment, STR("}"));
}

static bool take_segment(struct http_target *t, struct str want, struct str got,
                         struct arena *a)
{
    struct str value = decode(got, false, a);
    if (!is_arg(want))
        return str_eq(want, value);
    if (value.n == 0 || t->arg_count == HTTP_ARGS_MAX)
        return false;
    t->arg_names[t->arg_count] = (struct str){want.p + 1, want.n - 2};
    t->arg_values[t->arg_count++] = value;
    return true;
}

bool http_target_match(struct http_target *t, const char *pattern,
                       struct arena *a)
{
    struct str wants = str_of(pattern), gots = t->raw, want, got;
    t->arg_count = 0;
    if (t->plain && strchr(pattern, '{') == NULL)
        return str_eq(wants, gots);
    for (;;) {
        bool more = str_next(&wants, '/', &want);
        if (more != str_next(&gots, '/', &got))
            return false;
        if (!more)
            return true;
        if (!take_segment(t, want, got, a))
            return false;
    }
}

struct str http_target_query(const struct http_target *t, const char *name,
                             struct arena *a)
{
    struct str rest = t->query, pair;
    while (str_next(&rest, '&', &pair)) {
        struct str key = pair, value = {"", 0};
        str_cut(pair, '=', &key, &value);
        if (str_is(decode(key, true, a), name))
            return decode(value, true, a);
    }
    return (struct str){NULL, 0};
}
