/* SPDX-License-Identifier: Apache-2.0 */
/* keys.h - what the edge knows of the database: the API keys, and how old a
 * record the store takes. A snapshot, read again every few seconds by a thread
 * of its own. While PostgreSQL is away the last one goes on serving. */
#ifndef INGEST_KEYS_H
#define INGEST_KEYS_H

#include "common/metrics.h"
#include "common/pulse/check.h"
#include "common/pulse/keyring.h"
#include "common/service.h"

struct keys; /* any thread */

struct keys_options {
    const char *postgres_url;
    int64_t refresh_ms;
    struct service_need *need; /* set with the first snapshot */
    struct metrics *metrics;
};

/* Starts the thread. */
struct keys *keys_new(const struct keys_options *options) MUST_USE;
void keys_free(struct keys *k); /* ends the thread */
DEFINE_AUTO(keys)

enum keys_answer { KEYS_FOUND, KEYS_UNKNOWN, KEYS_NOT_READY };
/* Fills *caller (copies in a) and *scopes when found. */
enum keys_answer keys_find(struct keys *k, struct str presented,
                           struct arena *a, struct caller *caller,
                           unsigned *scopes);
/* The store's late limit; INT64_MAX before it was read. */
int64_t keys_late_limit_us(const struct keys *k);

#endif
