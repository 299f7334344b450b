/* SPDX-License-Identifier: Apache-2.0 */
/* letter.h - dead letters: what was rejected, kept with its reason. Each
 * tenant has a budget of bytes; beyond it one letter a second sums up what
 * did not fit (first bytes, SHA-256), the rest is only counted. */
#ifndef INGEST_LETTER_H
#define INGEST_LETTER_H

#include "common/http.h"
#include "common/pulse/check.h"
#include "services/ingest/parcel.h"
#include "services/ingest/reject.h"

enum {
    LETTER_PAYLOAD_MAX = 64 * 1024, /* longer ones are summed up */
    LETTER_BYTES_MAX = LETTER_PAYLOAD_MAX + 16 * 1024, /* encoded */
    LETTER_EXCERPT = 256, /* bytes a summary keeps */
};

struct letters; /* the budgets of all tenants; any thread */

struct letters_options {
    int64_t rate_bytes, burst_bytes; /* per tenant */
    struct metrics *metrics;
};

struct letters *letters_new(const struct letters_options *options) MUST_USE;
void letters_free(struct letters *l);
DEFINE_AUTO(letters)

/* Where rejected records came from. */
struct letter_origin {
    const struct caller *caller;
    struct str endpoint, content_type;
    int64_t received_us;
};

/* Adds the letters of one request's rejects to p. */
void letters_write(struct letters *l, const struct letter_origin *origin,
                   const struct rejects *rejects, struct record_codec *codec,
                   struct parcel *p);

#endif
