/* SPDX-License-Identifier: Apache-2.0 */
/* options.h - a command's options: one table gives parsing and --help. */
#ifndef SIM_OPTIONS_H
#define SIM_OPTIONS_H

#include "common/base.h"

enum option_type {
    OPTION_TEXT,     /* const char * */
    OPTION_COUNT,    /* int64_t, not negative */
    OPTION_REAL,     /* double, not negative */
    OPTION_DURATION, /* int64_t ms; written 250ms, 10s, 5m, 2h, 7d, or 0 */
    OPTION_FLAG,     /* bool */
};

struct option_item {
    const char *name; /* without the dashes */
    enum option_type type;
    void *into;
    const char *fallback; /* as a user would write it; NULL: none */
    const char *env;      /* variable asked before the fallback, or NULL */
    const char *help;
};

/* Fills all items from argv[1…]. Returns -1 to go on; after --help 0, after
 * one clear line about a bad option 2. usage: what stands above the table. */
int options_parse(const struct option_item *items, size_t count,
                  const char *usage, int argc, char **argv);

#endif
