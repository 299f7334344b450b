/* SPDX-License-Identifier: Apache-2.0 */
/* packed.h - bodies that come in a content coding: which are taken, and the
 * body without it. */
#ifndef INGEST_PACKED_H
#define INGEST_PACKED_H

#include "common/http.h"
#include "common/unpack.h"

/* Masks of CODING_BITs; what most endpoints take. */
#define CODINGS_USUAL                                        \
    (CODING_BIT(CODING_IDENTITY) | CODING_BIT(CODING_GZIP) | \
     CODING_BIT(CODING_DEFLATE) | CODING_BIT(CODING_ZSTD))

struct packed {
    size_t bytes_max; /* of a body unpacked */
    struct counter *in[CODING_COUNT], *out[CODING_COUNT]; /* bytes */
};

void packed_init(struct packed *p, size_t bytes_max, struct metrics *m);
/* Headers only: the body's coding is one of codings. False: refused (415, with
 * Accept-Encoding), the reply is given. */
bool packed_gate(struct http_request *r, unsigned codings);
/* The body as its sender had it: in out, or where it was received. */
enum unpacked packed_open(const struct packed *p, const struct http_request *r,
                          struct unpacker *u, struct buf *out, struct str *body,
                          struct err *err) MUST_USE;

#endif
