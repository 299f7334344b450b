/* SPDX-License-Identifier: Apache-2.0 */
/* jobs.h - what keeps the store in order: each job as steps in the database.
 * A step is short, so that jobs take turns and a stop is quick. */
#ifndef SERVICES_COLLECTOR_JOBS_H
#define SERVICES_COLLECTOR_JOBS_H

#include "common/pg.h"
#include "services/collector/settings.h"

enum job_outcome {
    JOB_DONE,
    JOB_MORE,   /* another step is needed, at once */
    JOB_BUSY,   /* somebody holds a lock it needs: soon again */
    JOB_FAILED, /* *err says why */
};

struct job_report {
    int64_t rows; /* written or deleted */
    char detail[200];
};

struct job_kind {
    const char *name; /* in store.maintenance_jobs and the metrics */
    /* Runs one step. On JOB_BUSY *err says what was in the way. */
    enum job_outcome (*step)(struct pg *pg, const struct collector_settings *s,
                             struct job_report *report, struct err *err);
    int64_t (*every_ms)(const struct collector_settings *s);
    bool by_job_only; /* the timescale edition has policies for it */
};

enum { JOB_ROLLUPS, JOB_RETENTION, JOB_OUTBOX, JOB_COUNT };
extern const struct job_kind job_kinds[JOB_COUNT];

/* Whether the rollups here are tables that a job fills, not aggregates. */
bool jobs_fill_rollups(struct pg *pg, bool *out, struct err *err) MUST_USE;

/* The job's row in store.maintenance_jobs. */
bool job_note_begin(struct pg *pg, const struct job_kind *kind,
                    int64_t every_ms, struct err *err) MUST_USE;
bool job_note_end(struct pg *pg, const struct job_kind *kind, bool good,
                  int64_t took_ms, const char *detail, struct err *err)
    MUST_USE;

#endif
