/* SPDX-License-Identifier: Apache-2.0 */
/* service.h - the life every service shares: loop, signals, admin port,
 * readiness, drain. */
#ifndef COMMON_SERVICE_H
#define COMMON_SERVICE_H

#include "common/err.h"
#include "common/loop.h"
#include "common/metrics.h"

struct service;

struct service_options {
    const char *name;         /* "writer" */
    const char *admin_listen; /* /metrics, /healthz, /readyz, /version */
    int64_t drain_timeout_ms;
};

/* Starts the admin port at once (not ready yet). Call before other threads
 * start: signals are blocked here. */
struct service *service_new(const struct service_options *options,
                            struct err *err) MUST_USE;
void service_free(struct service *s);
DEFINE_AUTO(service)
struct loop *service_loop(struct service *s);
struct metrics *service_metrics(struct service *s);
int service_admin_port(const struct service *s); /* until service_run ends */

/* A dependency /readyz names and waits for ("kafka", "postgres"). Starts as
 * away. The returned handle lives as long as the service. */
struct service_need;
struct service_need *service_need(struct service *s, const char *name);
void service_need_set(struct service_need *n, bool here); /* any thread */
bool service_ready(const struct service *s); /* all here, not draining */
bool service_draining(const struct service *s);

/* First SIGTERM or SIGINT: /readyz turns 503, then fn(arg) starts the drain;
 * whoever finishes it calls service_drained; of several all must. Deadline
 * passed or a second signal: service_run returns 1. */
void service_on_drain(struct service *s, void (*fn)(void *arg), void *arg);
void service_drained(struct service *s);
/* An unrecoverable fault: logs err once, service_run returns 1. */
void service_fail(struct service *s, const struct err *err);
/* Runs the loop, then closes the admin port, so that no gauge function is asked
 * any more; returns the exit status (0 after a complete drain). */
int service_run(struct service *s);

#endif
