/* SPDX-License-Identifier: Apache-2.0 */
#include "services/collector/promtext.h"

#include <math.h>

static bool name_byte(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
           (c >= '0' && c <= '9') || c == '_' || c == ':';
}

static void blanks_skip(struct str *s)
{
    while (s->n > 0 && (*s->p == ' ' || *s->p == '\t')) {
        s->p++;
        s->n--;
    }
}

static bool byte_take(struct str *s, char c)
{
    if (s->n == 0 || *s->p != c)
        return false;
    s->p++;
    s->n--;
    return true;
}

static bool name_take(struct str *s, struct str *name)
{
    size_t n = 0;
    while (n < s->n && name_byte(s->p[n]))
        n++;
    *name = (struct str){s->p, n};
    s->p += n;
    s->n -= n;
    return n > 0;
}

/* "…" with \\, \" and \n. */
static bool quoted_take(struct str *s, struct arena *arena, struct str *out)
{
    if (!byte_take(s, '"'))
        return false;
    char *to = arena_alloc(arena, s->n + 1);
    size_t n = 0;
    while (s->n > 0 && *s->p != '"') {
        char c = *s->p;
        if (c == '\\') {
            if (s->n < 2)
                return false;
            s->p++;
            s->n--;
            c = *s->p == 'n' ? '\n' : *s->p;
        }
        to[n++] = c;
        s->p++;
        s->n--;
    }
    *out = (struct str){to, n};
    return byte_take(s, '"');
}

static bool labels_take(struct str *s, struct arena *arena,
                        struct promtext_sample *out)
{
    if (!byte_take(s, '{'))
        return true;
    for (;;) {
        blanks_skip(s);
        if (byte_take(s, '}'))
            return true;
        if (out->label_count == PROMTEXT_LABELS_MAX)
            return false;
        struct label *l = &out->labels[out->label_count++];
        if (!name_take(s, &l->name))
            return false;
        blanks_skip(s);
        if (!byte_take(s, '='))
            return false;
        blanks_skip(s);
        if (!quoted_take(s, arena, &l->value))
            return false;
        blanks_skip(s);
        if (!byte_take(s, ',') && (s->n == 0 || *s->p != '}'))
            return false;
    }
}

static bool value_parse(struct str s, double *out)
{
    if (str_is(s, "NaN"))
        *out = NAN;
    else if (str_is(s, "+Inf") || str_is(s, "Inf"))
        *out = INFINITY;
    else if (str_is(s, "-Inf"))
        *out = -INFINITY;
    else
        return str_to_double(s, out);
    return true;
}

static bool line_parse(struct str line, struct arena *arena,
                       struct promtext_sample *out)
{
    out->label_count = 0;
    if (!name_take(&line, &out->name) || !labels_take(&line, arena, out))
        return false;
    line = str_trim(line);
    struct str value;
    return str_next(&line, ' ', &value) && value_parse(value, &out->value);
}

bool promtext_next(struct promtext *p, struct promtext_sample *out)
{
    for (struct str line; str_next(&p->rest, '\n', &line);) {
        line = str_trim(line);
        if (line.n == 0 || *line.p == '#')
            continue;
        if (line_parse(line, p->arena, out))
            return true;
        p->bad_lines++;
    }
    return false;
}
