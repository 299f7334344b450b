/* SPDX-License-Identifier: Apache-2.0 */
#include "services/api/pool.h"

#include <assert.h>
#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "common/clock.h"
#include "common/log.h"

enum { WATCH_MS = 250, CONNECT_MS = 3000, STALE_US = 1000000 };

struct job {
    struct http_request *request;
    endpoint_fn *answer;
};

struct worker {
    struct pool *pool;
    pthread_t thread;
    struct pg *pg;
    struct buf out;
    pthread_mutex_t lock; /* of the two below */
    struct http_request *current;
    bool cancelled; /* its client has gone */
};

struct pool {
    const struct api_settings *settings;
    struct worker *workers;
    pthread_t watcher;
    pthread_mutex_t lock; /* of the four below */
    pthread_cond_t more;
    struct job *queue; /* a ring of queue_max */
    size_t first, count;
    bool stopping;
    pthread_cond_t stop;
    struct gauge *waiting;
    struct counter *cancelled, *failed;
    struct histogram *took;
};

/* ---- one request ---- */

static void answer_refused(const struct asking *a)
{
    if (a->status == 401)
        http_reply_header(a->request, "WWW-Authenticate", "Bearer");
    http_reply_error(a->request, a->status, a->code, a->message);
}

/* The database's failure, told without its words. */
static void answer_failed(struct worker *w, const struct asking *a,
                          const struct err *err)
{
    bool late = strcmp(pg_sqlstate(w->pg), "57014") == 0;
    counter_add(w->pool->failed, 1);
    log_warn("query_failed", LOG_STR("path", http_path(a->request)),
             LOG_S("kind", err_kind_name(err->kind)), LOG_ERR(err));
    if (late)
        http_reply_error(a->request, 504, "query_timeout",
                         "the query took too long; ask for less");
    else if (err->kind == ERR_INPUT)
        http_reply_error(a->request, 500, "internal_error",
                         "the query failed; the log says why");
    else {
        http_reply_header(a->request, "Retry-After", "2");
        http_reply_error(a->request, 503, "database_unavailable",
                         "the database does not answer; try again");
    }
}

static bool transaction_run(struct asking *a, endpoint_fn *answer,
                            struct err *err)
{
    buf_reset(a->out);
    a->status = 0;
    if (!pg_connect(a->pg, err) || !pg_begin(a->pg, err))
        return false;
    if (caller_admit(a, err) && answer(a, err) && pg_commit(a->pg, err))
        return true;
    pg_rollback(a->pg);
    return false;
}

static bool was_cancelled(struct worker *w)
{
    pthread_mutex_lock(&w->lock);
    bool cancelled = w->cancelled;
    pthread_mutex_unlock(&w->lock);
    return cancelled;
}

/* A connection that went stale while idle, or a cancel meant for the request
 * before, shows as a quick failure: then once more. */
static bool job_try(struct worker *w, struct asking *a, endpoint_fn *answer,
                    struct err *err)
{
    int64_t from_us = clock_mono_us();
    bool idle = pg_connected(w->pg);
    if (transaction_run(a, answer, err))
        return true;
    bool quick = clock_mono_us() - from_us < STALE_US;
    if (a->status != 0 || err->kind != ERR_RETRY || !idle || !quick ||
        was_cancelled(w))
        return false;
    err_clear(err);
    return transaction_run(a, answer, err);
}

static void job_run(struct worker *w, const struct job *job)
{
    struct err err = {0};
    struct asking a = {
        .request = job->request,
        .pg = w->pg,
        .settings = w->pool->settings,
        .out = &w->out,
    };
    http_reply_header(job->request, "Cache-Control", "no-store");
    bool good = job_try(w, &a, job->answer, &err);
    /* From here on the watcher must not touch the request. */
    pthread_mutex_lock(&w->lock);
    w->current = NULL;
    pthread_mutex_unlock(&w->lock);
    if (good)
        http_reply(job->request, 200, "application/json", buf_str(&w->out));
    else if (a.status != 0)
        answer_refused(&a);
    else
        answer_failed(w, &a, &err);
}

/* ---- threads ---- */

static bool job_next(struct pool *p, struct job *out)
{
    pthread_mutex_lock(&p->lock);
    while (p->count == 0 && !p->stopping)
        pthread_cond_wait(&p->more, &p->lock);
    bool got = p->count > 0;
    if (got) {
        *out = p->queue[p->first];
        p->first = (p->first + 1) % (size_t)p->settings->queue_max;
        p->count--;
        gauge_set(p->waiting, (double)p->count);
    }
    pthread_mutex_unlock(&p->lock);
    return got;
}

static void *worker_main(void *arg)
{
    struct worker *w = arg;
    for (struct job job; job_next(w->pool, &job);) {
        int64_t from_us = clock_mono_us();
        pthread_mutex_lock(&w->lock);
        w->current = job.request;
        w->cancelled = false;
        pthread_mutex_unlock(&w->lock);
        job_run(w, &job);
        histogram_observe(w->pool->took,
                          (double)(clock_mono_us() - from_us) / 1e6);
    }
    return NULL;
}

/* Under the lock, so that the cancel cannot meet the next request's query. */
static void worker_watch(struct worker *w)
{
    pthread_mutex_lock(&w->lock);
    if (w->current && !w->cancelled && http_peer_gone(w->current)) {
        w->cancelled = true;
        counter_add(w->pool->cancelled, 1); /* before its end can be seen */
        pg_cancel(w->pg);
    }
    pthread_mutex_unlock(&w->lock);
}

static void *watcher_main(void *arg)
{
    struct pool *p = arg;
    pthread_mutex_lock(&p->lock);
    while (!p->stopping) {
        struct timespec until;
        clock_gettime(CLOCK_MONOTONIC, &until);
        until.tv_nsec += WATCH_MS * 1000000L;
        until.tv_sec += until.tv_nsec / 1000000000L;
        until.tv_nsec %= 1000000000L;
        if (pthread_cond_timedwait(&p->stop, &p->lock, &until) != ETIMEDOUT)
            continue;
        pthread_mutex_unlock(&p->lock);
        for (int64_t i = 0; i < p->settings->workers; i++)
            worker_watch(&p->workers[i]);
        pthread_mutex_lock(&p->lock);
    }
    pthread_mutex_unlock(&p->lock);
    return NULL;
}

void pool_take(struct http_request *r, void *arg)
{
    const struct endpoint *e = arg;
    struct pool *p = e->pool;
    pthread_mutex_lock(&p->lock);
    size_t max = (size_t)p->settings->queue_max;
    bool stopping = p->stopping;
    bool room = !stopping && p->count < max;
    if (room) {
        p->queue[(p->first + p->count) % max] = (struct job){r, e->answer};
        p->count++;
        gauge_set(p->waiting, (double)p->count);
        pthread_cond_signal(&p->more);
    }
    pthread_mutex_unlock(&p->lock);
    if (room)
        return;
    http_reply_header(r, "Retry-After", "1");
    if (stopping)
        http_reply_error(r, 503, "draining", "this process is stopping");
    else
        http_reply_error(r, 503, "queue_full",
                         "too many requests wait already");
}

/* ---- life ---- */

static void thread_start(pthread_t *thread, void *(*fn)(void *), void *arg)
{
    int rc = pthread_create(thread, NULL, fn, arg);
    assert(rc == 0);
}

static void worker_start(struct worker *w, struct pool *p)
{
    const struct pg_options options = {
        .url = p->settings->shared.postgres_url,
        .application = "pulse-api",
        .connect_timeout_ms = CONNECT_MS,
        .statement_timeout_ms = p->settings->statement_timeout_ms,
    };
    w->pool = p;
    w->pg = pg_new(&options);
    pthread_mutex_init(&w->lock, NULL);
    thread_start(&w->thread, worker_main, w);
}

struct pool *pool_new(const struct api_settings *settings,
                      struct metrics *metrics)
{
    struct pool *p = xcalloc(1, sizeof *p);
    pthread_condattr_t monotonic;
    p->settings = settings;
    p->queue = xcalloc((size_t)settings->queue_max, sizeof *p->queue);
    p->workers = xcalloc((size_t)settings->workers, sizeof *p->workers);
    p->waiting = metrics_gauge(metrics, "pulse_api_queue_requests",
                               "Requests that wait for a worker.", NULL);
    p->cancelled =
        metrics_counter(metrics, "pulse_api_queries_cancelled_total",
                        "Queries ended because their client had gone.", NULL);
    p->failed = metrics_counter(metrics, "pulse_api_queries_failed_total",
                                "Requests the database failed.", NULL);
    p->took = metrics_histogram(metrics, "pulse_api_query_seconds",
                                "Time a worker spent on a request.", 0.0001, 10,
                                NULL);
    pthread_mutex_init(&p->lock, NULL);
    pthread_cond_init(&p->more, NULL);
    pthread_condattr_init(&monotonic);
    pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC);
    pthread_cond_init(&p->stop, &monotonic);
    pthread_condattr_destroy(&monotonic);
    for (int64_t i = 0; i < settings->workers; i++)
        worker_start(&p->workers[i], p);
    thread_start(&p->watcher, watcher_main, p);
    return p;
}

void pool_stop(struct pool *p)
{
    pthread_mutex_lock(&p->lock);
    bool stopped = p->stopping;
    p->stopping = true;
    pthread_cond_broadcast(&p->more);
    pthread_cond_broadcast(&p->stop);
    pthread_mutex_unlock(&p->lock);
    if (stopped)
        return;
    pthread_join(p->watcher, NULL);
    for (int64_t i = 0; i < p->settings->workers; i++)
        pthread_join(p->workers[i].thread, NULL);
    assert(p->count == 0);
}

void pool_free(struct pool *p)
{
    if (!p)
        return;
    pool_stop(p);
    for (int64_t i = 0; i < p->settings->workers; i++) {
        struct worker *w = &p->workers[i];
        pg_free(w->pg);
        buf_release(&w->out);
        pthread_mutex_destroy(&w->lock);
    }
    free(p->workers);
    free(p->queue);
    pthread_cond_destroy(&p->more);
    pthread_cond_destroy(&p->stop);
    pthread_mutex_destroy(&p->lock);
    free(p);
}
