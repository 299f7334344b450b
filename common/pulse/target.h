/* SPDX-License-Identifier: Apache-2.0 */
/* target.h - the processes to watch: "ingest=127.0.0.1:9101,writer=…", their
 * service names and admin addresses. */
#ifndef COMMON_PULSE_TARGET_H
#define COMMON_PULSE_TARGET_H

#include "common/err.h"
#include "common/pulse/topology.h"
#include "common/str.h"

#define TARGETS_LOCAL                            \
    "ingest=127.0.0.1:" PORT_ADMIN_INGEST        \
    ",writer=127.0.0.1:" PORT_ADMIN_WRITER       \
    ",evaluator=127.0.0.1:" PORT_ADMIN_EVALUATOR \
    ",collector=127.0.0.1:" PORT_ADMIN_COLLECTOR \
    ",api=127.0.0.1:" PORT_ADMIN_API

enum { TARGETS_MAX = 64 };
struct target {
    struct str service; /* may appear several times: replicas */
    struct str address; /* host:port of the admin port */
};
struct targets {
    struct target at[TARGETS_MAX];
    size_t count;
};

/* The slices point into text. False and *err (ERR_INPUT) on a bad entry. */
bool targets_parse(struct str text, struct targets *out, struct err *err)
    MUST_USE;

#endif
