/* SPDX-License-Identifier: Apache-2.0 */
/* json.h - reading and writing JSON; a thin skin over yyjson. */
#ifndef COMMON_JSON_H
#define COMMON_JSON_H

#include <yyjson.h>

#include "common/arena.h"
#include "common/buf.h"
#include "common/err.h"

/* Parses text (strict RFC 8259, UTF-8 checked, depth bounded at 64, memory
 * at 192 MiB, which is 16 bytes a value and the text once). The
 * document lives in a (reset frees it). NULL and *err (ERR_INPUT, with the
 * byte position). Duplicate keys are not looked for here: json_duplicate. */
yyjson_doc *json_parse(struct arena *a, struct str text, struct err *err)
    MUST_USE;
/* The first key that appears twice in this object (not in nested ones);
 * false where there is none. */
bool json_duplicate(yyjson_val *object, struct str *key);
/* Empty slice if v is no string. */
static inline struct str json_str(yyjson_val *v)
{
    if (!yyjson_is_str(v))
        return (struct str){NULL, 0};
    return (struct str){yyjson_get_str(v), yyjson_get_len(v)};
}

/* Appends value as JSON: text quoted and escaped, a number that reads back
 * exactly the same, a finite value only (else null). */
void json_add_str(struct buf *b, struct str s);
void json_add_double(struct buf *b, double value);
void json_add_i64(struct buf *b, int64_t value);
void json_add_base64(struct buf *b, struct str bytes); /* {"base64":"…"} */
/* As a text; what is not UTF-8 as base64. */
void json_add_bytes(struct buf *b, struct str bytes);
void json_add_time(struct buf *b, int64_t us); /* quoted RFC 3339 */
/* A value of a parsed document, as compact JSON. */
void json_add_val(struct buf *b, yyjson_val *v);

#endif
