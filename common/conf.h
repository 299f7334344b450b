/* SPDX-License-Identifier: Apache-2.0 */
/* conf.h - one table of settings gives parsing of environment variables,
 * --help, -n and docs/configuration.md. */
#ifndef COMMON_CONF_H
#define COMMON_CONF_H

#include "common/buf.h"
#include "common/err.h"

enum conf_type {
    CONF_TEXT,     /* const char * */
    CONF_SECRET,   /* const char *; also read from the file NAME_FILE names */
    CONF_BOOL,     /* bool: on/off, true/false, yes/no, 1/0 */
    CONF_INT,      /* int64_t */
    CONF_REAL,     /* double */
    CONF_DURATION, /* int64_t ms; written 250ms, 10s, 5m, 2h, 7d */
    CONF_BYTES,    /* int64_t bytes; written 64k, 8m, 1g (powers of 1024) */
    CONF_CHOICE,   /* const char *, one of choices ("a|b|c") */
};

struct conf_item {
    const char *name; /* the environment variable, PULSE_… */
    enum conf_type type;
    size_t offset;        /* of the field in the settings struct */
    const char *fallback; /* written as a user would; NULL: required */
    double min, max;     /* for numbers, in the stored unit; both 0: no range */
    const char *choices; /* CONF_CHOICE */
    const char *help;    /* one sentence, with the unit */
};

/* Items that fill one struct. A program has several: shared ones and its own.
 */
struct conf_group {
    const char *title;
    const struct conf_item *items;
    size_t count;
    void *into;
};

struct conf_program {
    const char *name;    /* pulse-writer */
    const char *summary; /* one sentence for --help */
    const struct conf_group *groups;
    size_t group_count;
    /* Checks that span settings; may be NULL. False and *err (ERR_INPUT). */
    bool (*check)(struct err *err);
};

/* Reads the environment into the groups' structs. False and *err (ERR_INPUT,
 * naming the variable, the value and what is allowed) on the first bad one.
 * Unknown PULSE_* variables are none of our business: services share one
 * environment. Text values live as long as the process. */
bool conf_load(const struct conf_program *program, struct err *err) MUST_USE;
void conf_help(const struct conf_program *program, struct buf *out);
void conf_markdown(const struct conf_program *program, struct buf *out);

/* What every main does first: --help, --version, --conf-markdown, -n (check
 * and exit 0), a bad option or setting: one clear line, exit 2. Returns -1 to
 * go on, else the exit status. */
int conf_main(const struct conf_program *program, int argc, char **argv);

#endif
