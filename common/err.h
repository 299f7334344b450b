/* SPDX-License-Identifier: Apache-2.0 */
/* err.h - an error is a decision (whose fault, what next) and a sentence. */
#ifndef COMMON_ERR_H
#define COMMON_ERR_H

#include "common/base.h"

enum err_kind {
    ERR_NONE,
    ERR_INPUT, /* the record's or caller's fault: 4xx or dead letter */
    ERR_RETRY, /* the world is away: try again later, do not advance */
    ERR_FATAL, /* cannot go on: stop, the supervisor restarts */
};

struct err {
    enum err_kind kind;
    char text[512]; /* one line, no secret, cut when longer */
};

/* err may be NULL everywhere: the caller does not care. */
void err_set(struct err *err, enum err_kind kind, const char *format, ...)
    PRINTF_LIKE(3, 4);
/* Puts "context: " before the text; keeps the kind. */
void err_in(struct err *err, const char *format, ...) PRINTF_LIKE(2, 3);
void err_clear(struct err *err);
const char *err_kind_name(enum err_kind kind); /* "input", "retry", "fatal" */

#endif
