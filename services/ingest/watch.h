/* SPDX-License-Identifier: Apache-2.0 */
/* watch.h - keeps an eye on Kafka for the edge: serves its reports, turns
 * readiness and refusal on and off, rebuilds a broken producer, and ends the
 * service when the drain is done. */
#ifndef INGEST_WATCH_H
#define INGEST_WATCH_H

#include "common/service.h"
#include "services/ingest/edge.h"

struct watch; /* the loop's thread */

struct watch_options {
    struct service *service;
    struct kafka_producer *producer;
    struct pendings *pendings;
    struct edge *edge;
};

struct watch *watch_new(const struct watch_options *options) MUST_USE;
void watch_free(struct watch *w); /* before the producer */
DEFINE_AUTO(watch)

#endif
