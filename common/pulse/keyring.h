/* SPDX-License-Identifier: Apache-2.0 */
/* keyring.h - API keys: "pulse_<id>_<secret>" to tenant, device and scopes.
 * An immutable snapshot is made from rows and shared between threads. */
#ifndef COMMON_PULSE_KEYRING_H
#define COMMON_PULSE_KEYRING_H

#include <stdatomic.h>

#include "common/arena.h"
#include "common/err.h"

enum scope { SCOPE_WRITE = 1, SCOPE_READ = 2, SCOPE_ADMIN = 4 };

struct key {
    struct str key_id, tenant_id;
    struct str device_id;          /* p == NULL: any device of the tenant */
    unsigned scopes;               /* mask of enum scope */
    unsigned char secret_hash[32]; /* SHA-256 of the secret */
    int64_t expires_at_us;         /* INT64_MAX: never */
    _Atomic int64_t *used_us;      /* the ring's own; see key_use */
};

struct keyring; /* immutable once built; threads may read it together */
struct keyring *keyring_new(void) MUST_USE;
void keyring_free(struct keyring *k);
DEFINE_AUTO(keyring)
void keyring_add(struct keyring *k, const struct key *key); /* copies */
size_t keyring_count(const struct keyring *k);

/* The key behind presented text, secret compared in constant time; NULL if it
 * is malformed, unknown, wrong or expired at now_us. Lives as long as k. */
const struct key *keyring_find(const struct keyring *k, struct str presented,
                               int64_t now_us);
/* Notes that key, of a ring, was used at now_us (to a second); any thread. */
void key_use(const struct key *key, int64_t now_us);
/* Calls fn for each key used since it was asked last. One thread. */
void keyring_used(const struct keyring *k,
                  void (*fn)(struct str key_id, int64_t used_us, void *arg),
                  void *arg);
bool scope_parse(struct str name, unsigned *scope) MUST_USE; /* "write" … */

/* A new key: random id and secret. text is what the user keeps. */
enum { KEY_TEXT_MAX = 80 };
struct key_made {
    char key_id[24];
    char text[KEY_TEXT_MAX]; /* pulse_<id>_<secret> */
    unsigned char secret_hash[32];
};
void key_make(struct key_made *out);
/* Authorization: Bearer X, Token X, Basic with X as the password, or
 * X-API-Key: X. Empty if none; may live in a. */
struct str key_from_headers(struct str authorization, struct str x_api_key,
                            struct arena *a);

#endif
