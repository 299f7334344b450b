/* SPDX-License-Identifier: Apache-2.0 */
/* database.h - PostgreSQL measured, readings written to it, and the locks that
 * make one collector of several the leader. */
#ifndef SERVICES_COLLECTOR_DATABASE_H
#define SERVICES_COLLECTOR_DATABASE_H

#include "common/pgcopy.h"
#include "services/collector/sample.h"

/* What there is one leader for. */
enum leader { LEADER_ROUNDS, LEADER_MAINTENANCE };
/* True: this connection holds the leader's advisory lock, now or since before.
 * It holds it until the connection ends; so what is written over this very
 * connection is written by the leader alone. False without an error: another
 * collector leads. */
bool leader_take(struct pg *pg, enum leader of, uint64_t *generation,
                 struct err *err) MUST_USE;

/* Adds connections, size, transactions, chunks and the oldest chunk's age; how
 * late the maintenance is, and how far the rollups. */
bool database_measure(struct pg *pg, struct samples *out, struct err *err)
    MUST_USE;
/* Adds size and compression ratio of the hypertables: looks at every chunk. */
bool database_measure_sizes(struct pg *pg, struct samples *out, struct err *err)
    MUST_USE;
/* All readings of a round as rows of system_metrics, in one transaction. */
bool database_write(struct pg *pg, struct pgcopy *copy,
                    const struct samples *samples, int64_t time_us,
                    struct err *err) MUST_USE;

#endif
