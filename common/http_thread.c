/* SPDX-License-Identifier: Apache-2.0 */
#include <assert.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "common/http_inside.h"

/*
 * One server thread: a libmicrohttpd daemon without threads of its own, turned
 * by our loop. Two reasons. libmicrohttpd's own epoll loop asks for more
 * events, and sleeps, whenever it got exactly as many as it asked for (128),
 * before it looks at those it has: with as many clients waiting for answers,
 * all stand still (tests/unit/http_life_test.c). And answers given in another
 * thread are handed over by one wake-up for many, not one write each: only
 * this thread calls libmicrohttpd, which therefore wakes nobody itself.
 */
enum { EVENTS_MAX = 2 };

/* Set while the calling thread holds wake-ups back. */
static _Thread_local bool holding;

static void wake(struct http_thread *t)
{
    uint64_t one = 1;
    ssize_t n = write(t->wake_fd, &one, sizeof one);
    (void)n; /* full: it is awake */
}

void http_thread_answered(struct http_request *r)
{
    struct http_thread *t = r->conn->thread;
    struct http_request *first = atomic_load(&t->answered);
    do
        r->next = first;
    while (!atomic_compare_exchange_weak(&t->answered, &first, r));
    if (holding)
        atomic_store(&t->owed, true);
    else if (first == NULL)
        wake(t);
}

void http_hold(void)
{
    holding = true;
}

void http_release(struct http_server *s)
{
    holding = false;
    for (int i = 0; i < s->thread_count; i++)
        if (atomic_exchange(&s->threads[i].owed, false))
            wake(&s->threads[i]);
}

void http_threads_give(struct http_server *s, struct http_conn *c)
{
    struct http_thread *t = &s->threads[0];
    for (int i = 1; i < s->thread_count; i++)
        if (atomic_load(&s->threads[i].conn_count) <
            atomic_load(&t->conn_count))
            t = &s->threads[i];
    atomic_fetch_add(&t->conn_count, 1);
    c->thread = t;
    struct http_conn *first = atomic_load(&t->arrived);
    do
        c->next_arrived = first;
    while (!atomic_compare_exchange_weak(&t->arrived, &first, c));
    if (first == NULL)
        wake(t);
}

/* For each that has arrived. */
static void arrived_do(struct http_thread *t, void (*fn)(struct http_conn *c))
{
    struct http_conn *c = atomic_exchange(&t->arrived, NULL);
    while (c != NULL) {
        struct http_conn *next = c->next_arrived;
        fn(c);
        c = next;
    }
}

static void resume_answered(struct http_thread *t)
{
    struct http_request *r = atomic_exchange(&t->answered, NULL);
    while (r != NULL) {
        struct http_request *next = r->next;
        MHD_resume_connection(r->connection);
        r = next;
    }
}

static void wake_take(struct http_thread *t)
{
    uint64_t count;
    ssize_t n = read(t->wake_fd, &count, sizeof count);
    (void)n;
    arrived_do(t, http_conn_open);
    resume_answered(t);
}

static void *turn(void *arg)
{
    struct http_thread *t = arg;
    while (!atomic_load(&t->server->stopping)) {
        struct epoll_event events[EVENTS_MAX];
        int n = epoll_wait(t->epoll_fd, events, EVENTS_MAX,
                           MHD_get_timeout_i(t->daemon));
        for (int i = 0; i < n; i++)
            if (events[i].data.fd == t->wake_fd)
                wake_take(t);
        MHD_run(t->daemon);
    }
    return NULL;
}

static bool watch(struct http_thread *t, int fd)
{
    struct epoll_event event = {.events = EPOLLIN, .data.fd = fd};
    return epoll_ctl(t->epoll_fd, EPOLL_CTL_ADD, fd, &event) == 0;
}

static bool thread_init(struct http_thread *t, struct http_server *s)
{
    t->server = s;
    t->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
    t->wake_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    t->daemon = http_daemon_new(t);
    if (t->daemon == NULL)
        return false;
    int fd = MHD_get_daemon_info(t->daemon, MHD_DAEMON_INFO_EPOLL_FD)->epoll_fd;
    t->running = watch(t, fd) && watch(t, t->wake_fd) &&
                 pthread_create(&t->thread, NULL, turn, t) == 0;
    return t->running;
}

bool http_threads_start(struct http_server *s)
{
    int count = s->options.threads < 1 ? 1 : s->options.threads;
    s->threads = xcalloc((size_t)count, sizeof *s->threads);
    while (s->thread_count < count)
        if (!thread_init(&s->threads[s->thread_count++], s))
            return false;
    return true;
}

static void thread_release(struct http_thread *t)
{
    if (t->running) {
        int joined = pthread_join(t->thread, NULL);
        assert(joined == 0);
    }
    arrived_do(t, http_conn_drop);
    resume_answered(t);
    if (t->daemon != NULL)
        MHD_stop_daemon(t->daemon);
    http_kept_release(&t->kept);
    close(t->wake_fd);
    close(t->epoll_fd);
}

void http_threads_stop(struct http_server *s)
{
    atomic_store(&s->stopping, true);
    for (int i = 0; i < s->thread_count; i++)
        wake(&s->threads[i]);
    for (int i = 0; i < s->thread_count; i++)
        thread_release(&s->threads[i]);
    free(s->threads);
}
