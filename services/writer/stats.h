/* SPDX-License-Identifier: Apache-2.0 */
/* stats.h - the writer's metrics: each has its name and help in stats.c. */
#ifndef WRITER_STATS_H
#define WRITER_STATS_H

#include "common/metrics.h"

enum stats_table { IN_TELEMETRY, IN_SAMPLES, IN_EVENTS, STATS_TABLES };
enum stats_verdict {
    AS_STORED,
    AS_DUPLICATE,
    AS_CONFLICT,
    AS_REFUSED, /* the tenant's series limit */
    AS_POISON,  /* the database cannot hold it */
    AS_LATE,    /* older than the late limit */
    STATS_VERDICTS,
};

struct stats {
    struct metrics *metrics;
    struct counter *rows[STATS_TABLES][STATS_VERDICTS];
    struct counter *staged[STATS_TABLES], *aged[STATS_TABLES];
    struct counter *late_rows, *marks;
    struct counter *messages, *letters, *gap;
    struct counter *batches, *redone, *failed, *lost;
    struct counter *series_hits, *series_misses;
    struct gauge *series_cached;
    struct histogram *batch_rows, *batch_seconds, *commit_seconds;
    struct histogram *lag_seconds;
    struct gauge *held, *assigned, *batch_bytes;
};

void stats_init(struct stats *s, struct metrics *m);
/* A message became a dead letter for this reason (one of ours, constant). */
void stats_dead(struct stats *s, const char *reason);

#endif
