/* SPDX-License-Identifier: Apache-2.0 */
/* json_body.h - a request's body as JSON records, one at a time. */
#ifndef COMMON_PULSE_PROTOCOL_JSON_BODY_H
#define COMMON_PULSE_PROTOCOL_JSON_BODY_H

#include "common/json.h"
#include "common/pulse/fault.h"

enum json_form {
    JSON_ONE = 1,     /* {…} */
    JSON_ARRAY = 2,   /* [{…}, …] */
    JSON_LINES = 4,   /* one JSON text per line; empty lines are skipped */
    JSON_WRAPPED = 8, /* {"metrics":[{…}, …]}; with JSON_ONE: an object that has
                         a member "metrics" */
};

struct json_body {
    struct arena *arena;
    size_t count;          /* records there are */
    size_t next;           /* index of the record json_body_next gives */
    struct str lines;      /* what is left of JSON_LINES */
    yyjson_val *one;       /* JSON_ONE */
    yyjson_arr_iter items; /* JSON_ARRAY, JSON_WRAPPED */
    struct str text;
};

struct json_item {
    size_t index;
    yyjson_val *value; /* NULL: the line is no JSON, fault says why */
    struct str text;   /* as received; p == NULL: an element of an array */
    struct fault fault;
};

/* The root of one JSON text, in a; NULL and *fault. */
yyjson_val *json_text_read(struct arena *a, struct str text,
                           struct fault *fault) MUST_USE;
/* forms: what the endpoint takes; lines: the content type said so. False and
 * *fault where the body as a whole cannot be read. text must outlive b. */
bool json_body_open(struct json_body *b, struct arena *a, struct str text,
                    bool lines, unsigned forms, struct fault *fault) MUST_USE;
bool json_body_next(struct json_body *b, struct json_item *item);
/* The record's bytes as received, or written anew; in b's arena. */
struct str json_item_text(const struct json_body *b,
                          const struct json_item *item);

#endif
