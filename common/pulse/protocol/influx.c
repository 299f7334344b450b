/* SPDX-License-Identifier: Apache-2.0 */
#include "common/pulse/protocol/influx.h"

#include <ctype.h>
#include <string.h>

#include "common/pulse/protocol/influx_map.h"

enum { FIELD_BYTES_MIN = 3 }; /* a=1 */

struct state {
    struct influx_reader reader;
    struct influx_map map;
    struct str rest; /* lines not read yet */
    size_t newlines; /* before rest */
    size_t index;    /* of the next unit */
    bool utf8;       /* all of the body is */
    /* The line at hand: */
    struct influx_line line;
    struct str text;
    size_t number; /* from 1 */
    struct influx_records records;
    size_t given; /* of records */
};

/* --- the body ------------------------------------------------------------ */

bool influx_tag_good(struct str name)
{
    for (size_t i = 0; i < name.n; i++)
        if (!isalnum((unsigned char)name.p[i]) &&
            memchr("_-.", name.p[i], 3) == NULL)
            return false;
    return name.n > 0 && name.n <= CHECK_LABEL_NAME_MAX;
}

/* "text/plain; precision=ms": what a dead letter says of its line. */
static struct str parameter(struct str content_type, const char *name)
{
    struct str part, key, value;

    while (str_next(&content_type, ';', &part))
        if (str_cut(str_trim(part), '=', &key, &value) && str_is(key, name))
            return value;
    return (struct str){0};
}

static struct str said(struct str by_url, const struct body *b,
                       const char *name)
{
    return by_url.p ? by_url : parameter(b->posted.content_type, name);
}

static bool map_init(struct influx_map *map, const struct body *b)
{
    struct check *c = b->check;

    *map = (struct influx_map){
        .check = c,
        .unit = influx_unit_find(said(b->posted.precision, b, "precision")),
        .device_tag = said(b->posted.device_tag, b, "device_tag"),
        .strict = b->posted.strict,
    };
    if (!map->unit)
        return fault_set(&c->fault, c->arena, FAULT_INVALID_TIME,
                         STR("precision"), "is no unit of time");
    if (map->device_tag.n > 0 && !influx_tag_good(map->device_tag))
        return fault_set(&c->fault, c->arena, FAULT_MALFORMED_LINE,
                         STR("device_tag"), "is no name of a tag");
    return true;
}

static size_t least(size_t a, size_t b)
{
    return a < b ? a : b;
}

static void reader_init(struct state *s, struct check *c, size_t bytes)
{
    struct influx_reader *r = &s->reader;
    const struct check_rules *rules = c->rules;
    size_t most = bytes / FIELD_BYTES_MIN + 1;

    r->arena = c->arena;
    r->fields_max = least(rules->fields_max, most);
    r->tags_max = least(s->map.device_tag.n > 0 ? rules->fields_max + 2
                                                : rules->labels_max,
                        most);
    r->fields = arena_alloc(c->arena, r->fields_max * sizeof *r->fields);
    r->tags = arena_alloc(c->arena, r->tags_max * sizeof *r->tags);
}

/* Every record has a field, and every field its '='. */
static size_t equals_count(struct str text)
{
    size_t n = 0;

    for (size_t i = 0; i < text.n; i++)
        n += text.p[i] == '=';
    return n;
}

static bool influx_open(struct body *b)
{
    struct check *c = b->check;
    struct state *s = arena_zalloc(c->arena, 1, sizeof *s);

    b->state = s;
    if (!map_init(&s->map, b))
        return false;
    s->rest = b->posted.text;
    s->utf8 = str_utf8_valid(s->rest);
    reader_init(s, c, s->rest.n);
    s->map.fields_max = s->reader.fields_max;
    b->records_max = equals_count(s->rest);
    return true;
}

/* --- unit by unit -------------------------------------------------------- */

/* Takes an empty line or a comment off; false: there is none at the start. */
static bool blank_skip(struct str *rest)
{
    struct str trimmed = *rest, line;

    while (trimmed.n > 0 && memchr(" \t\r", trimmed.p[0], 3))
        trimmed = (struct str){trimmed.p + 1, trimmed.n - 1};
    if (trimmed.n == 0) {
        *rest = trimmed;
        return false;
    }
    if (trimmed.p[0] != '#' && trimmed.p[0] != '\n')
        return false;
    *rest = trimmed;
    return str_next(rest, '\n', &line);
}

static size_t newlines_count(struct str text)
{
    struct str line;
    size_t n = 0;

    while (str_cut(text, '\n', &line, &text))
        n++;
    return n;
}

/* Reads the next line there is; *good: its form is right. */
static bool line_next(struct state *s, struct fault *fault, bool *good)
{
    while (blank_skip(&s->rest))
        s->newlines++;
    if (s->rest.n == 0)
        return false;
    struct str text = s->rest;
    s->number = s->newlines + 1;
    *good = influx_line_next(&s->reader, &s->rest, &s->line, fault);
    text.n = (size_t)(s->rest.p - text.p);
    s->newlines += newlines_count(text);
    while (text.n > 0 && memchr("\r\n", text.p[text.n - 1], 2))
        text.n--;
    s->text = text;
    return true;
}

static bool line_judge(struct body *b, struct state *s)
{
    if ((!s->utf8 && !check_utf8(b->check, (struct str){0}, s->text)) ||
        !influx_map_line(&s->map, &s->line, &s->records))
        return false;
    b->skipped[SKIP_TEXT_FIELD] += s->records.texts;
    s->index += s->records.count > 0;
    return true;
}

/* The device a rejected line speaks for, as far as it can be read. */
static struct str device_of(const struct state *s)
{
    struct str name = s->map.device_tag;
    const struct label *tag =
        influx_line_tag(&s->line, name.n > 0 ? name : STR("device_id"));

    if (!tag || tag->value.n == 0 || tag->value.n > CHECK_ID_MAX ||
        str_has_nul(tag->value) || !str_utf8_valid(tag->value))
        return (struct str){0};
    return tag->value;
}

static bool influx_next(struct body *b, struct unit *u)
{
    struct state *s = b->state;
    bool good = true;

    while (good && s->given == s->records.count) {
        s->given = 0;
        s->records.count = 0;
        if (!line_next(s, &b->check->fault, &good))
            return false;
        good = good && line_judge(b, s);
    }
    u->line = s->number;
    u->good = good;
    if (good) {
        u->index = s->index - 1;
        u->record = influx_records_at(&s->records, s->given++);
    } else {
        u->index = s->index++;
        u->device_id = device_of(s);
        s->records.count = 0;
    }
    return true;
}

static struct str influx_text(const struct body *b, const struct unit *u)
{
    (void)u;
    return ((const struct state *)b->state)->text;
}

static struct str influx_text_type(const struct body *b)
{
    const struct state *s = b->state;
    const char *unit = s->map.unit->name;

    if (s->map.device_tag.n == 0)
        return arena_printf(b->check->arena, "text/plain; precision=%s", unit);
    return arena_printf(b->check->arena,
                        "text/plain; precision=%s; device_tag=%.*s", unit,
                        STR_ARG(s->map.device_tag));
}

const struct protocol influx_protocol = {
    .name = "influx",
    .open = influx_open,
    .next = influx_next,
    .text = influx_text,
    .text_type = influx_text_type,
};
