/* SPDX-License-Identifier: Apache-2.0 */
#include "common/loop.h"

#include <assert.h>
#include <errno.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include "common/clock.h"

/*
 * An io freed in a callback may still have an event waiting in this turn's
 * list. So it is only marked dead there and freed when the turn ends.
 */
struct loop_io {
    struct loop *loop;
    struct loop_io *next;
    int fd;
    bool dead;
    void (*fn)(void *arg, uint32_t events);
    void *arg;
};

struct loop_timer {
    struct loop *loop;
    struct loop_timer *next;
    int64_t due_us; /* -1: not running */
    int64_t period_us;
    bool dead;
    void (*fn)(void *arg);
    void *arg;
};

struct on_signal {
    void (*fn)(void *arg);
    void *arg;
};

struct loop {
    int epoll_fd, wake_fd, signal_fd;
    struct loop_io *ios;
    struct loop_timer *timers; /* a dozen or so: a list is enough */
    sigset_t signals;
    struct on_signal on_signal[NSIG];
    struct loop_io *wake_io, *signal_io;
    _Atomic int64_t turned_us;
    _Atomic bool stopped;
    _Atomic int status;
};

static void on_wake(void *arg, uint32_t events)
{
    struct loop *l = arg;
    uint64_t count;
    (void)events;
    while (read(l->wake_fd, &count, sizeof count) > 0)
        continue;
}

struct loop *loop_new(void)
{
    struct loop *l = xcalloc(1, sizeof *l);
    l->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
    l->wake_fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
    assert(l->epoll_fd >= 0 && l->wake_fd >= 0);
    l->signal_fd = -1;
    sigemptyset(&l->signals);
    atomic_store(&l->turned_us, clock_mono_us());
    l->wake_io = loop_io_new(l, l->wake_fd, EPOLLIN, on_wake, l);
    return l;
}

void loop_free(struct loop *l)
{
    if (l == NULL)
        return;
    while (l->ios != NULL) {
        struct loop_io *next = l->ios->next;
        free(l->ios);
        l->ios = next;
    }
    while (l->timers != NULL) {
        struct loop_timer *next = l->timers->next;
        free(l->timers);
        l->timers = next;
    }
    if (l->signal_fd >= 0)
        close(l->signal_fd);
    close(l->wake_fd);
    close(l->epoll_fd);
    free(l);
}

/* ---- file descriptors ---- */

struct loop_io *loop_io_new(struct loop *l, int fd, uint32_t events,
                            void (*fn)(void *arg, uint32_t events), void *arg)
{
    struct loop_io *io = xcalloc(1, sizeof *io);
    *io = (struct loop_io){
        .loop = l, .next = l->ios, .fd = fd, .fn = fn, .arg = arg};
    l->ios = io;
    struct epoll_event event = {.events = events, .data.ptr = io};
    int added = epoll_ctl(l->epoll_fd, EPOLL_CTL_ADD, fd, &event);
    assert(added == 0);
    return io;
}

void loop_io_set(struct loop_io *io, uint32_t events)
{
    struct epoll_event event = {.events = events, .data.ptr = io};
    int changed = epoll_ctl(io->loop->epoll_fd, EPOLL_CTL_MOD, io->fd, &event);
    assert(changed == 0);
}

void loop_io_free(struct loop_io *io)
{
    if (io == NULL || io->dead)
        return;
    /* Fails if the fd is already closed, and then there is nothing to do. */
    epoll_ctl(io->loop->epoll_fd, EPOLL_CTL_DEL, io->fd, NULL);
    io->dead = true;
}

/* ---- timers ---- */

struct loop_timer *loop_timer_new(struct loop *l, void (*fn)(void *arg),
                                  void *arg)
{
    struct loop_timer *t = xcalloc(1, sizeof *t);
    *t = (struct loop_timer){
        .loop = l, .next = l->timers, .due_us = -1, .fn = fn, .arg = arg};
    l->timers = t;
    return t;
}

void loop_timer_set(struct loop_timer *t, int64_t delay_ms, int64_t period_ms)
{
    assert(delay_ms >= 0 && period_ms >= 0);
    t->due_us = clock_mono_us() + delay_ms * 1000;
    t->period_us = period_ms * 1000;
}

void loop_timer_cancel(struct loop_timer *t)
{
    t->due_us = -1;
}

void loop_timer_free(struct loop_timer *t)
{
    if (t == NULL)
        return;
    t->due_us = -1;
    t->dead = true;
}

/* Timers due at now fire in the order of their due times; one set by a timer
 * of this turn waits for the next, so that timers cannot starve the rest. */
static struct loop_timer *next_due(struct loop *l, int64_t now_us)
{
    struct loop_timer *first = NULL;
    for (struct loop_timer *t = l->timers; t != NULL; t = t->next)
        if (t->due_us >= 0 && t->due_us <= now_us &&
            (first == NULL || t->due_us < first->due_us))
            first = t;
    return first;
}

static void fire(struct loop_timer *t, int64_t now_us)
{
    int64_t due_us = t->due_us + t->period_us;
    if (t->period_us == 0)
        due_us = -1;
    else if (due_us <= now_us) /* late: skip what was missed */
        due_us = now_us + t->period_us;
    t->due_us = due_us;
    t->fn(t->arg);
}

static void run_timers(struct loop *l)
{
    int64_t now_us = clock_mono_us();
    struct loop_timer *t;
    for (int fired = 0; fired < 1000 && (t = next_due(l, now_us)) != NULL;
         fired++)
        fire(t, now_us);
}

static int wait_ms(const struct loop *l)
{
    int64_t due_us = INT64_MAX;
    for (const struct loop_timer *t = l->timers; t != NULL; t = t->next)
        if (t->due_us >= 0 && t->due_us < due_us)
            due_us = t->due_us;
    int64_t ms = 1000; /* turn at least once a second: loop_idle_ms */
    if (due_us != INT64_MAX) {
        int64_t left_us = due_us - clock_mono_us();
        if (left_us <= 0)
            return 0;
        if ((left_us + 999) / 1000 < ms)
            ms = (left_us + 999) / 1000;
    }
    return (int)ms;
}

/* ---- signals ---- */

static void on_signals(void *arg, uint32_t events)
{
    struct loop *l = arg;
    struct signalfd_siginfo info;
    (void)events;
    while (read(l->signal_fd, &info, sizeof info) == sizeof info) {
        assert(info.ssi_signo < NSIG);
        struct on_signal *on = &l->on_signal[info.ssi_signo];
        if (on->fn != NULL)
            on->fn(on->arg);
    }
}

void loop_on_signal(struct loop *l, int signo, void (*fn)(void *arg), void *arg)
{
    assert(signo > 0 && signo < NSIG);
    l->on_signal[signo] = (struct on_signal){fn, arg};
    sigaddset(&l->signals, signo);
    int blocked = pthread_sigmask(SIG_BLOCK, &l->signals, NULL);
    assert(blocked == 0);
    bool first = l->signal_fd < 0;
    l->signal_fd =
        signalfd(l->signal_fd, &l->signals, SFD_NONBLOCK | SFD_CLOEXEC);
    assert(l->signal_fd >= 0);
    if (first)
        l->signal_io = loop_io_new(l, l->signal_fd, EPOLLIN, on_signals, l);
}

/* ---- the loop ---- */

static void sweep(struct loop *l)
{
    for (struct loop_io **at = &l->ios; *at != NULL;) {
        struct loop_io *io = *at;
        if (io->dead) {
            *at = io->next;
            free(io);
        } else {
            at = &io->next;
        }
    }
    for (struct loop_timer **at = &l->timers; *at != NULL;) {
        struct loop_timer *t = *at;
        if (t->dead) {
            *at = t->next;
            free(t);
        } else {
            at = &t->next;
        }
    }
}

static void turn(struct loop *l)
{
    struct epoll_event events[64];
    int n = epoll_wait(l->epoll_fd, events, (int)ARRAY_LEN(events), wait_ms(l));
    assert(n >= 0 || errno == EINTR);
    atomic_store(&l->turned_us, clock_mono_us());
    for (int i = 0; i < n; i++) {
        struct loop_io *io = events[i].data.ptr;
        if (!io->dead)
            io->fn(io->arg, events[i].events);
    }
    run_timers(l);
    sweep(l);
}

int loop_run(struct loop *l)
{
    while (!atomic_load(&l->stopped))
        turn(l);
    atomic_store(&l->stopped, false);
    return atomic_load(&l->status);
}

void loop_stop(struct loop *l, int status)
{
    atomic_store(&l->status, status);
    atomic_store(&l->stopped, true);
    uint64_t one = 1;
    ssize_t written = write(l->wake_fd, &one, sizeof one);
    (void)written; /* full: it is awake anyway */
}

int64_t loop_idle_ms(const struct loop *l)
{
    return (clock_mono_us() - atomic_load(&l->turned_us)) / 1000;
}
