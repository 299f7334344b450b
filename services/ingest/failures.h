/* SPDX-License-Identifier: Apache-2.0 */
/* failures.h - wrong keys by the address that sent them: who guesses gets told
 * to go away. */
#ifndef INGEST_FAILURES_H
#define INGEST_FAILURES_H

#include "common/metrics.h"
#include "common/str.h"

struct failures; /* any thread */

struct failures_options {
    int64_t most;         /* per minute and address; 0: any number */
    size_t addresses_max; /* remembered; the least recent is forgotten */
    struct metrics *metrics;
};
struct failures *failures_new(const struct failures_options *options) MUST_USE;
void failures_free(struct failures *f);
DEFINE_AUTO(failures)
/* Counts one. True where it is one too many; then *retry_s is when the address
 * starts afresh. address: 4 or 16 bytes; of IPv6 the first 8 count, a host has
 * all the others to choose from. now_us: the monotonic clock. */
bool failures_add(struct failures *f, struct str address, int64_t now_us,
                  int64_t *retry_s);

#endif
