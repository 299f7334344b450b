/* SPDX-License-Identifier: Apache-2.0 */
/*
 * seen.h - the last time stored per series or device, as far as remembered.
 *
 * A hint, never the truth: "newer" sends a row by direct COPY, and if that was
 * wrong the unique index refuses it and the batch is written again through
 * staging. So a fixed table that overwrites, and 64-bit keys without
 * comparison, are good enough. What another process may have stored is
 * unknown, so an entry counts only for the assignment of the partition under
 * which it was noted. Note after COMMIT only.
 */
#ifndef WRITER_SEEN_H
#define WRITER_SEEN_H

#include "common/base.h"

struct seen; /* one thread */

struct seen *seen_new(size_t entries) MUST_USE; /* rounded up to 2^n */
void seen_free(struct seen *s);
DEFINE_AUTO(seen)

/* Is time_us known to be newer than everything stored under key? Key 0: no. */
bool seen_newer(const struct seen *s, uint64_t key, uint32_t assignment,
                int64_t time_us);
void seen_note(struct seen *s, uint64_t key, uint32_t assignment,
               int64_t time_us);

#endif
