/* SPDX-License-Identifier: Apache-2.0 */
/* conf_value.h - one setting's text to its field, and what it may be in words;
 * only for conf. */
#ifndef COMMON_CONF_VALUE_H
#define COMMON_CONF_VALUE_H

#include "common/conf.h"

/* Stored as const char *: text must live as long as the field. */
bool conf_value_is_text(enum conf_type type);
/* False and *err (ERR_INPUT) naming the variable, the value (unless it is a
 * secret) and what is allowed. */
bool conf_value_parse(const struct conf_item *item, const char *text,
                      void *field, struct err *err) MUST_USE;
/* Appends "duration, 10ms to 1h", "on or off", "one of a, b". */
void conf_value_describe(const struct conf_item *item, struct buf *out);

#endif
