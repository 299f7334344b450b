/* SPDX-License-Identifier: Apache-2.0 */
#include "common/conf.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#ifndef PULSE_VERSION
#define PULSE_VERSION "0.1.0"
#endif

enum { SECRET_FILE_MAX = 64 * 1024 };

/* ---- reading values ---- */

static bool parse_bool(struct str text, bool *out)
{
    static const char *const yes[] = {"on", "true", "yes", "1"};
    static const char *const no[] = {"off", "false", "no", "0"};
    for (size_t i = 0; i < ARRAY_LEN(yes); i++) {
        if (str_eq_nocase(text, str_of(yes[i])))
            return *out = true, true;
        if (str_eq_nocase(text, str_of(no[i])))
            return *out = false, true;
    }
    return false;
}

struct unit {
    const char *suffix;
    double factor;
};
static const struct unit durations[] = {
    {"ms", 1},       {"s", 1000},      {"m", 60000},
    {"h", 3600000.}, {"d", 86400000.},
};
static const struct unit sizes[] = {
    {"k", 0x1p10},
    {"m", 0x1p20},
    {"g", 0x1p30},
    {"", 1},
};

/* "250ms" by the units; the suffix may be missing where "" is one of them. */
static bool parse_unit(struct str text, const struct unit *units, size_t count,
                       double *out)
{
    size_t digits = 0;
    while (digits < text.n &&
           memchr("0123456789.", text.p[digits], 11) != NULL)
        digits++;
    struct str suffix = {text.p + digits, text.n - digits};
    double number;
    if (!str_to_double((struct str){text.p, digits}, &number))
        return false;
    for (size_t i = 0; i < count; i++)
        if (str_eq_nocase(suffix, str_of(units[i].suffix))) {
            *out = number * units[i].factor;
            return true;
        }
    return false;
}

static bool parse_number(const struct conf_item *item, struct str text,
                         double *out)
{
    int64_t whole;
    switch (item->type) {
    case CONF_INT:
        if (!str_to_i64(text, &whole))
            return false;
        *out = (double)whole;
        return true;
    case CONF_REAL:
        return str_to_double(text, out);
    case CONF_DURATION:
        return parse_unit(text, durations, ARRAY_LEN(durations), out);
    case CONF_BYTES:
        return parse_unit(text, sizes, ARRAY_LEN(sizes), out);
    case CONF_TEXT:
    case CONF_SECRET:
    case CONF_BOOL:
    case CONF_CHOICE:
        break;
    }
    return false;
}

static const char *form_of(enum conf_type type)
{
    switch (type) {
    case CONF_TEXT:
        return "text";
    case CONF_SECRET:
        return "text, secret";
    case CONF_BOOL:
        return "on or off";
    case CONF_INT:
        return "a whole number";
    case CONF_REAL:
        return "a number";
    case CONF_DURATION:
        return "a duration such as 250ms, 10s, 5m, 2h, 7d";
    case CONF_BYTES:
        return "a size such as 4096, 64k, 8m, 1g";
    case CONF_CHOICE:
        return "one of";
    }
    return "";
}

/* 7d, 90s, 64k: the largest unit that leaves a whole number. */
static void add_number(const struct conf_item *item, double n, struct buf *out)
{
    const struct unit *units = NULL;
    size_t count = 0;
    if (item->type == CONF_DURATION) {
        units = durations;
        count = ARRAY_LEN(durations);
    } else if (item->type == CONF_BYTES) {
        units = sizes;
        count = ARRAY_LEN(sizes) - 1;
    }
    const struct unit *best = NULL;
    for (size_t i = 0; i < count; i++)
        if (n > 0 && fmod(n, units[i].factor) == 0)
            best = &units[i];
    if (best != NULL)
        buf_addf(out, "%g%s", n / best->factor, best->suffix);
    else if (item->type == CONF_DURATION)
        buf_addf(out, "%gms", n);
    else
        buf_addf(out, "%.15g", n);
}

static bool has_range(const struct conf_item *item)
{
    return item->min != 0 || item->max != 0;
}

static void add_range(const struct conf_item *item, struct buf *out)
{
    add_number(item, item->min, out);
    buf_add_text(out, " to ");
    add_number(item, item->max, out);
}

static bool fail(const struct conf_item *item, struct str text,
                 const char *problem, struct err *err)
{
    AUTO_RELEASE(buf) want = {0};
    buf_add_text(&want, form_of(item->type));
    if (item->type == CONF_CHOICE)
        buf_addf(&want, " %s", item->choices);
    if (has_range(item)) {
        buf_add_text(&want, ", ");
        add_range(item, &want);
    }
    if (item->type == CONF_SECRET)
        err_set(err, ERR_INPUT, "%s %s", item->name, problem);
    else
        err_set(err, ERR_INPUT, "%s=%.*s %s: must be %s", item->name,
                STR_ARG(text), problem, want.p);
    return false;
}

static bool is_choice(const char *choices, struct str text)
{
    struct str rest = str_of(choices), choice;
    while (str_next(&rest, '|', &choice))
        if (str_eq(choice, text))
            return true;
    return false;
}

static bool store_number(const struct conf_item *item, struct str text,
                         void *field, struct err *err)
{
    double n;
    if (!parse_number(item, text, &n))
        return fail(item, text, "is not valid", err);
    if (has_range(item) && (n < item->min || n > item->max))
        return fail(item, text, "is out of range", err);
    if (item->type == CONF_REAL)
        *(double *)field = n;
    else
        *(int64_t *)field = (int64_t)n;
    return true;
}

static bool store(const struct conf_item *item, struct str text, void *into,
                  struct err *err)
{
    void *field = (char *)into + item->offset;
    switch (item->type) {
    case CONF_CHOICE:
        if (!is_choice(item->choices, text))
            return fail(item, text, "is not valid", err);
        *(const char **)field = str_dup(text);
        return true;
    case CONF_TEXT:
    case CONF_SECRET:
        if (str_has_nul(text))
            return fail(item, STR("…"), "holds a NUL byte", err);
        *(const char **)field = str_dup(text);
        return true;
    case CONF_BOOL:
        if (!parse_bool(text, field))
            return fail(item, text, "is not valid", err);
        return true;
    case CONF_INT:
    case CONF_REAL:
    case CONF_DURATION:
    case CONF_BYTES:
        return store_number(item, text, field, err);
    }
    return false;
}

/* ---- finding values ---- */

/* The whole file without the newline at its end. */
static bool read_secret(const char *name, const char *path, struct buf *out,
                        struct err *err)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    ssize_t n = fd < 0 ? -1 : read(fd, buf_reserve(out, SECRET_FILE_MAX + 1),
                                   SECRET_FILE_MAX + 1);
    int problem = errno;
    if (fd >= 0)
        close(fd);
    if (n < 0 || n > SECRET_FILE_MAX) {
        err_set(err, ERR_INPUT, "%s_FILE=%s: %s", name, path,
                n < 0 ? strerror(problem) : "larger than 64 KiB");
        return false;
    }
    out->n = (size_t)n;
    while (out->n > 0 && (out->p[out->n - 1] == '\n' ||
                          out->p[out->n - 1] == '\r'))
        out->n--;
    return true;
}

static bool load_secret(const struct conf_item *item, const char *value,
                        void *into, bool *done, struct err *err)
{
    char name[128];
    snprintf(name, sizeof name, "%s_FILE", item->name);
    const char *path = getenv(name);
    *done = path != NULL;
    if (path == NULL)
        return true;
    if (value != NULL) {
        err_set(err, ERR_INPUT, "%s and %s are both set: use one", item->name,
                name);
        return false;
    }
    AUTO_RELEASE(buf) text = {0};
    return read_secret(item->name, path, &text, err) &&
           store(item, buf_str(&text), into, err);
}

static bool load_item(const struct conf_item *item, void *into,
                      struct err *err)
{
    const char *value = getenv(item->name);
    if (item->type == CONF_SECRET) {
        bool done;
        if (!load_secret(item, value, into, &done, err))
            return false;
        if (done)
            return true;
    }
    if (value == NULL)
        value = item->fallback;
    if (value == NULL) {
        err_set(err, ERR_INPUT, "%s is not set: %s", item->name, item->help);
        return false;
    }
    return store(item, str_of(value), into, err);
}

bool conf_load(const struct conf_program *program, struct err *err)
{
    for (size_t g = 0; g < program->group_count; g++) {
        const struct conf_group *group = &program->groups[g];
        for (size_t i = 0; i < group->count; i++)
            if (!load_item(&group->items[i], group->into, err))
                return false;
    }
    return program->check == NULL || program->check(err);
}

/* ---- saying what there is ---- */

static void add_form(const struct conf_item *item, struct buf *out)
{
    buf_add_text(out, form_of(item->type));
    if (item->type == CONF_CHOICE) {
        struct str rest = str_of(item->choices), choice;
        for (const char *sep = " "; str_next(&rest, '|', &choice); sep = ", ")
            buf_addf(out, "%s%.*s", sep, STR_ARG(choice));
    }
    if (has_range(item)) {
        buf_add_text(out, ", ");
        add_range(item, out);
    }
}

void conf_help(const struct conf_program *program, struct buf *out)
{
    buf_addf(out,
             "%s: %s\n\nusage: %s [-n | --help | --version | "
             "--conf-markdown]\n\n"
             "  -n               check the settings and exit\n"
             "  --help           this text\n"
             "  --version        the version\n"
             "  --conf-markdown  the settings as a page of documentation\n\n"
             "Settings are environment variables.\n",
             program->name, program->summary, program->name);
    for (size_t g = 0; g < program->group_count; g++) {
        const struct conf_group *group = &program->groups[g];
        buf_addf(out, "\n%s\n", group->title);
        for (size_t i = 0; i < group->count; i++) {
            const struct conf_item *item = &group->items[i];
            buf_addf(out, "  %s%s\n      %s\n      ", item->name,
                     item->type == CONF_SECRET ? " (or _FILE)" : "",
                     item->help);
            add_form(item, out);
            buf_addf(out, item->fallback == NULL ? "; required%s\n"
                                                 : "; default: %s\n",
                     item->fallback == NULL ? "" : item->fallback);
        }
    }
}

void conf_markdown(const struct conf_program *program, struct buf *out)
{
    buf_addf(out, "## %s\n\n%s\n", program->name, program->summary);
    for (size_t g = 0; g < program->group_count; g++) {
        const struct conf_group *group = &program->groups[g];
        buf_addf(out,
                 "\n### %s\n\n| variable | value | default | meaning |\n"
                 "|---|---|---|---|\n",
                 group->title);
        for (size_t i = 0; i < group->count; i++) {
            const struct conf_item *item = &group->items[i];
            buf_addf(out, "| `%s`%s | ", item->name,
                     item->type == CONF_SECRET ? " or `_FILE`" : "");
            add_form(item, out);
            if (item->fallback == NULL)
                buf_add_text(out, " | required");
            else if (item->fallback[0] == '\0')
                buf_add_text(out, " | empty");
            else
                buf_addf(out, " | `%s`", item->fallback);
            buf_addf(out, " | %s |\n", item->help);
        }
    }
}

/* ---- the command line ---- */

static int print(void (*write_text)(const struct conf_program *, struct buf *),
                 const struct conf_program *program)
{
    AUTO_RELEASE(buf) text = {0};
    write_text(program, &text);
    fwrite(text.p, 1, text.n, stdout);
    return fflush(stdout) == 0 ? 0 : 1;
}

int conf_main(const struct conf_program *program, int argc, char **argv)
{
    struct err err = {0};
    const char *option = argc > 1 ? argv[1] : "";
    if (strcmp(option, "--help") == 0 || strcmp(option, "-h") == 0)
        return print(conf_help, program);
    if (strcmp(option, "--conf-markdown") == 0)
        return print(conf_markdown, program);
    if (strcmp(option, "--version") == 0)
        return printf("%s %s\n", program->name, PULSE_VERSION) > 0 ? 0 : 1;
    bool check_only = strcmp(option, "-n") == 0;
    if (argc > 2 || (argc == 2 && !check_only)) {
        fprintf(stderr, "%s: unknown option %s; see %s --help\n", program->name,
                argc > 2 ? argv[2] : option, program->name);
        return 2;
    }
    if (!conf_load(program, &err)) {
        fprintf(stderr, "%s: %s\n", program->name, err.text);
        return 2;
    }
    return check_only ? 0 : -1;
}
