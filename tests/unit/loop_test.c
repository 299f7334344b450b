/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "common/buf.h"
#include "common/clock.h"
#include "common/loop.h"

/* What happened, as a word of letters. */
static struct buf story;

static void tell(const char *what)
{
    buf_add_text(&story, what);
}

struct teller {
    struct loop *loop;
    const char *what;
};

static void tell_timer(void *arg)
{
    tell(((struct teller *)arg)->what);
}

static void stop_timer(void *arg)
{
    loop_stop(arg, 3);
}

static struct loop_timer *timer(struct loop *l, void (*fn)(void *arg),
                                void *arg, int64_t delay_ms)
{
    struct loop_timer *t = loop_timer_new(l, fn, arg);
    loop_timer_set(t, delay_ms, 0);
    return t;
}

static int begin(void **state)
{
    (void)state;
    buf_reset(&story);
    tell("");
    return 0;
}

static int end(void **state)
{
    (void)state;
    buf_release(&story);
    return 0;
}

struct pair {
    struct loop *loop;
    int fds[2];
    struct loop_io *io;
    struct pair *other; /* freed in the callback */
    int calls;
    uint32_t events;
};

static struct pair pair_of(struct loop *l)
{
    struct pair p = {.loop = l};
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, p.fds),
                     0);
    return p;
}

static void pair_close(struct pair *p)
{
    close(p->fds[0]);
    close(p->fds[1]);
}

/* --- timers -------------------------------------------------------------- */

static void timers_fire_in_order(void **state)
{
    (void)state;
    AUTO(loop) l = loop_new();
    struct teller a = {l, "a"}, b = {l, "b"}, c = {l, "c"}, d = {l, "d"};
    int64_t start_us = clock_mono_us();
    timer(l, stop_timer, l, 40);
    timer(l, tell_timer, &c, 20);
    timer(l, tell_timer, &a, 0);
    timer(l, tell_timer, &b, 10);
    loop_timer_cancel(timer(l, tell_timer, &d, 5));
    struct loop_timer *moved = timer(l, tell_timer, &d, 5);
    loop_timer_set(moved, 30, 0); /* only the later setting counts */
    loop_timer_free(timer(l, tell_timer, &d, 5));
    loop_timer_free(NULL);
    assert_int_equal(loop_run(l), 3);
    assert_in_range(clock_mono_us() - start_us, 40000, 5000000);
    assert_string_equal(story.p, "abcd");
}

static void equal_times_keep_the_order_they_were_set(void **state)
{
    (void)state;
    AUTO(loop) l = loop_new();
    struct teller tellers[26];
    char names[26][2] = {0};
    for (int i = 0; i < 26; i++) {
        names[i][0] = (char)('a' + i);
        tellers[i] = (struct teller){l, names[i]};
        timer(l, tell_timer, &tellers[i], 0);
    }
    timer(l, stop_timer, l, 0);
    loop_run(l);
    assert_string_equal(story.p, "abcdefghijklmnopqrstuvwxyz");
}

static uint64_t shuffled = 1;
static int64_t last_due_ms;
struct at {
    struct loop *loop;
    int64_t due_ms;
    int *left;
};

static void in_order(void *arg)
{
    struct at *at = arg;
    assert_true(at->due_ms >= last_due_ms);
    last_due_ms = at->due_ms;
    if (--*at->left == 0)
        loop_stop(at->loop, 0);
}

static void many_timers_some_cancelled(void **state)
{
    (void)state;
    enum { COUNT = 500 };
    AUTO(loop) l = loop_new();
    struct loop_timer *timers[COUNT];
    struct at ats[COUNT];
    int left = COUNT;
    last_due_ms = 0;
    for (int i = 0; i < COUNT; i++) {
        shuffled = shuffled * 6364136223846793005u + 1442695040888963407u;
        /* 3 ms apart, so that setting them takes no part. */
        ats[i] = (struct at){l, (int64_t)(shuffled >> 33) % 40 * 3, &left};
        timers[i] = timer(l, in_order, &ats[i], ats[i].due_ms + 50);
    }
    for (int i = 0; i < COUNT; i += 3, left--)
        loop_timer_free(timers[i]);
    assert_int_equal(loop_run(l), 0);
    assert_int_equal(left, 0);
}

struct again {
    struct loop *loop;
    struct loop_timer *timer;
    int count, stop_at;
};

static void set_again_at_once(void *arg)
{
    struct again *a = arg;
    if (++a->count == a->stop_at)
        loop_stop(a->loop, 0);
    loop_timer_set(a->timer, 0, 0);
}

static void tell_readable(void *arg, uint32_t events)
{
    struct teller *t = arg;
    assert_int_equal(events, EPOLLIN);
    tell(t->what);
    loop_stop(t->loop, 4);
}

/* A timer that sets itself again at once starves nobody. */
static void an_eager_timer_lets_others_live(void **state)
{
    (void)state;
    AUTO(loop) l = loop_new();
    struct pair p = pair_of(l);
    struct again a = {.loop = l, .stop_at = -1};
    a.timer = timer(l, set_again_at_once, &a, 0);
    struct teller t = {l, "read"};
    struct loop_io *io = loop_io_new(l, p.fds[0], EPOLLIN, tell_readable, &t);
    assert_int_equal(write(p.fds[1], "x", 1), 1);
    assert_int_equal(loop_run(l), 4);
    assert_in_range(a.count, 1, 3);
    loop_io_free(io);
    pair_close(&p);
}

static void count_up(void *arg)
{
    struct again *a = arg;
    if (++a->count == a->stop_at)
        loop_stop(a->loop, 0);
}

static void periods(void **state)
{
    (void)state;
    AUTO(loop) l = loop_new();
    struct again a = {.loop = l, .stop_at = 5};
    struct loop_timer *t = loop_timer_new(l, count_up, &a);
    loop_timer_set(t, 0, 10);
    int64_t start_us = clock_mono_us();
    loop_run(l);
    assert_in_range(clock_mono_us() - start_us, 40000, 2000000);
    assert_int_equal(a.count, 5);
}

static void sleep_and_count(void *arg)
{
    poll(NULL, 0, 50);
    count_up(arg);
}

/* A late loop does not make up for what it missed. */
static void a_late_period_skips(void **state)
{
    (void)state;
    AUTO(loop) l = loop_new();
    struct again slow = {.loop = l, .stop_at = 3}, fast = {.loop = l};
    loop_timer_set(loop_timer_new(l, sleep_and_count, &slow), 0, 1);
    loop_timer_set(loop_timer_new(l, count_up, &fast), 0, 1);
    loop_run(l);
    assert_in_range(fast.count, 2, 4);
}

static void free_itself(void *arg)
{
    struct again *a = arg;
    loop_timer_free(a->timer);
    tell("freed ");
}

static void free_the_other(void *arg)
{
    struct again *a = arg;
    loop_timer_free(a->timer);
    tell("freed other ");
}

static void timers_may_be_freed_in_callbacks(void **state)
{
    (void)state;
    AUTO(loop) l = loop_new();
    struct again self = {.loop = l}, other = {.loop = l};
    self.timer = loop_timer_new(l, free_itself, &self);
    loop_timer_set(self.timer, 0, 5); /* periodic, so it was set already */
    timer(l, free_the_other, &other, 0);
    struct teller never = {l, "never"};
    other.timer = timer(l, tell_timer, &never, 0);
    timer(l, stop_timer, l, 20);
    loop_run(l);
    assert_string_equal(story.p, "freed freed other ");
}

/* --- descriptors --------------------------------------------------------- */

static void free_other_io(void *arg, uint32_t events)
{
    struct pair *p = arg;
    (void)events;
    p->calls++;
    loop_io_free(p->io);
    p->io = NULL;
    loop_io_free(p->other->io);
    p->other->io = NULL;
    loop_stop(p->loop, 0);
}

/* Both are ready in the same turn; whichever comes first frees both. */
static void an_io_freed_in_a_callback_is_not_called(void **state)
{
    (void)state;
    for (int round = 0; round < 10; round++) {
        AUTO(loop) l = loop_new();
        struct pair a = pair_of(l), b = pair_of(l);
        a.other = &b;
        b.other = &a;
        a.io = loop_io_new(l, a.fds[0], EPOLLIN, free_other_io, &a);
        b.io = loop_io_new(l, b.fds[0], EPOLLIN, free_other_io, &b);
        assert_int_equal(write(a.fds[1], "x", 1), 1);
        assert_int_equal(write(b.fds[1], "x", 1), 1);
        loop_run(l);
        assert_int_equal(a.calls + b.calls, 1);
        pair_close(&a);
        pair_close(&b);
    }
}

static void note_events(void *arg, uint32_t events)
{
    struct pair *p = arg;
    p->calls++;
    p->events = events;
    loop_stop(p->loop, 0);
}

static void events_are_those_asked_for(void **state)
{
    (void)state;
    AUTO(loop) l = loop_new();
    struct pair p = pair_of(l);
    p.io = loop_io_new(l, p.fds[0], EPOLLIN | EPOLLOUT, note_events, &p);
    loop_run(l);
    assert_int_equal(p.events, EPOLLOUT);
    assert_int_equal(write(p.fds[1], "x", 1), 1);
    loop_run(l);
    assert_int_equal(p.events, EPOLLIN | EPOLLOUT);
    loop_io_set(p.io, EPOLLIN);
    loop_run(l);
    assert_int_equal(p.events, EPOLLIN);
    /* A hang-up shows as what was asked for. */
    close(p.fds[1]);
    p.fds[1] = -1;
    loop_io_set(p.io, EPOLLOUT);
    loop_run(l);
    assert_int_equal(p.events, EPOLLOUT);
    /* Asked for nothing it is not called, hung up or not. */
    int calls = p.calls;
    loop_io_set(p.io, 0);
    timer(l, stop_timer, l, 20);
    assert_int_equal(loop_run(l), 3);
    assert_int_equal(p.calls, calls);
    loop_io_set(p.io, EPOLLIN);
    loop_run(l);
    assert_int_equal(p.calls, calls + 1);
    close(p.fds[0]); /* before the io: allowed */
    loop_io_free(p.io);
    loop_io_free(NULL);
}

static void a_loop_frees_what_is_left(void **state)
{
    (void)state;
    struct loop *l = loop_new();
    struct pair p = pair_of(l);
    p.io = loop_io_new(l, p.fds[0], EPOLLIN, note_events, &p);
    loop_io_free(loop_io_new(l, p.fds[1], EPOLLIN, note_events, &p));
    loop_timer_cancel(timer(l, stop_timer, l, 1000));
    timer(l, stop_timer, l, 1000);
    loop_free(l);
    pair_close(&p);
    loop_free(NULL);
}

/* --- signals, stopping, liveness ----------------------------------------- */

static void tell_usr1(void *arg)
{
    (void)arg;
    tell("usr1 ");
}

static void tell_usr2(void *arg)
{
    tell("usr2 ");
    loop_stop(arg, 0);
}

static void signals(void **state)
{
    (void)state;
    AUTO(loop) l = loop_new();
    loop_on_signal(l, SIGUSR1, tell_usr1, NULL);
    loop_on_signal(l, SIGUSR2, tell_usr2, l);
    kill(getpid(), SIGUSR1);
    kill(getpid(), SIGUSR2);
    loop_run(l);
    assert_string_equal(story.p, "usr1 usr2 ");
    kill(getpid(), SIGUSR2);
    loop_run(l);
    assert_string_equal(story.p, "usr1 usr2 usr2 ");
}

static void *stop_from_thread(void *arg)
{
    poll(NULL, 0, 20);
    loop_stop(arg, 9);
    return NULL;
}

static void any_thread_may_stop_it(void **state)
{
    (void)state;
    AUTO(loop) l = loop_new();
    pthread_t thread;
    pthread_create(&thread, NULL, stop_from_thread, l);
    int64_t start_us = clock_mono_us();
    assert_int_equal(loop_run(l), 9);
    assert_in_range(clock_mono_us() - start_us, 0, 800000); /* woken */
    pthread_join(thread, NULL);
    loop_stop(l, 5); /* before it runs */
    assert_int_equal(loop_run(l), 5);
}

static void *run_loop(void *arg)
{
    loop_run(arg);
    return NULL;
}

static void block(void *arg)
{
    (void)arg;
    poll(NULL, 0, 300);
}

static void it_tells_how_long_it_did_not_turn(void **state)
{
    (void)state;
    AUTO(loop) l = loop_new();
    timer(l, block, NULL, 0);
    pthread_t thread;
    pthread_create(&thread, NULL, run_loop, l);
    int64_t most_ms = 0;
    for (int i = 0; i < 250; i++) {
        poll(NULL, 0, 1);
        if (loop_idle_ms(l) > most_ms)
            most_ms = loop_idle_ms(l);
    }
    assert_in_range(most_ms, 100, 10000);
    loop_stop(l, 0);
    pthread_join(thread, NULL);
    assert_in_range(loop_idle_ms(l), 0, 1000);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(timers_fire_in_order, begin, end),
        cmocka_unit_test_setup_teardown(
            equal_times_keep_the_order_they_were_set, begin, end),
        cmocka_unit_test_setup_teardown(many_timers_some_cancelled, begin, end),
        cmocka_unit_test_setup_teardown(an_eager_timer_lets_others_live, begin,
                                        end),
        cmocka_unit_test_setup_teardown(periods, begin, end),
        cmocka_unit_test_setup_teardown(a_late_period_skips, begin, end),
        cmocka_unit_test_setup_teardown(timers_may_be_freed_in_callbacks, begin,
                                        end),
        cmocka_unit_test_setup_teardown(an_io_freed_in_a_callback_is_not_called,
                                        begin, end),
        cmocka_unit_test_setup_teardown(events_are_those_asked_for, begin, end),
        cmocka_unit_test_setup_teardown(a_loop_frees_what_is_left, begin, end),
        cmocka_unit_test_setup_teardown(signals, begin, end),
        cmocka_unit_test_setup_teardown(any_thread_may_stop_it, begin, end),
        cmocka_unit_test_setup_teardown(it_tells_how_long_it_did_not_turn,
                                        begin, end),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
