/* SPDX-License-Identifier: Apache-2.0 */
#include "common/conf.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/conf_value.h"
#include "common/version.h"

enum { SECRET_BYTES_MAX = 64 * 1024 };

/* Texts a settings struct points to; they end with the process. */
struct kept {
    struct kept *next;
    char text[];
};
static struct kept *kept_texts;

static const char *keep(struct str s)
{
    struct kept *kept = xmalloc(sizeof *kept + s.n + 1);
    if (s.n > 0)
        memcpy(kept->text, s.p, s.n);
    kept->text[s.n] = '\0';
    kept->next = kept_texts;
    kept_texts = kept;
    return kept->text;
}

/* An empty variable counts as not set: compose files pass them on so. */
static const char *env_of(const char *name)
{
    const char *value = getenv(name);
    return value == NULL || value[0] == '\0' ? NULL : value;
}

/* --- secrets ------------------------------------------------------------- */

static bool read_all(int fd, struct buf *out)
{
    for (;;) {
        ssize_t n = read(fd, buf_reserve(out, 4096), 4096);
        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0)
            return n == 0;
        out->n += (size_t)n;
        if (out->n > SECRET_BYTES_MAX) {
            errno = EFBIG;
            return false;
        }
    }
}

static bool read_file(const char *path, struct buf *out)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return false;
    bool done = read_all(fd, out);
    int why = errno;
    close(fd);
    errno = why;
    return done;
}

/* The first line of the file NAME_FILE names; *value stays NULL where that is
 * not set. */
static bool secret_from_file(const char *name, const char **value,
                             struct err *err)
{
    AUTO_RELEASE(buf) variable = {0};
    buf_addf(&variable, "%s_FILE", name);
    const char *path = env_of(variable.p);
    if (path == NULL)
        return true;
    if (*value != NULL) {
        err_set(err, ERR_INPUT, "%s and %s are both set: one is enough", name,
                variable.p);
        return false;
    }
    AUTO_RELEASE(buf) text = {0};
    if (!read_file(path, &text)) {
        err_set(err, ERR_INPUT, "%s: \"%s\": %s", variable.p, path,
                strerror(errno));
        return false;
    }
    struct str secret = buf_str(&text);
    while (secret.n > 0 &&
           (secret.p[secret.n - 1] == '\n' || secret.p[secret.n - 1] == '\r'))
        secret.n--;
    if (secret.n == 0 || str_has_nul(secret)) {
        err_set(err, ERR_INPUT, "%s: \"%s\" holds no text", variable.p, path);
        return false;
    }
    *value = keep(secret);
    return true;
}

/* --- loading ------------------------------------------------------------- */

static bool load_item(const struct conf_item *item, void *into, struct err *err)
{
    const char *text = env_of(item->name);
    if (item->type == CONF_SECRET && !secret_from_file(item->name, &text, err))
        return false;
    if (text == NULL)
        text = item->fallback;
    if (text == NULL) {
        err_set(err, ERR_INPUT, "%s is not set: %s", item->name, item->help);
        return false;
    }
    void *field = (char *)into + item->offset;
    if (conf_value_is_text(item->type))
        text = keep(str_of(text));
    return conf_value_parse(item, text, field, err);
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

/* --- telling ------------------------------------------------------------- */

/* Appends text in lines of at most 80 columns, indented. */
static void add_wrapped(struct buf *out, const char *text, size_t indent)
{
    struct str rest = str_of(text), word;
    size_t column = 80;
    while (str_next(&rest, ' ', &word)) {
        if (column + 1 + word.n > 80) {
            buf_addf(out, "%s%*s", column == 80 ? "" : "\n", (int)indent, "");
            column = indent;
        } else {
            buf_add_char(out, ' ');
            column++;
        }
        buf_add_str(out, word);
        column += word.n;
    }
    buf_add_char(out, '\n');
}

static void help_item(struct buf *out, const struct conf_item *item)
{
    buf_addf(out, "  %s (", item->name);
    conf_value_describe(item, out);
    if (item->fallback == NULL)
        buf_add_text(out, ", required)\n");
    else
        buf_addf(out, ", default \"%s\")\n", item->fallback);
    add_wrapped(out, item->help, 6);
    if (item->type == CONF_SECRET)
        buf_addf(out, "      Or %s_FILE: the file that holds it.\n",
                 item->name);
}

void conf_help(const struct conf_program *program, struct buf *out)
{
    buf_addf(out,
             "%s - %s\n\n"
             "usage: %s [-n | --help | --version | --conf-markdown]\n\n"
             "  -n               check the settings and exit\n"
             "  --help           this text\n"
             "  --version        which build this is\n"
             "  --conf-markdown  the settings as a chapter of "
             "docs/configuration.md\n\n"
             "Settings are environment variables; an empty one counts as not "
             "set.\n",
             program->name, program->summary, program->name);
    for (size_t g = 0; g < program->group_count; g++) {
        const struct conf_group *group = &program->groups[g];
        buf_addf(out, "\n%s:\n", group->title);
        for (size_t i = 0; i < group->count; i++)
            help_item(out, &group->items[i]);
    }
}

/* A table's cell: '|' would end it. */
static void add_cell(struct buf *out, struct str text)
{
    buf_add_text(out, " ");
    for (size_t i = 0; i < text.n; i++) {
        if (text.p[i] == '|')
            buf_add_char(out, '\\');
        buf_add_char(out, text.p[i]);
    }
    buf_add_text(out, " |");
}

static void markdown_item(struct buf *out, const struct conf_item *item)
{
    AUTO_RELEASE(buf) cell = {0};
    buf_addf(out, "| `%s` |", item->name);
    conf_value_describe(item, &cell);
    add_cell(out, buf_str(&cell));
    buf_reset(&cell);
    if (item->fallback == NULL)
        buf_add_text(&cell, "required");
    else if (item->fallback[0] == '\0')
        buf_add_text(&cell, "empty");
    else
        buf_addf(&cell, "`%s`", item->fallback);
    add_cell(out, buf_str(&cell));
    buf_reset(&cell);
    buf_add_text(&cell, item->help);
    if (item->type == CONF_SECRET)
        buf_addf(&cell, " Or `%s_FILE`: the file that holds it.", item->name);
    add_cell(out, buf_str(&cell));
    buf_add_char(out, '\n');
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
        for (size_t i = 0; i < group->count; i++)
            markdown_item(out, &group->items[i]);
    }
}

/* --- main's first step --------------------------------------------------- */

static int say_version(const struct conf_program *program)
{
    printf("%s %s (%s)\n", program->name, version, version_commit);
    return 0;
}

static int say(void (*tell)(const struct conf_program *program,
                            struct buf *out),
               const struct conf_program *program)
{
    AUTO_RELEASE(buf) text = {0};
    tell(program, &text);
    fwrite(text.p, 1, text.n, stdout);
    return fflush(stdout) == 0 ? 0 : 1;
}

static int refuse_option(const struct conf_program *program, const char *option)
{
    fprintf(stderr, "%s: no option \"%s\" (see %s --help)\n", program->name,
            option, program->name);
    return 2;
}

int conf_main(const struct conf_program *program, int argc, char **argv)
{
    struct err err = {0};
    const char *option = argc > 1 ? argv[1] : "";
    if (argc > 2)
        return refuse_option(program, argv[2]);
    if (strcmp(option, "--help") == 0 || strcmp(option, "-h") == 0)
        return say(conf_help, program);
    if (strcmp(option, "--version") == 0)
        return say_version(program);
    if (strcmp(option, "--conf-markdown") == 0)
        return say(conf_markdown, program);
    if (argc > 1 && strcmp(option, "-n") != 0)
        return refuse_option(program, option);
    if (!conf_load(program, &err)) {
        fprintf(stderr, "%s: %s\n", program->name, err.text);
        return 2;
    }
    if (argc == 1)
        return -1;
    printf("%s: the settings are good\n", program->name);
    return 0;
}
