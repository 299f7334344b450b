/* SPDX-License-Identifier: Apache-2.0 */
/* call.h - one call of the command line: a table row that says what a command
 * takes, and the values given. Pure: no I/O. */
#ifndef TOOLS_PULSE_CALL_H
#define TOOLS_PULSE_CALL_H

#include "common/buf.h"
#include "common/err.h"

struct world;

struct option {
    const char *name;  /* "--tenant" or "-n" */
    const char *value; /* what --help calls it; NULL: a flag */
    const char *help;
    bool required;
};

enum { OPTIONS_MAX = 16, POSITIONAL_MAX = 4 };

struct call {
    const struct command *command;
    const char *values[OPTIONS_MAX]; /* "" for a flag; NULL: not given */
    const char *positional[POSITIONAL_MAX];
    int positional_count;
    char *const *more; /* what follows them, where the command takes more */
    int more_count;
    struct world *world;
};

struct command {
    const char *name;       /* "key create" */
    const char *positional; /* "TOPIC"; NULL: none */
    int positional_count;   /* all are required */
    bool more;              /* any number more */
    const char *summary;    /* one line, no full stop */
    const char *details;    /* more lines for --help; may be NULL */
    const char *examples;   /* lines that were run */
    const struct option *options;
    size_t option_count;
    /* Exit status: 0, 1 failure, 2 usage. ERR_INPUT by usage_error. */
    int (*run)(const struct call *c);
};

/* False and *err (ERR_INPUT) for what the command does not take. argv holds
 * what follows the command's name. */
bool call_parse(struct call *c, const struct command *command, int argc,
                char **argv, struct err *err) MUST_USE;
/* Value of an option of this command; NULL if not given. */
const char *call_value(const struct call *c, const char *name);
bool call_flag(const struct call *c, const char *name);
/* Values of a kind; absent: *out keeps its default. */
bool call_int(const struct call *c, const char *name, int64_t min, int64_t max,
              int64_t *out, struct err *err) MUST_USE;
bool call_duration(const struct call *c, const char *name, int64_t *ms,
                   struct err *err) MUST_USE;
void command_help(const struct command *command, struct buf *out);

#endif
