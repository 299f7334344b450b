/* SPDX-License-Identifier: Apache-2.0 */
#include "common/pulse/protocol/influx.h"

#include <assert.h>
#include <ctype.h>
#include <string.h>

#include "common/pulse/protocol/influx_line.h"
#include "common/pulse/protocol/influx_time.h"
#include "common/pulse/protocol/metric_build.h"

enum {
    FIELD_BYTES_MIN = 3, /* a=1 */
    FEW = 16,            /* names that are compared each with each */
};

struct state {
    struct influx_reader reader;
    const struct influx_unit *unit;
    struct str device_tag;
    struct label *names; /* scratch for as many names as a line may have */
    struct str rest;     /* lines not read yet */
    size_t newlines;     /* before rest */
    size_t index;        /* of the next unit */
    bool utf8;           /* all of the body is */
    /* The line at hand: */
    struct influx_line line;
    struct str text;
    size_t number;        /* from 1 */
    size_t at;            /* the field that is the next metric */
    struct record record; /* of its metrics; name and value are each field's */
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

static bool parameters_take(struct body *b, struct state *s)
{
    struct check *c = b->check;

    s->unit = influx_unit_find(said(b->posted.precision, b, "precision"));
    s->device_tag = said(b->posted.device_tag, b, "device_tag");
    if (!s->unit)
        return fault_set(&c->fault, c->arena, FAULT_INVALID_TIME,
                         STR("precision"), "is no unit of time");
    if (s->device_tag.n > 0 && !influx_tag_good(s->device_tag))
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
    r->tags_max = least(
        s->device_tag.n > 0 ? rules->fields_max + 2 : rules->labels_max, most);
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
    if (!parameters_take(b, s))
        return false;
    s->rest = b->posted.text;
    s->utf8 = str_utf8_valid(s->rest);
    reader_init(s, c, s->rest.n);
    b->records_max = equals_count(s->rest);
    return true;
}

/* --- what a line holds --------------------------------------------------- */

static bool twice(struct check *c, struct str name)
{
    return fault_set(&c->fault, c->arena, FAULT_DUPLICATE_KEY,
                     check_path(c, NULL, name), "appears twice in one line");
}

static bool few_unique(struct check *c, const struct field *f, size_t n)
{
    for (size_t i = 1; i < n; i++)
        for (size_t k = 0; k < i; k++)
            if (str_eq(f[i].name, f[k].name))
                return twice(c, f[i].name);
    return true;
}

static bool fields_unique(struct check *c, struct state *s)
{
    const struct field *f = s->line.fields;
    size_t n = s->line.field_count;

    if (n <= FEW)
        return few_unique(c, f, n);
    if (!s->names)
        s->names =
            arena_alloc(c->arena, s->reader.fields_max * sizeof *s->names);
    for (size_t i = 0; i < n; i++)
        s->names[i] = (struct label){f[i].name, {0}};
    return labels_sort(s->names, n) ||
           fault_set(&c->fault, c->arena, FAULT_DUPLICATE_KEY, (struct str){0},
                     "a field appears twice in one line");
}

/* The most frequent mistake is a wrong unit. */
static bool time_fault(struct check *c, const struct state *s)
{
    c->fault.message = arena_printf(c->arena, "%.*s (read as %s)",
                                    STR_ARG(c->fault.message), s->unit->name);
    return false;
}

static bool time_take(struct check *c, const struct state *s, int64_t *us)
{
    *us = CHECK_NO_TIME;
    if (!s->line.timed)
        return true;
    if (!influx_time_us(s->unit, s->line.time, us) || *us == CHECK_NO_TIME) {
        fault_set(&c->fault, c->arena, FAULT_INVALID_TIME, STR("time"),
                  "is beyond any date");
        return time_fault(c, s);
    }
    return check_window(c, STR("time"), *us) || time_fault(c, s);
}

static const struct label *tag_find(const struct influx_line *line,
                                    struct str name)
{
    for (size_t i = 0; i < line->tag_count; i++)
        if (str_eq(line->tags[i].name, name))
            return &line->tags[i];
    return NULL;
}

/* --- metrics ------------------------------------------------------------- */

static struct str metric_name(struct arena *a, struct str measurement,
                              struct str field)
{
    if (str_is(field, "value"))
        return measurement;
    char *p = arena_alloc(a, measurement.n + 1 + field.n);
    memcpy(p, measurement.p, measurement.n);
    p[measurement.n] = '_';
    memcpy(p + measurement.n + 1, field.p, field.n);
    return (struct str){p, measurement.n + 1 + field.n};
}

static double metric_value(const struct field *f)
{
    if (f->type == FIELD_INTEGER)
        return (double)f->integer;
    return f->type == FIELD_BOOLEAN ? f->boolean : f->real;
}

static bool text_refuse(struct check *c, const struct field *f)
{
    return fault_set(&c->fault, c->arena, FAULT_WRONG_TYPE,
                     check_path(c, NULL, f->name),
                     "is a text, which no metric can be");
}

/* Makes the fields the names and values of metrics and moves them together;
 * texts are left out. */
static bool fields_take(struct body *b, struct metric_build *m, int64_t time_us)
{
    struct state *s = b->state;
    struct field *fields = s->line.fields;
    size_t numbers = 0;

    for (size_t i = 0; i < s->line.field_count; i++) {
        struct field f = fields[i];
        if (f.type == FIELD_TEXT) {
            if (b->posted.strict)
                return text_refuse(b->check, &f);
            continue;
        }
        f.real = metric_value(&f);
        f.type = FIELD_REAL;
        f.name = metric_name(b->check->arena, s->line.measurement, f.name);
        if (!metric_finish(m, f.name, f.real, time_us, &s->record))
            return false;
        fields[numbers++] = f;
    }
    b->text_fields += s->line.field_count - numbers;
    s->line.field_count = numbers;
    return true;
}

static bool metrics_take(struct body *b, struct state *s)
{
    struct metric_build m;
    int64_t time_us;

    if (!fields_unique(b->check, s) || !time_take(b->check, s, &time_us))
        return false;
    metric_begin(&m, b->check, s->line.tag_count);
    m.utf8 = true; /* line_judge saw to it */
    for (size_t i = 0; i < s->line.tag_count; i++)
        if (!metric_label(&m, s->line.tags[i].name, s->line.tags[i].value))
            return false;
    return fields_take(b, &m, time_us);
}

/* --- telemetry ----------------------------------------------------------- */

static bool is_site(struct str name)
{
    return str_is(name, "site_id");
}

/* Tags that say neither the device nor its site are readings too. */
static bool tags_move(struct check *c, struct state *s)
{
    struct influx_line *line = &s->line;
    size_t devices = 0, sites = 0;

    for (size_t i = 0; i < line->tag_count; i++) {
        const struct label *tag = &line->tags[i];
        bool device = str_eq(tag->name, s->device_tag);
        bool site = !device && is_site(tag->name);
        devices += device;
        sites += site;
        if (devices > 1 || sites > 1)
            return twice(c, tag->name);
        if (device || site)
            continue;
        if (line->field_count == s->reader.fields_max)
            return fault_set(&c->fault, c->arena, FAULT_TOO_MANY_FIELDS,
                             (struct str){0},
                             "there are more than %zu fields and tags",
                             s->reader.fields_max);
        line->fields[line->field_count++] = (struct field){
            .name = tag->name, .type = FIELD_TEXT, .text = tag->value};
    }
    return true;
}

static bool readings_good(struct check *c, const struct influx_line *line)
{
    for (size_t i = 0; i < line->field_count; i++)
        if (!check_reading(c, &line->fields[i]))
            return false;
    return true;
}

static bool telemetry_take(struct body *b, struct state *s, struct str device)
{
    struct check *c = b->check;
    const struct label *site = tag_find(&s->line, STR("site_id"));
    struct telemetry_record t = {.tenant_id = c->caller->tenant_id,
                                 .msg_type = s->line.measurement,
                                 .received_at_us = c->received_us};

    if (site && !str_is(s->device_tag, "site_id"))
        t.site_id = site->value;
    if (!check_slice(c, STR("device_id"), device, CHECK_ID_MAX) ||
        !check_device(c, STR("device_id"), device, &t.device_id) ||
        (t.site_id.p &&
         !check_slice(c, STR("site_id"), t.site_id, CHECK_ID_MAX)) ||
        !check_slice(c, STR("msg_type"), t.msg_type, CHECK_ID_MAX) ||
        !time_take(c, s, &t.time_us) || !tags_move(c, s) ||
        !fields_unique(c, s) || !readings_good(c, &s->line))
        return false;
    t.metrics = s->line.fields;
    t.metric_count = s->line.field_count;
    s->record = (struct record){.kind = RECORD_TELEMETRY, .telemetry = t};
    s->line.field_count = 1; /* one record, of all of them */
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
    const struct label *device = NULL;

    if (!s->utf8 && !check_utf8(b->check, (struct str){0}, s->text))
        return false;
    if (s->device_tag.n > 0)
        device = tag_find(&s->line, s->device_tag);
    return device ? telemetry_take(b, s, device->value) : metrics_take(b, s);
}

/* The device a rejected line speaks for, as far as it can be read. */
static struct str device_of(const struct state *s)
{
    bool tagged = s->device_tag.n > 0;
    const struct label *tag =
        tag_find(&s->line, tagged ? s->device_tag : STR("device_id"));

    if (!tag || tag->value.n == 0 || tag->value.n > CHECK_ID_MAX ||
        str_has_nul(tag->value) || !str_utf8_valid(tag->value))
        return (struct str){0};
    return tag->value;
}

/* Gives the record of the line's next field. */
static void field_give(struct state *s, struct unit *u)
{
    const struct field *f = &s->line.fields[s->at++];

    if (s->record.kind == RECORD_METRIC) {
        s->record.metric.name = f->name;
        s->record.metric.value = f->real;
    }
    u->record = s->record;
    u->good = true;
}

static bool influx_next(struct body *b, struct unit *u)
{
    struct state *s = b->state;
    bool good = true;

    while (s->at == s->line.field_count) {
        s->at = 0;
        s->line.field_count = 0;
        if (!line_next(s, &b->check->fault, &good))
            return false;
        good = good && line_judge(b, s);
        if (!good)
            break;
        s->index += s->line.field_count > 0;
    }
    u->index = good ? s->index - 1 : s->index++;
    u->line = s->number;
    if (good) {
        field_give(s, u);
    } else {
        u->device_id = device_of(s);
        s->line.field_count = 0;
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
    const char *unit = s->unit->name;

    if (s->device_tag.n == 0)
        return arena_printf(b->check->arena, "text/plain; precision=%s", unit);
    return arena_printf(b->check->arena,
                        "text/plain; precision=%s; device_tag=%.*s", unit,
                        STR_ARG(s->device_tag));
}

const struct protocol influx_protocol = {
    .name = "influx",
    .open = influx_open,
    .next = influx_next,
    .text = influx_text,
    .text_type = influx_text_type,
};
