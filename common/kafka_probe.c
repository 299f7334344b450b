/* SPDX-License-Identifier: Apache-2.0 */
#include <assert.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <time.h>

#include "common/kafka_client.h"

enum { ASK_MS = 1000, UP_EVERY_MS = 2000, DOWN_EVERY_MS = 200 };

struct kafka_probe {
    rd_kafka_t *rk;
    size_t topics;
    pthread_t thread;
    pthread_mutex_t lock;
    pthread_cond_t stopped;
    bool stop;
    atomic_bool up;
};

static bool all_known(const struct rd_kafka_metadata *m, size_t topics)
{
    size_t known = 0;
    for (int i = 0; i < m->topic_cnt; i++) {
        if (m->topics[i].err == RD_KAFKA_RESP_ERR_NO_ERROR &&
            m->topics[i].partition_cnt > 0) {
            known++;
        }
    }
    return known >= topics;
}

static bool ask(struct kafka_probe *p)
{
    const struct rd_kafka_metadata *m = NULL;
    if (rd_kafka_metadata(p->rk, 0, NULL, &m, ASK_MS) !=
        RD_KAFKA_RESP_ERR_NO_ERROR) {
        return false;
    }
    bool known = all_known(m, p->topics);
    rd_kafka_metadata_destroy(m);
    return known;
}

/* True: time to end. */
static bool pause_ms(struct kafka_probe *p, int64_t ms)
{
    struct timespec until;
    clock_gettime(CLOCK_MONOTONIC, &until);
    until.tv_sec += ms / 1000;
    until.tv_nsec += ms % 1000 * 1000000;
    if (until.tv_nsec >= 1000000000) {
        until.tv_sec++;
        until.tv_nsec -= 1000000000;
    }
    pthread_mutex_lock(&p->lock);
    while (!p->stop &&
           pthread_cond_timedwait(&p->stopped, &p->lock, &until) == 0) {
    }
    bool stop = p->stop;
    pthread_mutex_unlock(&p->lock);
    return stop;
}

static void *run(void *arg)
{
    struct kafka_probe *p = arg;
    bool up;
    do {
        up = ask(p);
        atomic_store(&p->up, up);
    } while (!pause_ms(p, up ? UP_EVERY_MS : DOWN_EVERY_MS));
    return NULL;
}

struct kafka_probe *kafka_probe_new(rd_kafka_t *rk, size_t topics)
{
    struct kafka_probe *p = xcalloc(1, sizeof *p);
    pthread_condattr_t monotonic;
    p->rk = rk;
    p->topics = topics;
    pthread_mutex_init(&p->lock, NULL);
    pthread_condattr_init(&monotonic);
    pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC);
    pthread_cond_init(&p->stopped, &monotonic);
    pthread_condattr_destroy(&monotonic);
    int failed = pthread_create(&p->thread, NULL, run, p);
    assert(failed == 0);
    return p;
}

void kafka_probe_free(struct kafka_probe *p)
{
    if (p == NULL) {
        return;
    }
    pthread_mutex_lock(&p->lock);
    p->stop = true;
    pthread_cond_signal(&p->stopped);
    pthread_mutex_unlock(&p->lock);
    pthread_join(p->thread, NULL);
    pthread_cond_destroy(&p->stopped);
    pthread_mutex_destroy(&p->lock);
    free(p);
}

bool kafka_probe_up(const struct kafka_probe *p)
{
    return atomic_load(&p->up);
}

void kafka_probe_down(struct kafka_probe *p)
{
    atomic_store(&p->up, false);
}
