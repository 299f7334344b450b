/* SPDX-License-Identifier: Apache-2.0 */
#include "common/err.h"

#include <assert.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

void err_set(struct err *err, enum err_kind kind, const char *format, ...)
{
    if (err == NULL)
        return;
    err->kind = kind;
    va_list args;
    va_start(args, format);
    vsnprintf(err->text, sizeof err->text, format, args);
    va_end(args);
}

void err_in(struct err *err, const char *format, ...)
{
    if (err == NULL)
        return;
    char old[sizeof err->text];
    memcpy(old, err->text, sizeof old);
    va_list args;
    va_start(args, format);
    int n = vsnprintf(err->text, sizeof err->text, format, args);
    va_end(args);
    assert(n >= 0);
    size_t used = strlen(err->text), rest = sizeof err->text - used;
    size_t take = strlen(old);
    if (rest < sizeof ": ")
        return;
    memcpy(err->text + used, ": ", 2);
    if (take > rest - 3)
        take = rest - 3;
    memcpy(err->text + used + 2, old, take);
    err->text[used + 2 + take] = '\0';
}

void err_clear(struct err *err)
{
    if (err == NULL)
        return;
    err->kind = ERR_NONE;
    err->text[0] = '\0';
}

const char *err_kind_name(enum err_kind kind)
{
    switch (kind) {
    case ERR_NONE:
        return "none";
    case ERR_INPUT:
        return "input";
    case ERR_RETRY:
        return "retry";
    case ERR_FATAL:
        return "fatal";
    }
    return "unknown";
}
