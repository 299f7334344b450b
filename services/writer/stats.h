/* SPDX-License-Identifier: Apache-2.0 */
/* stats.h - the writer's metrics: each has its name and help in stats.c. */
#ifndef WRITER_STATS_H
#define WRITER_STATS_H

#include "common/metrics.h"
#include "services/writer/topics.h"

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
    size_t topics;
    struct counter *messages[TOPICS_MAX], *bytes[TOPICS_MAX];
    struct histogram *lag_seconds[TOPICS_MAX];
    struct gauge *lag_messages[TOPICS_MAX];
    struct counter *letters, *gap;
    struct counter *batches, *redone, *lost;
    struct counter *series_hits, *series_misses;
    struct gauge *series_cached, *series_cached_bytes;
    struct histogram *batch_rows, *batch_bytes, *batch_seconds;
    struct histogram *commit_seconds;
    struct counter *gaps_expired, *gaps_truncated, *gaps_recreated;
    struct gauge *held, *on_hold, *assigned;
};

void stats_init(struct stats *s, struct metrics *m, const struct topics *t);
/* A message became a dead letter for this reason (one of ours, constant). */
void stats_dead(struct stats *s, const char *reason);

/* A batch was given up and will be read again, for what the database said last
 * (a SQLSTATE; "": the connection was lost). */
void stats_failed(struct stats *s, const char *sqlstate);

#endif
