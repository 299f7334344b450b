/* SPDX-License-Identifier: Apache-2.0 */
/* deadletter_walk.h - goes through the letters a filter means, page by page in
 * the order of their ids, and keeps count of what became of them. */
#ifndef TOOLS_PULSE_DEADLETTER_WALK_H
#define TOOLS_PULSE_DEADLETTER_WALK_H

#include "tools/pulse/deadletter.h"

/* What became of the letters: the first lines are printed, the rest counted;
 * long work says on stderr how far it is. */
struct tally {
    const char *name;
    int64_t good, bad;
    int64_t start_us, told_us;
};
void tally_init(struct tally *t, const char *name);
/* "ID: …" to stdout. */
void tally_good(struct tally *t, int64_t id, const char *format, ...)
    PRINTF_LIKE(3, 4);
/* "ID: …" to stderr. */
void tally_bad(struct tally *t, int64_t id, const char *format, ...)
    PRINTF_LIKE(3, 4);
/* Says how many lines were left out. */
void tally_end(const struct tally *t);

struct walk_options {
    const struct deadletter_filter *filter;
    int64_t limit; /* letters at most */
};
/* Handles one page, in a transaction of its own. */
typedef bool walk_fn(void *arg, const int64_t *ids, size_t count,
                     struct err *err);
/* Letters that are made meanwhile are not met. Ids that do not exist are told
 * and counted as bad. SIGINT and SIGTERM end it after the page. False and *err;
 * the open transaction is rolled back. */
bool walk(struct pg *pg, const struct walk_options *options, struct tally *t,
          walk_fn *page, void *arg, struct err *err) MUST_USE;
/* Which letters the call means: its filter, put into *f, and its --limit. Where
 * neither ids nor a status are given, only new ones. ERR_INPUT on bad options,
 * and where the caller named no letter and no filter. */
bool walk_parse(struct walk_options *o, struct deadletter_filter *f,
                const struct call *c, struct err *err) MUST_USE;

#endif
