/* SPDX-License-Identifier: Apache-2.0 */
#include "services/ingest/quota.h"

#include <math.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>

#include "common/map.h"

enum { NEWS_US = 10000000 };

struct bucket {
    double rate, burst; /* rate 0: no limit */
    double tokens;      /* below 0: debt */
    /* What came since it was full, taken or refused. In debt, that is more
     * than the rate allows for the time, whatever the burst. */
    double offered;
    int64_t full_us;
};

struct quota {
    atomic_bool limited;  /* else the lock is left alone */
    pthread_mutex_t lock; /* guards what follows */
    struct bucket buckets[QUOTA_COUNT];
    int64_t filled_us;
    int64_t told_us;
    double usual_records; /* of a request: what a refused one may have had */
};

struct quotas {
    struct map *tenants; /* tenant_id -> struct quota */
};

static void quota_free(void *value)
{
    struct quota *q = value;

    pthread_mutex_destroy(&q->lock);
    free(q);
}

struct quotas *quotas_new(void)
{
    struct quotas *q = xcalloc(1, sizeof *q);

    q->tenants = map_new(0, quota_free);
    return q;
}

void quotas_free(struct quotas *q)
{
    if (!q)
        return;
    map_free(q->tenants);
    free(q);
}

static struct quota *quota_new(int64_t now_us)
{
    struct quota *q = xcalloc(1, sizeof *q);

    pthread_mutex_init(&q->lock, NULL);
    q->filled_us = now_us;
    q->told_us = now_us - NEWS_US;
    for (size_t i = 0; i < QUOTA_COUNT; i++)
        q->buckets[i].full_us = now_us;
    return q;
}

/* With the lock held, like all that follows. */
static void fill(struct quota *q, int64_t now_us)
{
    double seconds = (double)(now_us - q->filled_us) / 1e6;

    if (seconds <= 0) /* another thread's clock was read later */
        return;
    q->filled_us = now_us;
    for (size_t i = 0; i < QUOTA_COUNT; i++) {
        struct bucket *b = &q->buckets[i];
        b->tokens += seconds * b->rate;
        if (b->tokens < b->burst)
            continue;
        b->tokens = b->burst;
        b->offered = 0;
        b->full_us = now_us;
    }
}

static void bucket_set(struct bucket *b, const struct quota_rate *rate,
                       int64_t now_us)
{
    bool fresh = b->rate <= 0; /* there was no limit: no debt either */

    b->rate = rate->per_second;
    b->burst = rate->burst > 0 ? rate->burst : 10 * rate->per_second;
    b->tokens = fresh ? b->burst : fmin(b->tokens, b->burst);
    if (fresh) {
        b->offered = 0;
        b->full_us = now_us;
    }
}

struct quota *quotas_set(struct quotas *all, struct str tenant,
                         const struct quota_rate rates[QUOTA_COUNT],
                         int64_t now_us)
{
    struct quota *q = map_get(all->tenants, tenant);
    bool limited = false;

    if (!q) {
        q = quota_new(now_us);
        map_put(all->tenants, tenant, q);
    }
    pthread_mutex_lock(&q->lock);
    fill(q, now_us);
    for (size_t i = 0; i < QUOTA_COUNT; i++) {
        bucket_set(&q->buckets[i], &rates[i], now_us);
        limited = limited || rates[i].per_second > 0;
    }
    pthread_mutex_unlock(&q->lock);
    atomic_store(&q->limited, limited);
    return q;
}

/* Per second; at first as if it had come in the time the burst is for. */
static double seen(const struct bucket *b, int64_t now_us)
{
    double seconds = (double)(now_us - b->full_us) / 1e6;

    return b->offered / fmax(seconds, fmin(1, b->burst / b->rate));
}

static bool in_debt(const struct bucket *b)
{
    return b->rate > 0 && b->tokens < -1e-6;
}

static void refusal_fill(struct quota *q, enum quota_kind kind, int64_t now_us,
                         struct quota_refusal *out)
{
    const struct bucket *b = &q->buckets[kind];

    *out = (struct quota_refusal){
        .kind = kind,
        .seen = seen(b, now_us),
        .allowed = b->rate,
        .retry_s = (int64_t)fmax(1, ceil(-b->tokens / b->rate)),
        .news = now_us - q->told_us >= NEWS_US,
    };
    if (out->news)
        q->told_us = now_us;
}

bool quota_admit(struct quota *q, size_t bytes, int64_t now_us,
                 struct quota_refusal *refusal)
{
    bool refused = false;

    if (!atomic_load_explicit(&q->limited, memory_order_relaxed))
        return true;
    pthread_mutex_lock(&q->lock);
    fill(q, now_us);
    const struct bucket *records = &q->buckets[QUOTA_RECORDS];
    const struct bucket *volume = &q->buckets[QUOTA_BYTES];
    refused = in_debt(records) || in_debt(volume);
    if (refused) {
        /* The one that is longer in debt decides how long it takes. */
        bool by_bytes =
            !in_debt(records) ||
            (in_debt(volume) &&
             volume->tokens / volume->rate < records->tokens / records->rate);
        q->buckets[QUOTA_RECORDS].offered += q->usual_records;
        q->buckets[QUOTA_BYTES].offered += (double)bytes;
        refusal_fill(q, by_bytes ? QUOTA_BYTES : QUOTA_RECORDS, now_us,
                     refusal);
    }
    pthread_mutex_unlock(&q->lock);
    return !refused;
}

void quota_take(struct quota *q, size_t records, size_t bytes, int64_t now_us)
{
    const double taken[QUOTA_COUNT] = {(double)records, (double)bytes};

    if (!atomic_load_explicit(&q->limited, memory_order_relaxed))
        return;
    pthread_mutex_lock(&q->lock);
    fill(q, now_us);
    for (size_t i = 0; i < QUOTA_COUNT; i++) {
        q->buckets[i].tokens -= taken[i];
        q->buckets[i].offered += taken[i];
    }
    double weight = q->usual_records > 0 ? 0.125 : 1;
    q->usual_records += weight * (taken[QUOTA_RECORDS] - q->usual_records);
    pthread_mutex_unlock(&q->lock);
}
