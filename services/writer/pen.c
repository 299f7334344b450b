/* SPDX-License-Identifier: Apache-2.0 */
#include "services/writer/pen.h"

#include <assert.h>
#include <pthread.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <unistd.h>

struct pen {
    struct store *store;
    int fd;
    pthread_t thread;
    struct batch *batch; /* with the pen; the loop's view, needs no lock */

    pthread_mutex_t lock;
    pthread_cond_t moved;
    struct batch *todo; /* handed over and not yet through */
    bool stop;
    bool ok; /* of the last one */
    struct err err;
};

/* NULL: stop. */
static struct batch *next_batch(struct pen *p)
{
    pthread_mutex_lock(&p->lock);
    while (p->todo == NULL && !p->stop)
        pthread_cond_wait(&p->moved, &p->lock);
    struct batch *b = p->todo;
    pthread_mutex_unlock(&p->lock);
    return b;
}

static void batch_through(struct pen *p, bool ok, const struct err *err)
{
    const uint64_t one = 1;
    pthread_mutex_lock(&p->lock);
    p->todo = NULL;
    p->ok = ok;
    p->err = *err;
    pthread_cond_signal(&p->moved);
    ssize_t n = write(p->fd, &one, sizeof one);
    assert(n == sizeof one);
    pthread_mutex_unlock(&p->lock);
}

static void *run(void *arg)
{
    struct pen *p = arg;
    struct batch *b;
    while ((b = next_batch(p)) != NULL) {
        struct err err = {0};
        bool ok = store_write(p->store, b, &err);
        batch_through(p, ok, &err);
    }
    return NULL;
}

struct pen *pen_new(struct store *store)
{
    struct pen *p = xcalloc(1, sizeof *p);
    p->store = store;
    p->fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    assert(p->fd >= 0);
    pthread_mutex_init(&p->lock, NULL);
    pthread_cond_init(&p->moved, NULL);
    int failed = pthread_create(&p->thread, NULL, run, p);
    assert(failed == 0);
    return p;
}

void pen_free(struct pen *p)
{
    if (p == NULL)
        return;
    pthread_mutex_lock(&p->lock);
    p->stop = true;
    pthread_cond_signal(&p->moved);
    pthread_mutex_unlock(&p->lock);
    pthread_join(p->thread, NULL);
    pthread_cond_destroy(&p->moved);
    pthread_mutex_destroy(&p->lock);
    close(p->fd);
    free(p);
}

int pen_fd(const struct pen *p)
{
    return p->fd;
}

void pen_write(struct pen *p, struct batch *b)
{
    assert(p->batch == NULL);
    p->batch = b;
    pthread_mutex_lock(&p->lock);
    p->todo = b;
    pthread_cond_signal(&p->moved);
    pthread_mutex_unlock(&p->lock);
}

bool pen_has(const struct pen *p)
{
    return p->batch != NULL;
}

struct batch *pen_take(struct pen *p, bool *ok, struct err *err)
{
    assert(p->batch != NULL);
    pthread_mutex_lock(&p->lock);
    while (p->todo != NULL)
        pthread_cond_wait(&p->moved, &p->lock);
    *ok = p->ok;
    *err = p->err;
    pthread_mutex_unlock(&p->lock);
    uint64_t one;
    ssize_t n = read(p->fd, &one, sizeof one);
    assert(n == sizeof one);
    struct batch *b = p->batch;
    p->batch = NULL;
    return b;
}
