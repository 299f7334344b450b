/* SPDX-License-Identifier: Apache-2.0 */
#include "common/loop.h"

#include <assert.h>
#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include "common/clock.h"

/*
 * One turn: wait, serve the ready descriptors, then the timers due. Timers
 * stand in a binary heap by (due, order of setting). An io freed by a callback
 * may still be among the events of this turn, so its memory goes at the end
 * of the turn.
 */
enum {
    EVENTS_A_TURN = 64,
    TURN_MAX_MS = 1000, /* turns at least so often, so that liveness shows */
};

struct loop_io {
    struct loop *loop;
    struct loop_io *next, **link; /* in loop->ios */
    int fd;
    uint32_t events; /* 0: not in the epoll set */
    bool dead;
    void (*fn)(void *arg, uint32_t events);
    void *arg;
};

struct loop_timer {
    struct loop *loop;
    struct loop_timer *next, **link; /* in loop->timers */
    int64_t due_us, period_us;
    uint64_t order;
    size_t at; /* place in the heap; NOT_SET */
    void (*fn)(void *arg);
    void *arg;
};

#define NOT_SET SIZE_MAX

struct signal_fn {
    void (*fn)(void *arg);
    void *arg;
};

struct loop {
    int epoll_fd, wake_fd, signal_fd;
    struct loop_io *ios, *graveyard;
    struct loop_timer *timers;
    struct loop_timer **heap;
    size_t heap_count, heap_size;
    uint64_t order;
    sigset_t signals;
    struct signal_fn signal_fns[NSIG];
    _Atomic int64_t turned_us;
    atomic_int status;
    atomic_bool stopped;
};

/* The kernel refuses such calls only when it is out of something. */
static int must(int result, const char *what)
{
    if (result < 0) {
        perror(what);
        abort();
    }
    return result;
}

static void wake_serve(void *arg, uint32_t events)
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
    l->epoll_fd = must(epoll_create1(EPOLL_CLOEXEC), "epoll_create1");
    l->wake_fd = must(eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK), "eventfd");
    l->signal_fd = -1;
    sigemptyset(&l->signals);
    atomic_store(&l->turned_us, clock_mono_us());
    struct loop_io *wake = loop_io_new(l, l->wake_fd, EPOLLIN, wake_serve, l);
    (void)wake; /* ends with the loop */
    return l;
}

static void bury(struct loop *l)
{
    while (l->graveyard != NULL) {
        struct loop_io *io = l->graveyard;
        l->graveyard = io->next;
        free(io);
    }
}

void loop_free(struct loop *l)
{
    if (l == NULL)
        return;
    while (l->ios != NULL)
        loop_io_free(l->ios);
    while (l->timers != NULL)
        loop_timer_free(l->timers);
    bury(l);
    free(l->heap);
    close(l->epoll_fd);
    close(l->wake_fd);
    if (l->signal_fd >= 0)
        close(l->signal_fd);
    free(l);
}

/* --- descriptors --------------------------------------------------------- */

struct loop_io *loop_io_new(struct loop *l, int fd, uint32_t events,
                            void (*fn)(void *arg, uint32_t events), void *arg)
{
    struct loop_io *io = xcalloc(1, sizeof *io);
    *io = (struct loop_io){.loop = l, .fd = fd, .fn = fn, .arg = arg};
    io->next = l->ios;
    io->link = &l->ios;
    if (l->ios != NULL)
        l->ios->link = &io->next;
    l->ios = io;
    loop_io_set(io, events);
    return io;
}

void loop_io_set(struct loop_io *io, uint32_t events)
{
    if (events == io->events)
        return;
    /* Without events it leaves the set: epoll reports hang-ups even so. */
    int op = events == 0       ? EPOLL_CTL_DEL
             : io->events == 0 ? EPOLL_CTL_ADD
                               : EPOLL_CTL_MOD;
    struct epoll_event event = {.events = events, .data.ptr = io};
    io->events = events;
    must(epoll_ctl(io->loop->epoll_fd, op, io->fd, &event), "epoll_ctl");
}

void loop_io_free(struct loop_io *io)
{
    if (io == NULL)
        return;
    struct loop *l = io->loop;
    /* Fails if the caller closed fd before; then it is out of the set. */
    if (io->events != 0)
        epoll_ctl(l->epoll_fd, EPOLL_CTL_DEL, io->fd, NULL);
    *io->link = io->next;
    if (io->next != NULL)
        io->next->link = io->link;
    io->dead = true;
    io->next = l->graveyard;
    l->graveyard = io;
}

static void serve_ios(const struct epoll_event *events, int count)
{
    for (int i = 0; i < count; i++) {
        struct loop_io *io = events[i].data.ptr;
        uint32_t got = events[i].events & io->events;
        /* An error or a hang-up shows when the caller reads or writes. */
        if (events[i].events & (EPOLLERR | EPOLLHUP))
            got = io->events;
        if (!io->dead && got != 0)
            io->fn(io->arg, got);
    }
}

/* --- timers -------------------------------------------------------------- */

static bool earlier(const struct loop_timer *a, const struct loop_timer *b)
{
    if (a->due_us != b->due_us)
        return a->due_us < b->due_us;
    return a->order < b->order;
}

static void heap_place(struct loop *l, size_t at, struct loop_timer *t)
{
    l->heap[at] = t;
    t->at = at;
}

static void heap_up(struct loop *l, struct loop_timer *t)
{
    size_t at = t->at;
    for (; at > 0 && earlier(t, l->heap[(at - 1) / 2]); at = (at - 1) / 2)
        heap_place(l, at, l->heap[(at - 1) / 2]);
    heap_place(l, at, t);
}

static void heap_down(struct loop *l, struct loop_timer *t)
{
    size_t at = t->at;
    for (;;) {
        size_t child = 2 * at + 1;
        if (child >= l->heap_count)
            break;
        if (child + 1 < l->heap_count &&
            earlier(l->heap[child + 1], l->heap[child]))
            child++;
        if (!earlier(l->heap[child], t))
            break;
        heap_place(l, at, l->heap[child]);
        at = child;
    }
    heap_place(l, at, t);
}

static void heap_add(struct loop *l, struct loop_timer *t)
{
    if (l->heap_count == l->heap_size) {
        l->heap_size = l->heap_size == 0 ? 16 : l->heap_size * 2;
        l->heap = xreallocarray(l->heap, l->heap_size, sizeof(*l->heap));
    }
    t->order = l->order++;
    t->at = l->heap_count++;
    heap_up(l, t);
}

static void heap_remove(struct loop *l, struct loop_timer *t)
{
    struct loop_timer *last = l->heap[--l->heap_count];
    if (last != t) {
        last->at = t->at;
        heap_up(l, last);
        heap_down(l, last);
    }
    t->at = NOT_SET;
}

struct loop_timer *loop_timer_new(struct loop *l, void (*fn)(void *arg),
                                  void *arg)
{
    struct loop_timer *t = xcalloc(1, sizeof *t);
    *t = (struct loop_timer){.loop = l, .fn = fn, .arg = arg, .at = NOT_SET};
    t->next = l->timers;
    t->link = &l->timers;
    if (l->timers != NULL)
        l->timers->link = &t->next;
    l->timers = t;
    return t;
}

void loop_timer_set(struct loop_timer *t, int64_t delay_ms, int64_t period_ms)
{
    assert(delay_ms >= 0 && period_ms >= 0);
    loop_timer_cancel(t);
    t->due_us = clock_mono_us() + delay_ms * 1000;
    t->period_us = period_ms * 1000;
    heap_add(t->loop, t);
}

void loop_timer_cancel(struct loop_timer *t)
{
    if (t->at != NOT_SET)
        heap_remove(t->loop, t);
}

void loop_timer_free(struct loop_timer *t)
{
    if (t == NULL)
        return;
    loop_timer_cancel(t);
    *t->link = t->next;
    if (t->next != NULL)
        t->next->link = t->link;
    free(t);
}

/* Takes t off, or sets it for its next period: from now on if the loop was
 * late, for a burst would help nobody. */
static void timer_next(struct loop *l, struct loop_timer *t, int64_t now_us)
{
    heap_remove(l, t);
    if (t->period_us == 0)
        return;
    t->due_us += t->period_us;
    if (t->due_us <= now_us)
        t->due_us = now_us + t->period_us;
    heap_add(l, t);
}

/* Those set meanwhile wait for the next turn. */
static void serve_timers(struct loop *l)
{
    int64_t now_us = clock_mono_us();
    uint64_t end = l->order;
    while (l->heap_count > 0) {
        struct loop_timer *t = l->heap[0];
        if (t->due_us > now_us || t->order >= end)
            break;
        timer_next(l, t, now_us);
        t->fn(t->arg); /* may free t */
    }
}

static int wait_ms(const struct loop *l)
{
    if (l->heap_count == 0)
        return TURN_MAX_MS;
    int64_t us = l->heap[0]->due_us - clock_mono_us();
    if (us <= 0)
        return 0;
    return us >= TURN_MAX_MS * 1000 ? TURN_MAX_MS : (int)((us + 999) / 1000);
}

/* --- signals ------------------------------------------------------------- */

static void signals_serve(void *arg, uint32_t events)
{
    struct loop *l = arg;
    struct signalfd_siginfo info;
    (void)events;
    while (read(l->signal_fd, &info, sizeof info) == (ssize_t)sizeof info) {
        const struct signal_fn *s = &l->signal_fns[info.ssi_signo];
        s->fn(s->arg);
    }
}

void loop_on_signal(struct loop *l, int signo, void (*fn)(void *arg), void *arg)
{
    assert(signo > 0 && signo < NSIG);
    bool first = l->signal_fd < 0;
    l->signal_fns[signo] = (struct signal_fn){fn, arg};
    sigaddset(&l->signals, signo);
    pthread_sigmask(SIG_BLOCK, &l->signals, NULL);
    l->signal_fd =
        must(signalfd(l->signal_fd, &l->signals, SFD_CLOEXEC | SFD_NONBLOCK),
             "signalfd");
    if (first) {
        struct loop_io *io =
            loop_io_new(l, l->signal_fd, EPOLLIN, signals_serve, l);
        (void)io; /* ends with the loop */
    }
}

/* --- running ------------------------------------------------------------- */

int loop_run(struct loop *l)
{
    while (!atomic_load(&l->stopped)) {
        struct epoll_event events[EVENTS_A_TURN];
        int count = epoll_wait(l->epoll_fd, events, EVENTS_A_TURN, wait_ms(l));
        if (count < 0 && errno != EINTR)
            must(count, "epoll_wait");
        atomic_store(&l->turned_us, clock_mono_us());
        serve_ios(events, count);
        serve_timers(l);
        bury(l);
    }
    atomic_store(&l->stopped, false);
    return atomic_load(&l->status);
}

void loop_stop(struct loop *l, int status)
{
    atomic_store(&l->status, status);
    atomic_store(&l->stopped, true);
    uint64_t one = 1;
    ssize_t written = write(l->wake_fd, &one, sizeof one);
    (void)written; /* fails only when the wake-up is already there */
}

int64_t loop_idle_ms(const struct loop *l)
{
    return (clock_mono_us() - atomic_load(&l->turned_us)) / 1000;
}
