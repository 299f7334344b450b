/* SPDX-License-Identifier: Apache-2.0 */
/* loop.h - one thread's event loop: epoll, timers, signals. */
#ifndef COMMON_LOOP_H
#define COMMON_LOOP_H

#include "common/base.h"
#include "common/err.h"

struct loop; /* one thread runs it; only loop_stop and loop_idle_ms may be
                called from others */
struct loop_io;
struct loop_timer;

struct loop *loop_new(void) MUST_USE;
void loop_free(struct loop *l); /* ends every io and timer still there */
DEFINE_AUTO(loop)

/* Calls fn(arg, events) while fd is ready; events is a mask of EPOLLIN and
 * EPOLLOUT. The caller keeps the fd. */
struct loop_io *loop_io_new(struct loop *l, int fd, uint32_t events,
                            void (*fn)(void *arg, uint32_t events), void *arg)
    MUST_USE;
void loop_io_set(struct loop_io *io, uint32_t events);
void loop_io_free(struct loop_io *io); /* allowed inside any callback */

/* A timer, not yet running. */
struct loop_timer *loop_timer_new(struct loop *l, void (*fn)(void *arg),
                                  void *arg) MUST_USE;
/* Fires once after delay_ms (0: at the next turn), then every period_ms if
 * that is not 0. Set again: the old setting is gone. */
void loop_timer_set(struct loop_timer *t, int64_t delay_ms, int64_t period_ms);
void loop_timer_cancel(struct loop_timer *t);
void loop_timer_free(struct loop_timer *t);

/* Blocks signo for the process and calls fn in the loop. Before threads. */
void loop_on_signal(struct loop *l, int signo, void (*fn)(void *arg),
                    void *arg);

/* Runs until loop_stop; returns its status. */
int loop_run(struct loop *l);
void loop_stop(struct loop *l, int status); /* any thread */
/* ms since the loop last started a turn; any thread. */
int64_t loop_idle_ms(const struct loop *l);

#endif
