/* SPDX-License-Identifier: Apache-2.0 */
/* keys.h - who may post and how much: a snapshot of keys and limits, read again
 * every few seconds by a thread of its own. While PostgreSQL is away the last
 * one goes on serving; at start, the one kept on disk. */
#ifndef INGEST_KEYS_H
#define INGEST_KEYS_H

#include "common/metrics.h"
#include "common/pulse/check.h"
#include "common/pulse/keyring.h"
#include "common/service.h"
#include "services/ingest/quota.h"
#include "services/ingest/settings.h"

struct keys; /* any thread */

struct keys_options {
    const char *postgres_url;
    const struct ingest_settings *settings;
    const struct limits *limits; /* of tenants that have none of their own */
    struct service_need *need;   /* set with the first snapshot */
    struct metrics *metrics;
};

/* Starts the thread. */
struct keys *keys_new(const struct keys_options *options) MUST_USE;
void keys_free(struct keys *k); /* ends the thread */
DEFINE_AUTO(keys)

/* What the bearer of a key may do. By value: while the request lives, another
 * snapshot may come. */
struct pass {
    struct caller caller; /* texts in the arena given */
    unsigned scopes;
    struct check_rules rules;
    size_t records_max, body_bytes_max; /* of one request */
    struct quota *quota;                /* lives as long as the keys */
};
enum keys_answer { KEYS_FOUND, KEYS_UNKNOWN, KEYS_NOT_READY };
/* Fills *pass when found. */
enum keys_answer keys_find(struct keys *k, struct str presented,
                           struct arena *a, struct pass *pass);

#endif
