/* SPDX-License-Identifier: Apache-2.0 */
/*
 * librdkafka's producer cannot be mended after a fatal error, only replaced.
 * So a kafka_producer is a shell around the link in use. The thread that
 * serves owns all links and is the only one to replace the one in use; every
 * other thread holds the lock while it uses it. A link that was replaced is
 * served until its last report, and then destroyed by a thread of its own,
 * since that waits for librdkafka's threads.
 */
#include "common/kafka_producer.h"

#include <assert.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <unistd.h>

#include "common/clock.h"
#include "common/kafka_client.h"
#include "common/kafka_link.h"

enum {
    FREE_WAIT_MS = 5000,
    PURGE_EVERY_US = 200000,
    /* librdkafka looks for messages out of time once a second. */
    LATE_MS = 2000,
};

struct old_link {
    struct old_link *next;
    struct kafka_link *link;
    int64_t purge_us;   /* when to purge its queue again: retries come back */
    int64_t give_up_us; /* what is in flight then is so for ever */
    bool buried;
    pthread_t thread; /* if buried */
    atomic_bool gone;
};

struct kafka_producer {
    struct kafka_producer_options with; /* brokers and client_id are ours */
    int fd;
    pthread_rwlock_t lock;
    struct kafka_link *now;
    struct old_link *olds;
};

/* --- verdicts ------------------------------------------------------------ */

enum kafka_verdict kafka_verdict_worse(enum kafka_verdict a,
                                       enum kafka_verdict b)
{
    static const int ranks[KAFKA_VERDICTS] = {
        [KAFKA_ACKED] = 0,   [KAFKA_TOO_LARGE] = 1, [KAFKA_REFUSED] = 2,
        [KAFKA_UNKNOWN] = 3, [KAFKA_NO_TOPIC] = 4,  [KAFKA_FORBIDDEN] = 5,
    };
    return ranks[a] < ranks[b] ? b : a;
}

const char *kafka_verdict_name(enum kafka_verdict v)
{
    static const char *const names[KAFKA_VERDICTS] = {
        [KAFKA_ACKED] = "acked",       [KAFKA_UNKNOWN] = "unknown",
        [KAFKA_REFUSED] = "refused",   [KAFKA_TOO_LARGE] = "too_large",
        [KAFKA_NO_TOPIC] = "no_topic", [KAFKA_FORBIDDEN] = "forbidden",
    };
    return names[v];
}

/* --- life ---------------------------------------------------------------- */

/* A replacement must not wait for a gap between senders. */
static void lock_init(pthread_rwlock_t *lock)
{
    pthread_rwlockattr_t writer_first;
    pthread_rwlockattr_init(&writer_first);
    pthread_rwlockattr_setkind_np(&writer_first,
                                  PTHREAD_RWLOCK_PREFER_WRITER_NONRECURSIVE_NP);
    pthread_rwlock_init(lock, &writer_first);
    pthread_rwlockattr_destroy(&writer_first);
}

struct kafka_producer *kafka_producer_new(
    const struct kafka_producer_options *options, struct err *err)
{
    AUTO(kafka_producer) p = xcalloc(1, sizeof *p);
    p->with = *options;
    p->with.brokers = xstrdup(options->brokers);
    p->with.client_id = xstrdup(options->client_id);
    p->fd = kafka_wake_new();
    lock_init(&p->lock);
    p->now = kafka_link_new(&p->with, p->fd, err);
    return p->now != NULL ? MOVE(p) : NULL;
}

static void *old_destroy(void *arg)
{
    struct old_link *o = arg;
    kafka_link_free(o->link);
    atomic_store(&o->gone, true);
    return NULL;
}

/* False: it is no more. */
static bool old_serve(struct old_link *o, int64_t now_us)
{
    if (o->buried && !atomic_load(&o->gone)) {
        return true;
    }
    if (o->buried) {
        pthread_join(o->thread, NULL);
        free(o);
        return false;
    }
    if (now_us >= o->purge_us) {
        kafka_link_purge(o->link, now_us >= o->give_up_us);
        o->purge_us = now_us + PURGE_EVERY_US;
    }
    kafka_link_serve(o->link);
    if (kafka_link_pending(o->link) == 0) {
        o->buried = pthread_create(&o->thread, NULL, old_destroy, o) == 0;
    }
    return true;
}

static void olds_serve(struct kafka_producer *p)
{
    for (struct old_link **at = &p->olds; *at != NULL;) {
        struct old_link *next = (*at)->next;
        if (old_serve(*at, clock_mono_us())) {
            at = &(*at)->next;
        } else {
            *at = next;
        }
    }
}

/* Reports what is left: purged from the queue, or abandoned in flight. */
static void give_up(struct kafka_producer *p)
{
    int64_t until = clock_mono_us() + FREE_WAIT_MS * INT64_C(1000);
    for (struct old_link *o = p->olds; o != NULL; o = o->next) {
        o->purge_us = o->give_up_us = 0;
    }
    kafka_link_purge(p->now, true);
    kafka_producer_serve(p);
    while (kafka_producer_pending(p) > 0 && clock_mono_us() < until) {
        usleep(1000);
        kafka_producer_serve(p);
    }
}

static void olds_free(struct kafka_producer *p)
{
    while (p->olds != NULL) {
        struct old_link *o = p->olds;
        p->olds = o->next;
        if (o->buried) {
            pthread_join(o->thread, NULL);
        } else {
            kafka_link_free(o->link);
        }
        free(o);
    }
}

void kafka_producer_free(struct kafka_producer *p)
{
    if (p == NULL) {
        return;
    }
    if (p->now != NULL) {
        give_up(p);
    }
    olds_free(p);
    kafka_link_free(p->now);
    pthread_rwlock_destroy(&p->lock);
    close(p->fd);
    free((void *)(uintptr_t)p->with.brokers);
    free((void *)(uintptr_t)p->with.client_id);
    free(p);
}

bool kafka_producer_rebuild(struct kafka_producer *p, struct err *err)
{
    struct kafka_link *made = kafka_link_new(&p->with, p->fd, err);
    if (made == NULL) {
        return false;
    }
    struct old_link *old = xcalloc(1, sizeof *old);
    old->link = p->now;
    old->give_up_us = clock_mono_us() +
                      (p->with.message_timeout_ms + LATE_MS) * INT64_C(1000);
    pthread_rwlock_wrlock(&p->lock);
    p->now = made;
    pthread_rwlock_unlock(&p->lock);
    old->next = p->olds;
    p->olds = old;
    olds_serve(p);
    return true;
}

/* --- use ----------------------------------------------------------------- */

int kafka_producer_fd(const struct kafka_producer *p)
{
    return p->fd;
}

void kafka_producer_serve(struct kafka_producer *p)
{
    kafka_wake_drain(p->fd);
    kafka_link_serve(p->now);
    olds_serve(p);
}

size_t kafka_producer_send(struct kafka_producer *p, size_t topic,
                           struct kafka_record *records, size_t count)
{
    pthread_rwlock_rdlock(&p->lock);
    size_t sent = kafka_link_send(p->now, topic, records, count);
    pthread_rwlock_unlock(&p->lock);
    return sent;
}

size_t kafka_producer_pending(const struct kafka_producer *p)
{
    size_t pending = kafka_link_pending(p->now);
    for (const struct old_link *o = p->olds; o != NULL; o = o->next) {
        pending += o->buried ? 0 : kafka_link_pending(o->link);
    }
    return pending;
}

void kafka_producer_hurry(struct kafka_producer *p)
{
    pthread_rwlock_rdlock(&p->lock);
    kafka_link_hurry(p->now);
    pthread_rwlock_unlock(&p->lock);
}

enum kafka_verdict kafka_producer_outlook(struct kafka_producer *p)
{
    pthread_rwlock_rdlock(&p->lock);
    enum kafka_verdict outlook = kafka_link_outlook(p->now);
    pthread_rwlock_unlock(&p->lock);
    return outlook;
}

bool kafka_producer_broken(struct kafka_producer *p, struct err *err)
{
    pthread_rwlock_rdlock(&p->lock);
    bool broken = kafka_link_broken(p->now, err);
    pthread_rwlock_unlock(&p->lock);
    return broken;
}
