/* SPDX-License-Identifier: Apache-2.0 */
/* Lines made of random parts are read as those parts; whatever is read from a
 * mangled line has the form that a regular expression, which knows nothing of
 * the parser, says lines have. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <inttypes.h>
#include <regex.h>
#include <string.h>

#include "common/pulse/protocol/influx_line.h"
#include "tests/prop/random.h"

enum { LINES = 20000, TAGS = 6, FIELDS = 6, BYTES = 12 };

static struct arena *arena;
static struct label tags[TAGS];
static struct field fields[FIELDS];

static struct influx_reader reader(void)
{
    return (struct influx_reader){.arena = arena,
                                  .tags = tags,
                                  .tags_max = TAGS,
                                  .fields = fields,
                                  .fields_max = FIELDS};
}

/* ---- parts ---- */

static struct str random_bytes(const char *alphabet, size_t least)
{
    size_t n = least + (size_t)below(BYTES), count = strlen(alphabet);
    char *p = arena_alloc(arena, n + 1);

    for (size_t i = 0; i < n; i++)
        p[i] = alphabet[below((int64_t)count)];
    return (struct str){p, n};
}

/* A name must not end with what would take the meaning off its end, nor begin
 * with what is passed over. */
static struct str random_name(void)
{
    struct str s = random_bytes("ab,= \\\"#\t\xc3\xbc.", 1);

    if (s.p[0] == '\t')
        ((char *)s.p)[0] = 'a';
    ((char *)s.p)[s.n - 1] = 'z';
    return s;
}

static struct field random_field(void)
{
    struct field f = {.name = random_name(), .type = (enum field_type)below(4)};

    if (f.type == FIELD_INTEGER)
        f.integer = (int64_t)random_next() >> below(64);
    else if (f.type == FIELD_REAL)
        f.real = (double)(int64_t)random_next() / (double)(1 + below(1000000));
    else if (f.type == FIELD_BOOLEAN)
        f.boolean = chance(50);
    else
        f.text = random_bytes("ab,= \\\"\n\r#\xc3\xbc", 0);
    return f;
}

static struct influx_line random_line(void)
{
    struct influx_line line = {.tag_count = (size_t)below(TAGS + 1),
                               .field_count = 1 + (size_t)below(FIELDS),
                               .timed = chance(70)};

    line.measurement = random_name();
    while (line.measurement.p[0] == '#')
        line.measurement = random_name();
    line.tags = arena_alloc(arena, TAGS * sizeof *line.tags);
    line.fields = arena_alloc(arena, FIELDS * sizeof *line.fields);
    for (size_t i = 0; i < line.tag_count; i++)
        line.tags[i] = (struct label){random_name(), random_name()};
    for (size_t i = 0; i < line.field_count; i++)
        line.fields[i] = random_field();
    if (line.timed)
        line.time = (int64_t)random_next() >> below(64);
    return line;
}

/* ---- written ---- */

static void escape(struct buf *out, struct str s, const char *special)
{
    for (size_t i = 0; i < s.n; i++) {
        if (strchr(special, s.p[i]))
            buf_add_char(out, '\\');
        buf_add_char(out, s.p[i]);
    }
}

static void spaces(struct buf *out, int least)
{
    for (int64_t n = least + (chance(10) ? below(3) : 0); n > 0; n--)
        buf_add_char(out, ' ');
}

static void field_write(struct buf *out, const struct field *f)
{
    static const char *const yes[] = {"t", "T", "true", "True", "TRUE"};
    static const char *const no[] = {"f", "F", "false", "False", "FALSE"};

    escape(out, f->name, ",= ");
    buf_add_char(out, '=');
    if (f->type == FIELD_INTEGER) {
        bool plain = f->integer >= 0 && chance(30);
        buf_addf(out, "%" PRId64 "%c", f->integer, plain ? 'u' : 'i');
    } else if (f->type == FIELD_REAL) {
        buf_addf(out, "%.17g", f->real);
    } else if (f->type == FIELD_BOOLEAN) {
        buf_add_text(out, (f->boolean ? yes : no)[below(5)]);
    } else {
        buf_add_char(out, '"');
        escape(out, f->text, "\"\\");
        buf_add_char(out, '"');
    }
}

static struct str line_write(const struct influx_line *line)
{
    AUTO_RELEASE(buf) out = {0};

    spaces(&out, 0);
    escape(&out, line->measurement, ", ");
    for (size_t i = 0; i < line->tag_count; i++) {
        buf_add_char(&out, ',');
        escape(&out, line->tags[i].name, ",= ");
        buf_add_char(&out, '=');
        escape(&out, line->tags[i].value, ",= ");
    }
    spaces(&out, 1);
    for (size_t i = 0; i < line->field_count; i++) {
        if (i > 0)
            buf_add_char(&out, ',');
        field_write(&out, &line->fields[i]);
    }
    if (line->timed) {
        spaces(&out, 1);
        buf_addf(&out, "%" PRId64, line->time);
    }
    spaces(&out, 0);
    if (chance(30))
        buf_add_char(&out, '\r');
    return arena_str(arena, buf_str(&out));
}

/* ---- read again ---- */

static bool field_eq(const struct field *a, const struct field *b)
{
    if (!str_eq(a->name, b->name) || a->type != b->type)
        return false;
    if (a->type == FIELD_INTEGER)
        return a->integer == b->integer;
    if (a->type == FIELD_REAL)
        return a->real == b->real;
    return a->type == FIELD_BOOLEAN ? a->boolean == b->boolean
                                    : str_eq(a->text, b->text);
}

static bool line_eq(const struct influx_line *a, const struct influx_line *b)
{
    if (!str_eq(a->measurement, b->measurement) ||
        a->tag_count != b->tag_count || a->field_count != b->field_count ||
        a->timed != b->timed || (a->timed && a->time != b->time))
        return false;
    for (size_t i = 0; i < a->tag_count; i++)
        if (!str_eq(a->tags[i].name, b->tags[i].name) ||
            !str_eq(a->tags[i].value, b->tags[i].value))
            return false;
    for (size_t i = 0; i < a->field_count; i++)
        if (!field_eq(&a->fields[i], &b->fields[i]))
            return false;
    return true;
}

static void lines_are_read_as_they_were_written(void **state)
{
    const struct influx_reader r = reader();

    (void)state;
    random_begin("influx_lines");
    for (int64_t i = random_count(LINES); i > 0; i--) {
        arena_reset(arena);
        struct influx_line line = random_line(), again;
        struct str text = line_write(&line), rest = text;
        struct fault fault = {0};
        if (!influx_line_next(&r, &rest, &again, &fault))
            fail_msg("%.*s: %.*s", STR_ARG(text), STR_ARG(fault.message));
        if (!line_eq(&line, &again) || rest.n != 0)
            fail_msg("%.*s: read otherwise", STR_ARG(text));
    }
}

/* ---- mangled ---- */

#define NAME "([^,= \n]|\\\\[,= ])+"
#define VALUE                                                              \
    "(-?([0-9]+[.]?[0-9]*|[.][0-9]+)([eE][+-]?[0-9]+)?|-?[0-9]+i|[0-9]+u|" \
    "t|T|true|True|TRUE|f|F|false|False|FALSE|"                            \
    "\"([^\"\\\\]|\\\\(.|\n))*\")"
#define FIELD NAME "=" VALUE
#define GAP " [ \t]*"

static const char form[] =
    "^[ \t]*([^, \n]|\\\\[, ])+(," NAME "=" NAME ")*" GAP FIELD "(," FIELD
    ")*(" GAP "-?[0-9]+)?[ \t]*\r*$";

static struct str mangle(struct str text)
{
    static const char alphabet[] = ",= \\\"\n\r\t#1ie.-+tTu";
    char *p = arena_alloc(arena, text.n + 2);
    size_t at = (size_t)below((int64_t)text.n + 1);
    size_t cut = chance(50) && at < text.n;
    bool put = !cut || chance(50);

    memcpy(p, text.p, at);
    if (put)
        p[at] = alphabet[below(sizeof alphabet - 1)];
    memcpy(p + at + put, text.p + at + cut, text.n - at - cut);
    size_t n = text.n - cut + put;
    p[n] = '\0';
    return (struct str){p, n};
}

/* What was taken for the line, without its end. */
static char *taken_text(struct str text, struct str rest)
{
    size_t n = text.n - rest.n;

    if (n > 0 && text.p[n - 1] == '\n')
        n--;
    return str_dup((struct str){text.p, n});
}

static void what_is_read_has_the_form(void **state)
{
    const struct influx_reader r = reader();
    regex_t regex;
    int64_t good = 0, bad = 0;

    (void)state;
    random_begin("influx_mangled");
    assert_int_equal(regcomp(&regex, form, REG_EXTENDED | REG_NOSUB), 0);
    for (int64_t i = random_count(LINES); i > 0; i--) {
        arena_reset(arena);
        struct influx_line line = random_line();
        struct str text = mangle(line_write(&line)), rest = text;
        struct fault fault = {0};
        while (chance(50))
            text = rest = mangle(text);
        if (!influx_line_next(&r, &rest, &line, &fault)) {
            assert_int_not_equal(fault.code, FAULT_NONE);
            bad++;
            continue;
        }
        char *taken = taken_text(text, rest);
        if (regexec(&regex, taken, 0, NULL, 0) != 0)
            fail_msg("%s: is no line", taken);
        free(taken);
        good++;
    }
    regfree(&regex);
    assert_true(good > 0 && bad > 0);
}

static int begin(void **state)
{
    (void)state;
    arena = arena_new(65536);
    return 0;
}

static int end(void **state)
{
    (void)state;
    arena_free(arena);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(lines_are_read_as_they_were_written),
        cmocka_unit_test(what_is_read_has_the_form),
    };

    return cmocka_run_group_tests(tests, begin, end);
}
