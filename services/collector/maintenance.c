/* SPDX-License-Identifier: Apache-2.0 */
#include "services/collector/maintenance.h"

#include <assert.h>
#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "common/clock.h"
#include "common/log.h"
#include "services/collector/database.h"
#include "services/collector/jobs.h"
#include "services/collector/schedule.h"

enum { IDLE_MS = 5000, STANDBY_MS = 2000, CANCEL_EVERY_MS = 200 };

struct job {
    const struct job_kind *kind;
    struct schedule schedule;
    int64_t rows; /* of the run so far */
    struct counter *done, *failed, *busy, *touched;
    struct histogram *took;
    struct gauge *late;
};

struct maintenance {
    const struct collector_settings *settings;
    struct pg *pg;    /* the thread's, but for pg_cancel */
    uint64_t leading; /* the connection that holds the lock; 0: none */
    bool fills_rollups;
    struct job jobs[JOB_COUNT];
    struct backoff again; /* while the database is away */
    struct gauge *leader;
    pthread_t thread;
    pthread_mutex_t lock; /* guards stopping */
    pthread_cond_t stop;
    bool stopping;
};

static int64_t now_ms(void)
{
    return clock_mono_us() / 1000;
}

static bool is_stopping(struct maintenance *m)
{
    pthread_mutex_lock(&m->lock);
    bool stopping = m->stopping;
    pthread_mutex_unlock(&m->lock);
    return stopping;
}

/* ---- leading ---- */

/* Waiting for a lock, a job would make others queue behind it. The server has
 * to notice when our machine is gone, else it keeps the leader's lock. */
static const char session_settings[] = "set lock_timeout = '3s';"
                                       "set tcp_keepalives_idle = 10;"
                                       "set tcp_keepalives_interval = 5;"
                                       "set tcp_keepalives_count = 3";

static bool lead_begin(struct maintenance *m, struct err *err)
{
    if (!pg_script(m->pg, session_settings, err) ||
        !jobs_fill_rollups(m->pg, &m->fills_rollups, err))
        return false;
    for (size_t i = 0; i < JOB_COUNT; i++)
        schedule_resume(&m->jobs[i].schedule, now_ms());
    log_info("maintenance_leads",
             LOG_S("rollups", m->fills_rollups ? "by job" : "by policy"));
    return true;
}

/* True: we hold the lock and have just been heard. */
static bool lead(struct maintenance *m, struct err *err)
{
    uint64_t before = m->leading;
    bool leads = leader_take(m->pg, LEADER_MAINTENANCE, &m->leading, err);
    if (leads && m->leading == before)
        leads = pg_do(m->pg, "select 1", NULL, NULL, err);
    else if (leads)
        leads = lead_begin(m, err);
    if (!leads && err->kind != ERR_NONE) {
        pg_disconnect(m->pg); /* the lock goes with it */
        m->leading = 0;
    }
    if (!leads && before)
        log_warn("maintenance_leads_no_more", LOG_ERR(err));
    gauge_set(m->leader, leads);
    return leads;
}

/* ---- jobs ---- */

static bool job_runs_here(const struct maintenance *m, const struct job *job)
{
    return m->fills_rollups || !job->kind->by_job_only;
}

/* The one that is due longest; else the one that will be due next. */
static struct job *job_next(struct maintenance *m)
{
    struct job *next = NULL;
    for (size_t i = 0; i < JOB_COUNT; i++) {
        struct job *job = &m->jobs[i];
        if (job_runs_here(m, job) &&
            (!next || job->schedule.due_ms < next->schedule.due_ms))
            next = job;
    }
    return next;
}

static void job_ended(struct maintenance *m, struct job *job, bool good,
                      const char *detail)
{
    struct err err = {0};
    int64_t took_ms = now_ms() - job->schedule.begun_ms;
    histogram_observe(job->took, (double)took_ms / 1e3);
    counter_add(good ? job->done : job->failed, 1);
    if (good) {
        schedule_done(&job->schedule, now_ms());
        log_debug("job_done", LOG_S("job", job->kind->name),
                  LOG_I("rows", job->rows), LOG_I("ms", took_ms));
    } else {
        schedule_failed(&job->schedule, now_ms());
        log_warn("job_failed", LOG_S("job", job->kind->name),
                 LOG_S("err", detail),
                 LOG_I("again_ms", job->schedule.due_ms - now_ms()));
    }
    /* Without a connection there is nothing to write to. */
    if (pg_connected(m->pg) &&
        !job_note_end(m->pg, job->kind, good, took_ms, detail, &err))
        log_warn("job_unnoted", LOG_S("job", job->kind->name), LOG_ERR(&err));
}

static void job_done(struct maintenance *m, struct job *job,
                     struct job_report *report)
{
    if (!report->detail[0])
        snprintf(report->detail, sizeof report->detail, "%lld rows",
                 (long long)job->rows);
    job_ended(m, job, true, report->detail);
}

static void job_step(struct maintenance *m, struct job *job)
{
    struct err err = {0};
    struct job_report report = {0};
    struct schedule *schedule = &job->schedule;
    enum job_outcome outcome = JOB_FAILED;
    bool first = schedule_begin(schedule, now_ms());

    if (first)
        job->rows = 0;
    if (!first || job_note_begin(m->pg, job->kind, schedule->every_ms, &err))
        outcome = job->kind->step(m->pg, m->settings, &report, &err);
    job->rows += report.rows;
    counter_add(job->touched, (uint64_t)report.rows);
    if (outcome == JOB_BUSY) {
        counter_add(job->busy, 1);
        if (schedule_busy(schedule, now_ms()))
            return;
        outcome = JOB_FAILED;
    }
    if (outcome == JOB_MORE)
        schedule_more(schedule, now_ms());
    else if (outcome == JOB_DONE)
        job_done(m, job, &report);
    else if (!is_stopping(m)) /* cancelled is no failure */
        job_ended(m, job, false, err.text);
}

static void late_show(struct maintenance *m)
{
    for (size_t i = 0; i < JOB_COUNT; i++) {
        struct job *job = &m->jobs[i];
        bool ours = m->leading && job_runs_here(m, job);
        int64_t late_ms = ours ? schedule_late_ms(&job->schedule, now_ms()) : 0;
        gauge_set(job->late, (double)late_ms / 1e3);
    }
}

/* One step of what is due. Returns how long there is nothing to do. */
static int64_t turn(struct maintenance *m)
{
    struct err err = {0};
    if (!lead(m, &err)) {
        late_show(m);
        if (err.kind == ERR_NONE) /* another one leads */
            return STANDBY_MS / 2 +
                   (int64_t)(random_unit() * (double)STANDBY_MS);
        return backoff_next_ms(&m->again);
    }
    backoff_reset(&m->again);
    struct job *job = job_next(m);
    if (job->schedule.due_ms <= now_ms())
        job_step(m, job);
    late_show(m);
    int64_t idle_ms = job_next(m)->schedule.due_ms - now_ms();
    return idle_ms < 0 ? 0 : idle_ms < IDLE_MS ? idle_ms : IDLE_MS;
}

/* ---- the thread ---- */

/* True when asked to stop. */
static bool stop_wait(struct maintenance *m, int64_t wait_ms)
{
    struct timespec until;
    clock_gettime(CLOCK_MONOTONIC, &until);
    int64_t ns = until.tv_nsec + wait_ms % 1000 * 1000000;
    until.tv_sec += wait_ms / 1000 + ns / 1000000000;
    until.tv_nsec = ns % 1000000000;
    pthread_mutex_lock(&m->lock);
    while (!m->stopping &&
           pthread_cond_timedwait(&m->stop, &m->lock, &until) == 0)
        ;
    bool stopping = m->stopping;
    pthread_mutex_unlock(&m->lock);
    return stopping;
}

static void *maintenance_main(void *arg)
{
    struct maintenance *m = arg;
    while (!stop_wait(m, turn(m)))
        ;
    pg_disconnect(m->pg); /* another collector may lead at once */
    return NULL;
}

static void jobs_init(struct maintenance *m, struct metrics *metrics)
{
    const char *runs = "Runs of maintenance jobs, by outcome.";
    m->leader =
        metrics_gauge(metrics, "pulse_maintenance_leader",
                      "1: this collector runs the maintenance jobs.", NULL);
    for (size_t i = 0; i < JOB_COUNT; i++) {
        struct job *job = &m->jobs[i];
        const char *name = job_kinds[i].name;
        job->kind = &job_kinds[i];
        schedule_init(&job->schedule, job->kind->every_ms(m->settings),
                      now_ms());
        job->done = metrics_counter(metrics, "pulse_maintenance_runs_total",
                                    runs, "job", name, "outcome", "done", NULL);
        job->failed =
            metrics_counter(metrics, "pulse_maintenance_runs_total", runs,
                            "job", name, "outcome", "failed", NULL);
        job->busy = metrics_counter(
            metrics, "pulse_maintenance_postponed_total",
            "Steps of jobs put off because somebody held a lock.", "job", name,
            NULL);
        job->touched =
            metrics_counter(metrics, "pulse_maintenance_rows_total",
                            "Rows written or deleted by jobs, and chunks "
                            "dropped.",
                            "job", name, NULL);
        job->took = metrics_histogram(metrics, "pulse_maintenance_seconds",
                                      "Time one run of a job took.", 0.001,
                                      1000, "job", name, NULL);
        job->late = metrics_gauge(
            metrics, "pulse_maintenance_late_seconds",
            "How long ago the job should have been done; 0: on time, or "
            "another collector's.",
            "job", name, NULL);
    }
}

struct maintenance *maintenance_new(const struct collector_settings *settings,
                                    struct metrics *metrics)
{
    struct maintenance *m = xcalloc(1, sizeof *m);
    pthread_condattr_t attr;

    m->settings = settings;
    m->again = (struct backoff){.first_ms = 200, .max_ms = IDLE_MS};
    m->pg = pg_new(&(struct pg_options){
        .url = settings->shared.postgres_url,
        .application = "pulse-maintenance",
        .connect_timeout_ms = settings->timeout_ms,
        .statement_timeout_ms = settings->job_timeout_ms,
        .writes = true,
    });
    jobs_init(m, metrics);
    pthread_mutex_init(&m->lock, NULL);
    pthread_condattr_init(&attr);
    pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
    pthread_cond_init(&m->stop, &attr);
    pthread_condattr_destroy(&attr);
    int failed = pthread_create(&m->thread, NULL, maintenance_main, m);
    assert(!failed);
    return m;
}

static void thread_stop(struct maintenance *m)
{
    pthread_mutex_lock(&m->lock);
    m->stopping = true;
    pthread_cond_signal(&m->stop);
    pthread_mutex_unlock(&m->lock);
    pg_cancel(m->pg);
}

/* A cancel may arrive between two statements and miss both: again and again. */
static void thread_join(struct maintenance *m)
{
    struct timespec until;
    do {
        thread_stop(m);
        clock_gettime(CLOCK_REALTIME, &until);
        until.tv_nsec += CANCEL_EVERY_MS * 1000000;
        until.tv_sec += until.tv_nsec / 1000000000;
        until.tv_nsec %= 1000000000;
    } while (pthread_timedjoin_np(m->thread, NULL, &until) == ETIMEDOUT);
}

void maintenance_free(struct maintenance *m)
{
    if (!m)
        return;
    thread_join(m);
    pthread_cond_destroy(&m->stop);
    pthread_mutex_destroy(&m->lock);
    pg_free(m->pg);
    free(m);
}
