/* SPDX-License-Identifier: Apache-2.0 */
/* numbers.h - byte keys to numbers > 0, bounded in entries and in bytes of
 * their keys: who was not asked for lately makes room. A hit touches two cache
 * lines, which counts when every row of a million series asks. */
#ifndef WRITER_NUMBERS_H
#define WRITER_NUMBERS_H

#include "common/str.h"

struct numbers; /* one owner, one thread */

struct numbers *numbers_new(size_t max_entries, size_t max_bytes) MUST_USE;
void numbers_free(struct numbers *n);
DEFINE_AUTO(numbers)
int64_t numbers_get(struct numbers *n, struct str key); /* 0: not there */
/* A key longer than max_bytes is not kept. */
void numbers_put(struct numbers *n, struct str key, int64_t number);
void numbers_clear(struct numbers *n);
size_t numbers_count(const struct numbers *n);
size_t numbers_bytes(const struct numbers *n); /* of all keys */

#endif
