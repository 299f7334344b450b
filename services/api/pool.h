/* SPDX-License-Identifier: Apache-2.0 */
/* pool.h - a bounded queue of requests and the workers that answer them, each
 * with its own PostgreSQL connection. A query whose client has gone is
 * cancelled. */
#ifndef SERVICES_API_POOL_H
#define SERVICES_API_POOL_H

#include "common/metrics.h"
#include "services/api/asking.h"

struct pool;

/* What http_route.arg points at. */
struct endpoint {
    struct pool *pool;
    endpoint_fn *answer;
};

struct pool *pool_new(const struct api_settings *settings,
                      struct metrics *metrics) MUST_USE;
/* Answers what waits, joins the threads; what comes later is answered 503. */
void pool_stop(struct pool *p);
void pool_free(struct pool *p); /* stops it first, if it was not */
DEFINE_AUTO(pool)
/* An http_handler; arg is a struct endpoint. Queues the request, or answers 503
 * at once when the queue is full. */
void pool_take(struct http_request *r, void *endpoint);

#endif
