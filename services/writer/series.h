/* SPDX-License-Identifier: Apache-2.0 */
/* series.h - from a series' name to its number: a bounded cache. What it does
 * not know becomes a ticket of the batch (tickets.h); what the ticket turned
 * out to be is learnt when the batch is through. */
#ifndef WRITER_SERIES_H
#define WRITER_SERIES_H

#include "services/writer/stats.h"
#include "services/writer/tickets.h"

struct series; /* one thread: the loop's */

struct series *series_new(size_t max_entries, struct stats *stats) MUST_USE;
void series_free(struct series *s);
DEFINE_AUTO(series)

/* The number (> 0) of the record's series, 0 if the tenant's limit refused it
 * lately, or a ticket of t (< 0). */
int64_t series_of_metric(struct series *s, struct tickets *t,
                         const struct metric_record *m);
/* The same for the readings of one message: begin, then each by its name. */
void series_begin(struct series *s, const struct telemetry_record *t);
int64_t series_of_field(struct series *s, struct tickets *t, struct str name);
/* Numbers are the database's, and this one may be another: a standby that lacks
 * the last ones, a backup restored under the same name. */
void series_forget(struct series *s);
/* After the batch was written or not. */
void series_learn(struct series *s, const struct tickets *t);

#endif
