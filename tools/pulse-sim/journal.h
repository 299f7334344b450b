/* SPDX-License-Identifier: Apache-2.0 */
/* journal.h - a file with one line per message: what was sent and what became
 * of it. device, seq, time (µs since 1970 UTC, as sent), HTTP status (0: no
 * answer), latency (µs since it was meant to be sent); tabs between. */
#ifndef SIM_JOURNAL_H
#define SIM_JOURNAL_H

#include "common/err.h"
#include "tools/pulse-sim/device.h"

struct journal;

/* path NULL: NULL, and writing to that does nothing. NULL and *err (ERR_INPUT)
 * if the file cannot be made. */
struct journal *journal_new(const char *path, struct err *err) MUST_USE;
/* Writes what is left. */
void journal_free(struct journal *j);
DEFINE_AUTO(journal)
void journal_write(struct journal *j, const struct fleet *f,
                   const struct message *m, int status, int64_t latency_us);
void journal_flush(struct journal *j);

#endif
