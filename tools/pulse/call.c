/* SPDX-License-Identifier: Apache-2.0 */
#include "tools/pulse/call.h"

#include <assert.h>
#include <inttypes.h>
#include <string.h>

#include "common/duration.h"

static size_t option_find(const struct command *command, struct str name)
{
    size_t i = 0;
    while (i < command->option_count && !str_is(name, command->options[i].name))
        i++;
    return i;
}

/* Takes argv[*at], and the next one where the option has a value apart. */
static bool option_take(struct call *c, int argc, char **argv, int *at,
                        struct err *err)
{
    struct str name = str_of(argv[*at]), value = {0};
    bool joined = str_cut(name, '=', &name, &value);
    size_t i = option_find(c->command, name);
    if (i == c->command->option_count) {
        err_set(err, ERR_INPUT, "unknown option %.*s", STR_ARG(name));
        return false;
    }
    const struct option *o = &c->command->options[i];
    if (!o->value) {
        if (joined)
            err_set(err, ERR_INPUT, "%s takes no value", o->name);
        c->values[i] = "";
        return !joined;
    }
    if (!joined && *at + 1 == argc) {
        err_set(err, ERR_INPUT, "%s needs %s", o->name, o->value);
        return false;
    }
    c->values[i] = joined ? value.p : argv[++*at];
    return true;
}

/* "-" and negative numbers are values, not options. */
static bool looks_like_option(const char *text)
{
    return text[0] == '-' && text[1] != '\0' &&
           !(text[1] >= '0' && text[1] <= '9');
}

static bool call_complete(const struct call *c, struct err *err)
{
    const struct command *command = c->command;
    if (c->positional_count < command->positional_count) {
        err_set(err, ERR_INPUT, "needs %s", command->positional);
        return false;
    }
    for (size_t i = 0; i < command->option_count; i++) {
        const struct option *o = &command->options[i];
        if (o->required && !c->values[i]) {
            err_set(err, ERR_INPUT, "needs %s %s", o->name, o->value);
            return false;
        }
    }
    return true;
}

bool call_parse(struct call *c, const struct command *command, int argc,
                char **argv, struct err *err)
{
    assert(command->option_count <= OPTIONS_MAX);
    assert(command->positional_count <= POSITIONAL_MAX);
    *c = (struct call){.command = command};
    for (int i = 0; i < argc; i++) {
        if (looks_like_option(argv[i])) {
            if (!option_take(c, argc, argv, &i, err))
                return false;
        } else if (c->positional_count < command->positional_count) {
            c->positional[c->positional_count++] = argv[i];
        } else if (command->more) {
            argv[c->more_count++] = argv[i]; /* its place is read already */
        } else {
            err_set(err, ERR_INPUT, "\"%s\" is one word too many", argv[i]);
            return false;
        }
    }
    c->more = argv;
    return call_complete(c, err);
}

const char *call_value(const struct call *c, const char *name)
{
    size_t i = option_find(c->command, str_of(name));
    assert(i < c->command->option_count);
    return c->values[i];
}

bool call_flag(const struct call *c, const char *name)
{
    return call_value(c, name) != NULL;
}

bool call_int(const struct call *c, const char *name, int64_t min, int64_t max,
              int64_t *out, struct err *err)
{
    const char *text = call_value(c, name);
    if (!text)
        return true;
    int64_t n;
    if (str_to_i64(str_of(text), &n) && n >= min && n <= max) {
        *out = n;
        return true;
    }
    err_set(err, ERR_INPUT, "%s \"%s\": a number from %" PRId64 " to %" PRId64,
            name, text, min, max);
    return false;
}

bool call_duration(const struct call *c, const char *name, int64_t *ms,
                   struct err *err)
{
    const char *text = call_value(c, name);
    if (!text || duration_parse(str_of(text), ms))
        return true;
    err_set(err, ERR_INPUT, "%s \"%s\": a duration such as 500ms, 30s, 5m, 90d",
            name, text);
    return false;
}

void command_help(const struct command *command, struct buf *out)
{
    buf_addf(out, "Usage: pulse %s", command->name);
    if (command->positional)
        buf_addf(out, " %s", command->positional);
    buf_addf(out, "%s\n\n%s.\n", command->option_count ? " [OPTION…]" : "",
             command->summary);
    if (command->details)
        buf_addf(out, "%s", command->details);
    if (command->option_count)
        buf_add_text(out, "\nOptions:\n");
    for (size_t i = 0; i < command->option_count; i++) {
        const struct option *o = &command->options[i];
        struct buf left = {0};
        buf_addf(&left, "%s %s", o->name, o->value ? o->value : "");
        buf_addf(out, "  %-26s %s%s\n", left.p, o->help,
                 o->required ? " (required)" : "");
        buf_release(&left);
    }
    buf_addf(out, "\nExamples:\n%s", command->examples);
}
