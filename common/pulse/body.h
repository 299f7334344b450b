/* SPDX-License-Identifier: Apache-2.0 */
/* body.h - a request's body as JSON records, one at a time. */
#ifndef COMMON_PULSE_BODY_H
#define COMMON_PULSE_BODY_H

#include "common/json.h"
#include "common/pulse/fault.h"

enum body_form {
    BODY_ONE = 1,     /* {…} */
    BODY_ARRAY = 2,   /* [{…}, …] */
    BODY_LINES = 4,   /* one JSON text per line; empty lines are skipped */
    BODY_WRAPPED = 8, /* {"metrics":[{…}, …]}; with BODY_ONE: an object that has
                         a member "metrics" */
};

struct body {
    struct arena *arena;
    size_t count;          /* records there are */
    size_t next;           /* index of the record body_next gives */
    struct str lines;      /* what is left of BODY_LINES */
    yyjson_val *one;       /* BODY_ONE */
    yyjson_arr_iter items; /* BODY_ARRAY, BODY_WRAPPED */
    struct str text;
};

struct body_item {
    size_t index;
    yyjson_val *value; /* NULL: the line is no JSON, fault says why */
    struct str text;   /* as received; p == NULL: an element of an array */
    struct fault fault;
};

/* forms: what the endpoint takes; lines: the content type said so. False and
 * *fault where the body as a whole cannot be read. text must outlive b. */
bool body_open(struct body *b, struct arena *a, struct str text, bool lines,
               unsigned forms, struct fault *fault) MUST_USE;
bool body_next(struct body *b, struct body_item *item);
/* The record's bytes as received, or written anew; in b's arena. */
struct str body_item_text(const struct body *b, const struct body_item *item);

#endif
