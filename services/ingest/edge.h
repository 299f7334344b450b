/* SPDX-License-Identifier: Apache-2.0 */
/* edge.h - the HTTP edge: who may post what, and a request's life from its
 * headers to its answer. */
#ifndef INGEST_EDGE_H
#define INGEST_EDGE_H

#include "common/kafka_producer.h"
#include "common/metrics.h"
#include "services/ingest/keys.h"
#include "services/ingest/pending.h"
#include "services/ingest/settings.h"

struct edge; /* the loop's thread; requests come in the server's threads */

struct edge_options {
    const struct ingest_settings *settings;
    struct kafka_producer *producer; /* topics as in topic_names */
    struct keys *keys;
    struct pendings *pendings;
    struct metrics *metrics;
};

/* Listens at once. NULL and *err when the address is not to be had. */
struct edge *edge_new(const struct edge_options *options, struct err *err)
    MUST_USE;
/* Every admitted request must have been answered. */
void edge_free(struct edge *e);
DEFINE_AUTO(edge)
/* Serves the delivery reports there are: many answers, few wake-ups. */
void edge_serve_reports(struct edge *e);
/* Refuse at once, since records have that to expect; KAFKA_ACKED: do not. Any
 * thread. */
void edge_refuse(struct edge *e, enum kafka_verdict why);
/* No new connections, new requests get 503, nothing is sent any more. */
void edge_close(struct edge *e);

#endif
