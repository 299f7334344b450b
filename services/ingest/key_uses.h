/* SPDX-License-Identifier: Apache-2.0 */
/* key_uses.h - which keys were used when: gathered from the keyrings, written
 * to api_keys.last_used_at now and then, all in one statement. */
#ifndef INGEST_KEY_USES_H
#define INGEST_KEY_USES_H

#include "common/pg.h"
#include "common/pulse/keyring.h"

struct key_uses; /* one thread */
struct key_uses *key_uses_new(void) MUST_USE;
void key_uses_free(struct key_uses *u);
DEFINE_AUTO(key_uses)
/* What is noted in ring since it was asked last. */
void key_uses_gather(struct key_uses *u, const struct keyring *ring);
/* What is gathered is written and forgotten; or kept, and *err. */
bool key_uses_write(struct key_uses *u, struct pg *pg, struct err *err)
    MUST_USE;

#endif
