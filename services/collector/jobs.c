/* SPDX-License-Identifier: Apache-2.0 */
#include "services/collector/jobs.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "common/clock.h"

/* Writers hold the lock for a moment at a time: soon again. */
static enum job_outcome rollups_failed(const struct pg *pg)
{
    bool lock_not_available = strcmp(pg_sqlstate(pg), "55P03") == 0;
    return lock_not_available ? JOB_BUSY : JOB_FAILED;
}

/* Two transactions: what rollup_advance() moved must be seen by others before
 * rollup_fill() looks at their rows. */
static enum job_outcome rollups_step(struct pg *pg,
                                     const struct collector_settings *s,
                                     struct job_report *report, struct err *err)
{
    (void)s;
    if (!pg_do(pg, "select store.rollup_advance()", NULL, NULL, err))
        return rollups_failed(pg);
    AUTO(pg_result) filled =
        pg_run(pg, "select store.rollup_fill()", NULL, err);
    if (!filled)
        return rollups_failed(pg);
    report->rows = pg_get_i64(filled, 0, 0);
    AUTO(pg_result) behind =
        pg_run(pg, "select store.rollup_behind()", NULL, err);
    if (!behind)
        return JOB_FAILED;
    return pg_get_bool(behind, 0, 0) ? JOB_MORE : JOB_DONE;
}

/* retention_run() ends by itself after so long, with something left. */
enum { RETENTION_PART_US = 30000000 };

static enum job_outcome retention_step(struct pg *pg,
                                       const struct collector_settings *s,
                                       struct job_report *report,
                                       struct err *err)
{
    (void)s;
    AUTO_RELEASE(buf) detail = {0};
    int64_t from_us = clock_mono_us();
    AUTO(pg_result) r = pg_run(
        pg, "select action, relation, n from store.retention_run()", NULL, err);
    if (!r)
        return JOB_FAILED;
    for (int i = 0; i < pg_rows(r); i++) {
        int64_t n = pg_get_i64(r, i, 2);
        report->rows += n;
        buf_addf(&detail, "%s%.*s %.*s: %" PRId64, i ? ", " : "",
                 STR_ARG(pg_get_str(r, i, 0)), STR_ARG(pg_get_str(r, i, 1)), n);
    }
    snprintf(report->detail, sizeof report->detail, "%.*s",
             STR_ARG(buf_str(&detail)));
    bool part = clock_mono_us() - from_us > RETENTION_PART_US;
    return part && report->rows > 0 ? JOB_MORE : JOB_DONE;
}

enum { OUTBOX_ROWS = 10000 };

static enum job_outcome outbox_step(struct pg *pg,
                                    const struct collector_settings *s,
                                    struct job_report *report, struct err *err)
{
    struct pg_params p = {0};
    pg_f64(&p, (double)s->outbox_retention_ms);
    pg_i32(&p, OUTBOX_ROWS);
    AUTO(pg_result) r = pg_run(
        pg, "select store.outbox_prune($1 * interval '1 millisecond', $2)", &p,
        err);
    if (!r)
        return JOB_FAILED;
    report->rows = pg_get_i64(r, 0, 0);
    return report->rows == OUTBOX_ROWS ? JOB_MORE : JOB_DONE;
}

static int64_t rollups_every_ms(const struct collector_settings *s)
{
    return s->rollup_interval_ms;
}

static int64_t retention_every_ms(const struct collector_settings *s)
{
    return s->retention_interval_ms;
}

const struct job_kind job_kinds[JOB_COUNT] = {
    [JOB_ROLLUPS] = {"rollups", rollups_step, rollups_every_ms, true},
    [JOB_RETENTION] = {"retention", retention_step, retention_every_ms, false},
    [JOB_OUTBOX] = {"outbox", outbox_step, retention_every_ms, false},
};

bool jobs_fill_rollups(struct pg *pg, bool *out, struct err *err)
{
    AUTO(pg_result) r = pg_run(
        pg, "select exists (select from store.rollup_watermark)", NULL, err);
    if (!r)
        return false;
    *out = pg_get_bool(r, 0, 0);
    return true;
}

bool job_note_begin(struct pg *pg, const struct job_kind *kind,
                    int64_t every_ms, struct err *err)
{
    struct pg_params p = {0};
    pg_text(&p, str_of(kind->name));
    pg_f64(&p, (double)every_ms);
    return pg_do(pg,
                 "insert into store.maintenance_jobs (job, every)"
                 " values ($1, $2 * interval '1 millisecond')"
                 " on conflict (job) do update set every = excluded.every,"
                 " outcome = 'running', started_at = now()",
                 &p, NULL, err);
}

bool job_note_end(struct pg *pg, const struct job_kind *kind, bool good,
                  int64_t took_ms, const char *detail, struct err *err)
{
    struct pg_params p = {0};
    pg_text(&p, str_of(kind->name));
    pg_bool(&p, good);
    pg_i64(&p, took_ms);
    pg_text(&p, str_of(detail));
    return pg_do(
        pg,
        "update store.maintenance_jobs set"
        " outcome = case when $2 then 'done' else 'failed' end,"
        " succeeded_at = case when $2 then now() else succeeded_at end,"
        " failures = case when $2 then 0 else failures + 1 end,"
        " duration_ms = $3, detail = $4 where job = $1",
        &p, NULL, err);
}
