/* SPDX-License-Identifier: Apache-2.0 */
/* gate.h - may this request come in? Judged by its headers alone: its key, its
 * tenant's rates, the size of its body. */
#ifndef INGEST_GATE_H
#define INGEST_GATE_H

#include "common/http.h"
#include "services/ingest/keys.h"

struct gate; /* any thread */

struct gate_options {
    struct keys *keys;
    int64_t failures_max; /* wrong keys per minute and address; 0: any */
    struct metrics *metrics;
};
struct gate *gate_new(const struct gate_options *options) MUST_USE;
void gate_free(struct gate *g);
DEFINE_AUTO(gate)

/* What the bearer of the key presented (empty: none was) may do; in the
 * request's arena. NULL: the request is answered. */
struct pass *gate_enter(struct gate *g, struct http_request *r,
                        struct str presented) MUST_USE;
/* The tenant pays for what was in its request. */
void gate_pay(const struct pass *pass, size_t records, size_t bytes);
/* Refuses a request of more records than pass allows. */
void gate_too_many(struct gate *g, struct http_request *r,
                   const struct pass *pass);

#endif
