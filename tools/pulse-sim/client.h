/* SPDX-License-Identifier: Apache-2.0 */
/* client.h - many POSTs to one server over keep-alive connections, one thread.
 * Written for little CPU per request: one send and one recv each, because it
 * is also the generator of the benchmark. */
#ifndef SIM_CLIENT_H
#define SIM_CLIENT_H

#include "common/err.h"
#include "common/str.h"

struct client; /* one thread */

struct client_options {
    const char *url;  /* http://host[:port], no path */
    const char *path; /* /api/v1/telemetry */
    const char *key;  /* API key; NULL: none is sent */
    int connections;
    int64_t timeout_us; /* for an answer; then status 0 */
    /* The request of this slot ended. status 0: no answer (refused, closed,
     * timed out); retry_after_s 0: none given. Must not post. */
    void (*answered)(void *arg, int slot, int status, int retry_after_s,
                     struct str body);
    void *arg;
};

/* NULL and *err (ERR_INPUT) for a bad URL, (ERR_RETRY) for an unknown host. */
struct client *client_new(const struct client_options *options, struct err *err)
    MUST_USE;
void client_free(struct client *c); /* what is under way is forgotten */
DEFINE_AUTO(client)
/* A slot is free for client_post. After a connection failed: not for some
 * 200 ms. */
bool client_ready(struct client *c);
/* Starts a POST; body is copied. Returns its slot, 0 to connections - 1, free
 * again when answered was called. Only after client_ready. */
int client_post(struct client *c, struct str body);
int client_busy(const struct client *c); /* requests under way */
/* Waits at most timeout_us for something to happen and handles all of it. */
void client_wait(struct client *c, int64_t timeout_us);

#endif
