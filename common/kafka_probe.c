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
    _Atomic rd_kafka_resp_err_t state;
};

static rd_kafka_resp_err_t judge(const struct rd_kafka_metadata *m,
                                 size_t topics)
{
    size_t known = 0;
    for (int i = 0; i < m->topic_cnt; i++) {
        if (m->topics[i].err != RD_KAFKA_RESP_ERR_NO_ERROR) {
            return m->topics[i].err;
        }
        known += m->topics[i].partition_cnt > 0;
    }
    return known >= topics ? RD_KAFKA_RESP_ERR_NO_ERROR
                           : RD_KAFKA_RESP_ERR_LEADER_NOT_AVAILABLE;
}

static rd_kafka_resp_err_t ask(struct kafka_probe *p)
{
    const struct rd_kafka_metadata *m = NULL;
    rd_kafka_resp_err_t err = rd_kafka_metadata(p->rk, 0, NULL, &m, ASK_MS);
    if (err != RD_KAFKA_RESP_ERR_NO_ERROR) {
        return err;
    }
    err = p->topics > 0 ? judge(m, p->topics) : RD_KAFKA_RESP_ERR_NO_ERROR;
    rd_kafka_metadata_destroy(m);
    return err;
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
    rd_kafka_resp_err_t state;
    do {
        state = ask(p);
        atomic_store(&p->state, state);
    } while (!pause_ms(p, state == RD_KAFKA_RESP_ERR_NO_ERROR ? UP_EVERY_MS
                                                              : DOWN_EVERY_MS));
    return NULL;
}

struct kafka_probe *kafka_probe_new(rd_kafka_t *rk, size_t topics)
{
    struct kafka_probe *p = xcalloc(1, sizeof *p);
    pthread_condattr_t monotonic;
    p->rk = rk;
    p->topics = topics;
    p->state = RD_KAFKA_RESP_ERR__WAIT_CACHE; /* not asked yet */
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

rd_kafka_resp_err_t kafka_probe_state(const struct kafka_probe *p)
{
    return atomic_load(&p->state);
}

bool kafka_probe_up(const struct kafka_probe *p)
{
    return kafka_probe_state(p) == RD_KAFKA_RESP_ERR_NO_ERROR;
}

void kafka_probe_down(struct kafka_probe *p)
{
    atomic_store(&p->state, RD_KAFKA_RESP_ERR__ALL_BROKERS_DOWN);
}
