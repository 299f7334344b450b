/* SPDX-License-Identifier: Apache-2.0 */
#include "services/ingest/keys.h"

#include <assert.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "common/clock.h"
#include "common/file.h"
#include "common/log.h"
#include "services/ingest/key_uses.h"
#include "services/ingest/snapshot_pg.h"

enum {
    CONNECT_MS = 2000,
    STATEMENT_MS = 5000,
    /* Of the first try, where there is a snapshot on disk to fall back on. */
    START_MS = 1000,
    FILE_MAX = 1 << 30,
    CONFIRM_US = 60000000, /* the file's age is right to that */
};

struct keys {
    struct keys_options options;
    const char *path; /* of the snapshot on disk; NULL: none */
    pthread_t thread;
    pthread_rwlock_t lock;     /* guards snapshot */
    struct snapshot *snapshot; /* NULL before the first; the thread swaps it */
    _Atomic int64_t read_us;   /* clock_mono_us of it; INT64_MIN: none */
    pthread_mutex_t stop_lock; /* guards stopping */
    pthread_cond_t stop_cond;
    bool stopping;
    struct gauge *count;
    struct counter *failures;
    /* The thread's. */
    struct pg *pg;
    struct quotas *quotas;
    struct key_uses *uses;
    struct buf bytes; /* of the snapshot */
    int64_t kept_us;  /* when they were written to disk; 0: they are not */
    int64_t uses_us;  /* when the last uses were */
    bool failing, not_kept, uses_failing;
};

/* --- a fresh snapshot ---------------------------------------------------- */

static struct snapshot *snapshot_of(struct keys *k, struct str bytes,
                                    struct err *err)
{
    return snapshot_new(bytes,
                        &(struct snapshot_options){
                            .defaults = limits_defaults(k->options.limits),
                            .quotas = k->quotas,
                            .replicas = k->options.settings->replicas,
                            .now_us = clock_mono_us(),
                        },
                        err);
}

static void snapshot_swap(struct keys *k, struct snapshot *fresh)
{
    pthread_rwlock_wrlock(&k->lock);
    struct snapshot *old = k->snapshot;
    k->snapshot = fresh;
    pthread_rwlock_unlock(&k->lock);
    if (old)
        key_uses_gather(k->uses, snapshot_ring(old));
    snapshot_free(old);
    gauge_set(k->count, (double)keyring_count(snapshot_ring(fresh)));
    service_need_set(k->options.need, true);
}

/* Its age, from now on: by the wall when it was read, which may be before a
 * reboot; by the monotonic clock afterwards. */
static int64_t age_set(struct keys *k, int64_t read_at_us)
{
    int64_t age_us = clock_wall_us() - read_at_us;

    if (age_us < 0)
        age_us = 0;
    atomic_store(&k->read_us, clock_mono_us() - age_us);
    return age_us;
}

/* --- the disk ------------------------------------------------------------ */

static void disk_read(struct keys *k)
{
    struct err err = {0};
    AUTO_RELEASE(buf) bytes = {0};
    struct snapshot *s = file_read(k->path, FILE_MAX, &bytes, &err)
                             ? snapshot_of(k, buf_str(&bytes), &err)
                             : NULL;

    if (!s) {
        log_warn("keys_not_on_disk", LOG_S("path", k->path), LOG_ERR(&err));
        return;
    }
    int64_t age_us = age_set(k, snapshot_read_at(s));
    log_warn("keys_from_disk", LOG_I("age", age_us / 1000000),
             LOG_I("keys", keyring_count(snapshot_ring(s))));
    snapshot_swap(k, s);
}

static void disk_write(struct keys *k)
{
    struct err err = {0};
    bool good = file_replace(k->path, buf_str(&k->bytes), &err);

    k->kept_us = good ? clock_mono_us() : 0;
    if (!good && !k->not_kept)
        log_error("keys_not_kept", LOG_S("path", k->path), LOG_ERR(&err));
    k->not_kept = !good;
}

/* --- one round ----------------------------------------------------------- */

static struct pg *pg_of(const struct keys *k, int64_t connect_ms,
                        int64_t statement_ms)
{
    return pg_new(&(struct pg_options){
        .url = k->options.postgres_url,
        .application = "pulse-ingest",
        .connect_timeout_ms = connect_ms,
        .statement_timeout_ms = statement_ms,
        .margin_ms = connect_ms,
    });
}

/* Takes what was read: nothing is built anew where nothing changed. */
static bool bytes_take(struct keys *k, struct buf *fresh, struct err *err)
{
    bool first = k->bytes.n == 0;
    bool same = !first && snapshot_same(buf_str(&k->bytes), buf_str(fresh));
    struct snapshot *s = same ? NULL : snapshot_of(k, buf_str(fresh), err);

    if (!same && !s)
        return false;
    buf_release(&k->bytes);
    k->bytes = *fresh;
    *fresh = (struct buf){0};
    if (s)
        snapshot_swap(k, s);
    if (first)
        log_info("keys_read",
                 LOG_I("keys", keyring_count(snapshot_ring(k->snapshot))));
    if (k->path && (!same || clock_mono_us() - k->kept_us >= CONFIRM_US))
        disk_write(k);
    return true;
}

static bool keys_read(struct keys *k, struct err *err)
{
    AUTO_RELEASE(buf) fresh = {0};
    int64_t now_us = clock_mono_us();

    if (!snapshot_read(k->pg, &fresh, err) || !bytes_take(k, &fresh, err))
        return false;
    atomic_store(&k->read_us, now_us);
    return true;
}

static void keys_round(struct keys *k)
{
    struct err err = {0};
    bool good = keys_read(k, &err);

    if (!good)
        counter_add(k->failures, 1);
    if (!good && !k->failing)
        log_warn("keys_unreadable", LOG_ERR(&err));
    if (good && k->failing)
        log_info("keys_read_again");
    k->failing = !good;
}

static void uses_write(struct keys *k)
{
    struct err err = {0};

    if (!k->snapshot || !pg_connected(k->pg))
        return;
    key_uses_gather(k->uses, snapshot_ring(k->snapshot));
    k->uses_us = clock_mono_us();
    bool good = key_uses_write(k->uses, k->pg, &err);
    if (!good && !k->uses_failing)
        log_warn("key_uses_not_written", LOG_ERR(&err));
    k->uses_failing = !good;
}

/* --- the thread ---------------------------------------------------------- */

/* True when asked to stop. */
static bool keys_wait(struct keys *k)
{
    int64_t refresh_ms = k->options.settings->keys_refresh_ms;
    struct timespec until;

    clock_gettime(CLOCK_MONOTONIC, &until);
    int64_t ns = until.tv_nsec + refresh_ms % 1000 * 1000000;
    until.tv_sec += refresh_ms / 1000 + ns / 1000000000;
    until.tv_nsec = ns % 1000000000;
    pthread_mutex_lock(&k->stop_lock);
    while (!k->stopping &&
           pthread_cond_timedwait(&k->stop_cond, &k->stop_lock, &until) == 0)
        ;
    bool stopping = k->stopping;
    pthread_mutex_unlock(&k->stop_lock);
    return stopping;
}

/* The first round; a server that hangs does not hold it up for long. */
static void keys_start(struct keys *k)
{
    if (k->path) {
        k->pg = pg_of(k, START_MS, START_MS);
        keys_round(k);
        if (!k->snapshot)
            disk_read(k);
        pg_free(k->pg);
    }
    k->pg = pg_of(k, CONNECT_MS, STATEMENT_MS);
}

static void *keys_main(void *arg)
{
    struct keys *k = arg;

    keys_start(k);
    do {
        keys_round(k);
        if (clock_mono_us() - k->uses_us >=
            k->options.settings->keys_used_ms * 1000)
            uses_write(k);
    } while (!keys_wait(k));
    uses_write(k);
    return NULL;
}

static double keys_age_seconds(void *arg)
{
    const struct keys *k = arg;
    int64_t read_us = atomic_load(&k->read_us);

    return read_us == INT64_MIN ? -1
                                : (double)(clock_mono_us() - read_us) / 1e6;
}

static void metrics_add(struct keys *k)
{
    struct metrics *m = k->options.metrics;

    k->count = metrics_gauge(m, "pulse_ingest_keys",
                             "API keys in the snapshot.", NULL);
    k->failures = metrics_counter(
        m, "pulse_ingest_keys_failures_total",
        "Times the API keys could not be read from PostgreSQL.", NULL);
    metrics_gauge_fn(m, "pulse_ingest_keys_age_seconds",
                     "Age of the snapshot of API keys and limits, also of one "
                     "from disk; -1 before the first.",
                     keys_age_seconds, k);
}

struct keys *keys_new(const struct keys_options *options)
{
    struct keys *k = xcalloc(1, sizeof *k);
    pthread_condattr_t attr;

    k->options = *options;
    if (options->settings->snapshot_path[0] != '\0')
        k->path = options->settings->snapshot_path;
    k->quotas = quotas_new();
    k->uses = key_uses_new();
    k->uses_us = clock_mono_us();
    atomic_init(&k->read_us, INT64_MIN);
    metrics_add(k);
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
    metrics_gauge_fn_end(k->options.metrics, k);
    pthread_cond_destroy(&k->stop_cond);
    pthread_mutex_destroy(&k->stop_lock);
    pthread_rwlock_destroy(&k->lock);
    snapshot_free(k->snapshot);
    key_uses_free(k->uses);
    quotas_free(k->quotas);
    buf_release(&k->bytes);
    pg_free(k->pg);
    free(k);
}

/* --- asking -------------------------------------------------------------- */

static void pass_fill(struct pass *pass, const struct key *key,
                      const struct tenant *t, struct arena *a)
{
    *pass = (struct pass){
        .caller = {.tenant_id = arena_str(a, key->tenant_id),
                   .key_id = arena_str(a, key->key_id)},
        .scopes = key->scopes,
        .rules = t->rules,
        .records_max = t->records_max,
        .body_bytes_max = t->body_bytes_max,
        .quota = t->quota,
    };
    if (key->device_id.p)
        pass->caller.device_id = arena_str(a, key->device_id);
}

enum keys_answer keys_find(struct keys *k, struct str presented,
                           struct arena *a, struct pass *pass)
{
    enum keys_answer answer = KEYS_NOT_READY;
    int64_t now_us = clock_wall_us();

    pthread_rwlock_rdlock(&k->lock);
    if (k->snapshot) {
        const struct key *key =
            keyring_find(snapshot_ring(k->snapshot), presented, now_us);
        answer = key ? KEYS_FOUND : KEYS_UNKNOWN;
        if (key) {
            key_use(key, now_us);
            pass_fill(pass, key, snapshot_find(k->snapshot, key->tenant_id), a);
        }
    }
    pthread_rwlock_unlock(&k->lock);
    return answer;
}
