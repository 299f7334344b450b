/* SPDX-License-Identifier: Apache-2.0 */
/* dialect.h - how the edge talks to the senders of a protocol: what it takes,
 * and the words of its answers. */
#ifndef INGEST_DIALECT_H
#define INGEST_DIALECT_H

#include "services/ingest/intake.h"
#include "services/ingest/packed.h"
#include "services/ingest/pending.h"

struct dialect {
    const struct protocol *protocol;
    unsigned codings; /* that bodies may have: mask of CODING_BITs */
    /* Headers and URL only. False: refused, the reply is given. */
    bool (*media)(struct http_request *r, const struct endpoint_kind *kind);
    /* The key, where no header has one; NULL: there is no other place. */
    struct str (*key)(struct http_request *r);
    /* What the URL says of the body; NULL: nothing. */
    void (*parameters)(struct http_request *r, struct posted *posted);
    /* Given when Kafka has everything. The body is in the request's arena. */
    struct answer (*answer)(const struct intake *in);
    http_error_fn *error; /* NULL: as http_reply_error */
};

const struct dialect *dialect_of(const struct protocol *protocol);

/* Nothing was accepted because of what was rejected. */
static inline bool intake_refused(const struct intake *in)
{
    return in->records == 0 && in->rejects.count > 0;
}
/* All in one sentence: of one bad unit its fault, else how many are bad. */
void intake_refusal(const struct intake *in, const char **code,
                    struct buf *text);

extern const struct dialect json_dialect;       /* answer_json.c */
extern const struct dialect influx_dialect;     /* answer_influx.c */
extern const struct dialect otlp_dialect;       /* answer_otlp.c */
extern const struct dialect prometheus_dialect; /* answer_prometheus.c */

#endif
