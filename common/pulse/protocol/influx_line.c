/* SPDX-License-Identifier: Apache-2.0 */
#include "common/pulse/protocol/influx_line.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "common/pulse/protocol/influx_value.h"

/* Bytes that mean something outside of texts. */
enum {
    NEWLINE = 1,
    SPACE = 2,
    COMMA = 4,
    EQUALS = 8,
    BACKSLASH = 16,
    RETURN = 32,
};
static const unsigned char meanings[256] = {
    ['\n'] = NEWLINE, [' '] = SPACE,      [','] = COMMA,
    ['='] = EQUALS,   ['\\'] = BACKSLASH, ['\r'] = RETURN,
};

struct cursor {
    const struct influx_reader *reader;
    const char *begin, *end; /* of all that is left of the body */
    const char *p;
    struct fault *fault;
};

static bool fail_at(struct cursor *c, const char *at, enum fault_code code,
                    const char *format, ...) PRINTF_LIKE(4, 5);
static bool fail_at(struct cursor *c, const char *at, enum fault_code code,
                    const char *format, ...)
{
    char text[192];
    va_list args;

    va_start(args, format);
    vsnprintf(text, sizeof text, format, args);
    va_end(args);
    return fault_set(c->fault, c->reader->arena, code, (struct str){0},
                     "column %zu: %s", (size_t)(at - c->begin) + 1, text);
}

static bool fail(struct cursor *c, const char *what)
{
    return fail_at(c, c->p, FAULT_MALFORMED_LINE, "%s", what);
}

static unsigned meaning_at(const struct cursor *c)
{
    return c->p < c->end ? meanings[(unsigned char)*c->p] : NEWLINE;
}

/* --- tokens -------------------------------------------------------------- */

/* raw without the backslashes that stand before escapable bytes. */
static struct str unescape(struct arena *a, struct str raw, unsigned escapable)
{
    char *out = arena_alloc(a, raw.n);
    size_t n = 0;

    for (size_t i = 0; i < raw.n; i++) {
        if (raw.p[i] == '\\' && i + 1 < raw.n &&
            (meanings[(unsigned char)raw.p[i + 1]] & escapable))
            i++;
        out[n++] = raw.p[i];
    }
    return (struct str){out, n};
}

/* Takes what stands before the first of stops that no backslash escapes; a
 * newline always stops. */
static struct str token_take(struct cursor *c, unsigned stops,
                             unsigned escapable)
{
    struct str raw = {c->p, 0};
    bool escaped = false;

    stops |= NEWLINE | BACKSLASH;
    for (; c->p < c->end; c->p++) {
        unsigned m = meanings[(unsigned char)*c->p];
        if (!(m & stops))
            continue;
        if (m != BACKSLASH)
            break;
        if (c->p + 1 < c->end &&
            (meanings[(unsigned char)c->p[1]] & escapable)) {
            c->p++;
            escaped = true;
        }
    }
    raw.n = (size_t)(c->p - raw.p);
    return escaped ? unescape(c->reader->arena, raw, escapable) : raw;
}

static struct str unquote(struct arena *a, struct str raw)
{
    char *out = arena_alloc(a, raw.n);
    size_t n = 0;

    for (size_t i = 0; i < raw.n; i++) {
        if (raw.p[i] == '\\' && i + 1 < raw.n &&
            (raw.p[i + 1] == '"' || raw.p[i + 1] == '\\'))
            i++;
        out[n++] = raw.p[i];
    }
    return (struct str){out, n};
}

static bool text_take(struct cursor *c, struct str *out)
{
    const char *quote = c->p++;
    bool escaped = false;

    for (; c->p < c->end && *c->p != '"'; c->p++)
        if (*c->p == '\\' && c->p + 1 < c->end &&
            (c->p[1] == '"' || c->p[1] == '\\')) {
            c->p++;
            escaped = true;
        }
    if (c->p == c->end) {
        c->p = quote; /* the lines behind it are read on their own */
        return fail(c, "the text that begins here never ends");
    }
    *out = (struct str){quote + 1, (size_t)(c->p++ - quote - 1)};
    if (escaped)
        *out = unquote(c->reader->arena, *out);
    return true;
}

static void space_skip(struct cursor *c)
{
    while (c->p < c->end && (*c->p == ' ' || *c->p == '\t'))
        c->p++;
}

/* --- the parts of a line ------------------------------------------------- */

static bool tag_take(struct cursor *c, struct influx_line *line)
{
    const unsigned stops = COMMA | EQUALS | SPACE;

    if (line->tag_count == c->reader->tags_max)
        return fail_at(c, c->p, FAULT_TOO_MANY_LABELS,
                       "there are more than %zu tags", c->reader->tags_max);
    struct label *tag = &c->reader->tags[line->tag_count++];
    *tag = (struct label){.name = token_take(c, stops, stops)};
    if (tag->name.n == 0)
        return fail(c, "a tag's name is missing");
    if (meaning_at(c) != EQUALS)
        return fail(c, "a tag needs '=' and a value");
    c->p++;
    tag->value = token_take(c, stops, stops);
    if (meaning_at(c) == EQUALS)
        return fail(c, "'=' in a tag's value needs a backslash");
    return tag->value.n > 0 || fail(c, "a tag's value is missing");
}

static bool series_take(struct cursor *c, struct influx_line *line)
{
    line->measurement = token_take(c, COMMA | SPACE, COMMA | SPACE);
    if (line->measurement.n == 0)
        return fail(c, "the measurement is missing");
    while (meaning_at(c) == COMMA) {
        c->p++;
        if (!tag_take(c, line))
            return false;
    }
    return true;
}

static bool value_take(struct cursor *c, struct field *f)
{
    const char *at = c->p, *why = NULL;

    if (c->p < c->end && *c->p == '"') {
        f->type = FIELD_TEXT;
        return text_take(c, &f->text);
    }
    struct str token = token_take(c, COMMA | SPACE | RETURN, 0);
    enum fault_code code = influx_value_read(token, f, &why);
    return code == FAULT_NONE || fail_at(c, at, code, "the value %s", why);
}

static bool field_take(struct cursor *c, struct influx_line *line)
{
    const unsigned stops = COMMA | EQUALS | SPACE;

    if (line->field_count == c->reader->fields_max)
        return fail_at(c, c->p, FAULT_TOO_MANY_FIELDS,
                       "there are more than %zu fields", c->reader->fields_max);
    struct field *f = &c->reader->fields[line->field_count++];
    f->name = token_take(c, stops, stops);
    if (f->name.n == 0)
        return fail(c, "a field's name is missing");
    if (meaning_at(c) != EQUALS)
        return fail(c, "a field needs '=' and a value");
    c->p++;
    return value_take(c, f);
}

static bool fields_take(struct cursor *c, struct influx_line *line)
{
    space_skip(c);
    if (meaning_at(c) & (NEWLINE | RETURN))
        return fail(c, "there is no field");
    for (;;) {
        if (!field_take(c, line))
            return false;
        if (meaning_at(c) != COMMA)
            return true;
        c->p++;
    }
}

/* Carriage returns belong to the end, where nothing else is before it. */
static bool line_ends(struct cursor *c)
{
    space_skip(c);
    const char *end = c->p;
    while (end < c->end && *end == '\r')
        end++;
    return end == c->end || *end == '\n';
}

static bool time_take(struct cursor *c, struct influx_line *line)
{
    const char *at = c->p;

    line->timed = true;
    return str_to_i64(token_take(c, SPACE | RETURN, 0), &line->time) ||
           fail_at(c, at, FAULT_INVALID_TIME,
                   "the time is no whole number of 64 bits");
}

static bool line_take(struct cursor *c, struct influx_line *line)
{
    space_skip(c);
    if (!series_take(c, line) || !fields_take(c, line))
        return false;
    if (!(meaning_at(c) & (SPACE | NEWLINE | RETURN)))
        return fail(c, "a space or comma must follow a value");
    if (line_ends(c))
        return true;
    return time_take(c, line) &&
           (line_ends(c) || fail(c, "nothing may follow the time"));
}

bool influx_line_next(const struct influx_reader *reader, struct str *rest,
                      struct influx_line *line, struct fault *fault)
{
    struct cursor c = {
        .reader = reader,
        .begin = rest->p,
        .end = rest->p + rest->n,
        .p = rest->p,
        .fault = fault,
    };

    *line =
        (struct influx_line){.tags = reader->tags, .fields = reader->fields};
    bool good = line_take(&c, line);
    const char *newline = memchr(c.p, '\n', (size_t)(c.end - c.p));
    const char *next = newline ? newline + 1 : c.end;
    *rest = (struct str){next, (size_t)(c.end - next)};
    return good;
}

const struct label *influx_line_tag(const struct influx_line *line,
                                    struct str name)
{
    for (size_t i = 0; i < line->tag_count; i++)
        if (str_eq(line->tags[i].name, name))
            return &line->tags[i];
    return NULL;
}
