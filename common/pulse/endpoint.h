/* SPDX-License-Identifier: Apache-2.0 */
/* endpoint.h - the paths records are posted to, and the protocol each speaks.
 * The edge and redrive read bodies through it. */
#ifndef COMMON_PULSE_ENDPOINT_H
#define COMMON_PULSE_ENDPOINT_H

#include "common/pulse/protocol/json_body.h"
#include "common/pulse/protocol/protocol.h"

struct endpoint_kind {
    const char *path;
    const struct protocol *protocol;
    /* JSON only: the forms its body may have, and who judges a record. */
    unsigned forms; /* mask of enum json_form */
    bool (*parse)(struct check *c, yyjson_val *v, struct record *out);
};

extern const struct endpoint_kind endpoint_kinds[];
extern const size_t endpoint_count;

/* NULL: there is no such path. */
const struct endpoint_kind *endpoint_find(struct str path);

/* Metrics as Pulse's JSON, one or an array: what a dead letter keeps of units
 * that came in a binary protocol. */
#define METRIC_JSON_TYPE "application/vnd.pulse.metric+json"

/* Opens what was posted to kind's path, or what a dead letter kept of it. The
 * check belongs to the body until it is read. False: it is bad as a whole,
 * check->fault says why. */
bool body_open(struct body *b, const struct endpoint_kind *kind,
               struct check *check, const struct posted *posted) MUST_USE;
/* See struct protocol. */
bool body_next(struct body *b, struct unit *u);
struct str body_text(const struct body *b, const struct unit *u);
struct str body_text_type(const struct body *b);

#endif
