/* SPDX-License-Identifier: Apache-2.0 */
/* series.h - from a series' name to its number: a bounded cache in front of
 * store.series_ids, asked once per batch for all that is missing. */
#ifndef WRITER_SERIES_H
#define WRITER_SERIES_H

#include "common/arena.h"
#include "common/pg.h"
#include "common/pulse/record.h"
#include "services/writer/stats.h"

struct series; /* one thread */

struct series *series_new(size_t max_entries, struct stats *stats) MUST_USE;
void series_free(struct series *s);
DEFINE_AUTO(series)

/* The series' number (> 0), 0 if the tenant's limit refused it lately, or a
 * negative ticket for series_number after series_resolve. labels are sorted
 * and unique; all texts must live in a until series_forget. */
int64_t series_find(struct series *s, struct arena *a, struct str tenant_id,
                    struct str name, const struct label *labels, size_t count);
/* Asks the database for all tickets, in a transaction of its own. */
bool series_resolve(struct series *s, struct pg *pg, struct err *err) MUST_USE;
/* Of what series_find gave, once resolved: > 0, or 0 for refused. */
int64_t series_number(const struct series *s, int64_t found);
void series_forget(struct series *s); /* the tickets; the cache stays */
size_t series_pending(const struct series *s);

#endif
