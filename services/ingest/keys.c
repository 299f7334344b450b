/* SPDX-License-Identifier: Apache-2.0 */
#include "services/ingest/keys.h"

#include <assert.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "common/clock.h"
#include "common/log.h"
#include "common/pg.h"

struct keys {
    struct pg *pg; /* the thread's */
    struct service_need *need;
    int64_t refresh_ms;
    pthread_t thread;
    pthread_rwlock_t lock;   /* guards ring */
    struct keyring *ring;    /* NULL before the first snapshot */
    _Atomic int64_t read_us; /* clock_mono_us of the snapshot; 0: none */
    _Atomic int64_t late_limit_us;
    pthread_mutex_t stop_lock; /* guards stopping */
    pthread_cond_t stop_cond;
    bool stopping;
    struct gauge *count;
    struct counter *failures;
};

enum { SCOPES_MAX = 8 };

static const char keys_sql[] =
    "SELECT key_id, tenant_id, device_id, scopes, secret_hash, expires_at"
    " FROM public.api_keys"
    " WHERE (revoked_at IS NULL OR revoked_at > now())"
    " AND (expires_at IS NULL OR expires_at > now())";

static unsigned scopes_read(const struct pg_result *rows, int row, int column)
{
    struct str names[SCOPES_MAX];
    size_t n = pg_get_texts(rows, row, column, names, SCOPES_MAX);
    unsigned mask = 0;

    for (size_t i = 0; i < n && i < SCOPES_MAX; i++) {
        unsigned scope;
        if (scope_parse(names[i], &scope)) /* unknown: of a later version */
            mask |= scope;
    }
    return mask;
}

static void row_add(struct keyring *ring, const struct pg_result *rows, int row)
{
    struct str hash = pg_get_str(rows, row, 4);
    struct key key = {
        .key_id = pg_get_str(rows, row, 0),
        .tenant_id = pg_get_str(rows, row, 1),
        .device_id = pg_get_str(rows, row, 2),
        .scopes = scopes_read(rows, row, 3),
        .expires_at_us =
            pg_is_null(rows, row, 5) ? INT64_MAX : pg_get_time(rows, row, 5),
    };

    if (hash.n != sizeof key.secret_hash)
        return; /* the table's check forbids it: such a key opens nothing */
    memcpy(key.secret_hash, hash.p, hash.n);
    keyring_add(ring, &key);
}

static bool late_limit_read(struct keys *k, struct err *err)
{
    AUTO(pg_result) r = pg_run(k->pg,
                               "SELECT (extract(epoch FROM store.late_limit())"
                               " * 1000000)::bigint",
                               NULL, err);
    if (r)
        atomic_store(&k->late_limit_us, pg_get_i64(r, 0, 0));
    return r;
}

static struct keyring *keys_read(struct keys *k, struct err *err)
{
    if (!pg_connect(k->pg, err))
        return NULL;
    AUTO(pg_result) rows = pg_run(k->pg, keys_sql, NULL, err);
    if (!rows || !late_limit_read(k, err))
        return NULL;
    AUTO(keyring) ring = keyring_new();
    for (int row = 0; row < pg_rows(rows); row++)
        row_add(ring, rows, row);
    return MOVE(ring);
}

static void keys_swap(struct keys *k, struct keyring *fresh)
{
    pthread_rwlock_wrlock(&k->lock);
    struct keyring *old = k->ring;
    k->ring = fresh;
    pthread_rwlock_unlock(&k->lock);
    keyring_free(old);
    gauge_set(k->count, (double)keyring_count(fresh));
    if (atomic_exchange(&k->read_us, clock_mono_us()) == 0)
        log_info("keys_read", LOG_I("keys", keyring_count(fresh)));
    service_need_set(k->need, true);
}

/* True when asked to stop. */
static bool keys_wait(struct keys *k)
{
    struct timespec until;

    clock_gettime(CLOCK_MONOTONIC, &until);
    int64_t ns = until.tv_nsec + k->refresh_ms % 1000 * 1000000;
    until.tv_sec += k->refresh_ms / 1000 + ns / 1000000000;
    until.tv_nsec = ns % 1000000000;
    pthread_mutex_lock(&k->stop_lock);
    while (!k->stopping &&
           pthread_cond_timedwait(&k->stop_cond, &k->stop_lock, &until) == 0)
        ;
    bool stopping = k->stopping;
    pthread_mutex_unlock(&k->stop_lock);
    return stopping;
}

static void *keys_main(void *arg)
{
    struct keys *k = arg;
    bool failing = false;

    do {
        struct err err = {0};
        struct keyring *fresh = keys_read(k, &err);
        if (fresh) {
            keys_swap(k, fresh);
            if (failing)
                log_info("keys_read_again");
        } else {
            counter_add(k->failures, 1);
            if (!failing)
                log_warn("keys_unreadable", LOG_ERR(&err));
        }
        failing = !fresh;
    } while (!keys_wait(k));
    return NULL;
}

static double keys_age_seconds(void *arg)
{
    const struct keys *k = arg;
    int64_t read_us = atomic_load(&k->read_us);

    return read_us ? (double)(clock_mono_us() - read_us) / 1e6 : -1;
}

struct keys *keys_new(const struct keys_options *options)
{
    struct keys *k = xcalloc(1, sizeof *k);
    pthread_condattr_t attr;

    k->pg = pg_new(&(struct pg_options){
        .url = options->postgres_url,
        .application = "pulse-ingest",
        .connect_timeout_ms = 3000,
        .statement_timeout_ms = 5000,
    });
    k->need = options->need;
    k->refresh_ms = options->refresh_ms;
    atomic_init(&k->late_limit_us, INT64_MAX);
    k->count = metrics_gauge(options->metrics, "pulse_ingest_keys",
                             "API keys in the snapshot.", NULL);
    k->failures = metrics_counter(
        options->metrics, "pulse_ingest_keys_failures_total",
        "Times the API keys could not be read from PostgreSQL.", NULL);
    metrics_gauge_fn(options->metrics, "pulse_ingest_keys_age_seconds",
                     "Age of the snapshot of API keys; -1 before the first.",
                     keys_age_seconds, k);
    pthread_rwlock_init(&k->lock, NULL);
    pthread_mutex_init(&k->stop_lock, NULL);
    pthread_condattr_init(&attr);
    pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
    pthread_cond_init(&k->stop_cond, &attr);
    pthread_condattr_destroy(&attr);
    int failed = pthread_create(&k->thread, NULL, keys_main, k);
    assert(!failed);
    return k;
}

void keys_free(struct keys *k)
{
    if (!k)
        return;
    pthread_mutex_lock(&k->stop_lock);
    k->stopping = true;
    pthread_cond_signal(&k->stop_cond);
    pthread_mutex_unlock(&k->stop_lock);
    pthread_join(k->thread, NULL);
    pthread_cond_destroy(&k->stop_cond);
    pthread_mutex_destroy(&k->stop_lock);
    pthread_rwlock_destroy(&k->lock);
    keyring_free(k->ring);
    pg_free(k->pg);
    free(k);
}

enum keys_answer keys_find(struct keys *k, struct str presented,
                           struct arena *a, struct caller *caller,
                           unsigned *scopes)
{
    enum keys_answer answer = KEYS_NOT_READY;

    pthread_rwlock_rdlock(&k->lock);
    if (k->ring) {
        const struct key *key =
            keyring_find(k->ring, presented, clock_wall_us());
        answer = key ? KEYS_FOUND : KEYS_UNKNOWN;
        if (key) {
            caller->tenant_id = arena_str(a, key->tenant_id);
            caller->key_id = arena_str(a, key->key_id);
            caller->device_id = key->device_id.p ? arena_str(a, key->device_id)
                                                 : (struct str){0};
            *scopes = key->scopes;
        }
    }
    pthread_rwlock_unlock(&k->lock);
    return answer;
}

int64_t keys_late_limit_us(const struct keys *k)
{
    return atomic_load(&k->late_limit_us);
}
