/* SPDX-License-Identifier: Apache-2.0 */
/* endpoint.h - the paths records are posted to: what a body may look like,
 * which parser judges its records, which topic they go to. */
#ifndef COMMON_PULSE_ENDPOINT_H
#define COMMON_PULSE_ENDPOINT_H

#include "common/pulse/body.h"
#include "common/pulse/check.h"
#include "common/pulse/record.h"
#include "common/pulse/topology.h"

/* One kind of record and the forms its body may have. */
struct endpoint_kind {
    const char *path;
    enum topic topic;
    unsigned forms; /* mask of enum body_form */
    bool brief;     /* answered by {"accepted":1} */
    bool (*parse)(struct check *c, yyjson_val *v, struct record *out);
};

enum { ENDPOINT_COUNT = 4 };
extern const struct endpoint_kind endpoint_kinds[ENDPOINT_COUNT];

/* NULL: there is no such path. */
const struct endpoint_kind *endpoint_find(struct str path);
/* The content type says: one JSON text per line. */
bool endpoint_lines(struct str content_type);

#endif
