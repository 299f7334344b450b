/* SPDX-License-Identifier: Apache-2.0 */
/* The HTTP server and many connections at once. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <poll.h>
#include <pthread.h>
#include <sys/resource.h>
#include <unistd.h>

#include "common/clock.h"
#include "common/http.h"
#include "tests/unit/http_client.h"

enum { BATCH = 128 }; /* events libmicrohttpd asks the kernel for at once */

static struct {
    pthread_mutex_t lock;
    pthread_cond_t changed;
    bool inside, open;
    struct http_request *kept[BATCH];
    size_t kept_count;
} door = {.lock = PTHREAD_MUTEX_INITIALIZER,
          .changed = PTHREAD_COND_INITIALIZER};

/* Holds the server's thread until the door is opened. */
static void block(struct http_request *r, void *arg)
{
    (void)arg;
    pthread_mutex_lock(&door.lock);
    door.inside = true;
    pthread_cond_broadcast(&door.changed);
    while (!door.open)
        pthread_cond_wait(&door.changed, &door.lock);
    pthread_mutex_unlock(&door.lock);
    http_reply(r, 200, "text/plain", STR("open"));
}

static void echo(struct http_request *r, void *arg)
{
    (void)arg;
    http_reply(r, 200, "text/plain", http_body(r));
}

static void keep(struct http_request *r, void *arg)
{
    (void)arg;
    pthread_mutex_lock(&door.lock);
    door.kept[door.kept_count++] = r;
    pthread_cond_broadcast(&door.changed);
    pthread_mutex_unlock(&door.lock);
}

static struct metrics *metrics;

static struct http_server *start(int connections_max, int per_address_max)
{
    static const struct http_route routes[] = {
        {"POST", "/block", block, NULL, NULL, 100, NULL},
        {"POST", "/echo", echo, NULL, NULL, 100, NULL},
        {"POST", "/keep", keep, NULL, NULL, 100, NULL},
    };
    struct err err = {0};
    struct http_server *s = http_server_new(
        &(struct http_options){.listen = "127.0.0.1:0",
                               .threads = 1,
                               .connections_max = connections_max,
                               .connections_per_address_max = per_address_max,
                               .idle_timeout_s = 60,
                               .request_timeout_s = 60,
                               .routes = routes,
                               .route_count = ARRAY_LEN(routes),
                               .metrics = metrics,
                               .metrics_prefix = "crowd"},
        &err);
    if (s == NULL)
        fail_msg("%s", err.text);
    return s;
}

#define POST(path) \
    "POST " path " HTTP/1.1\r\nHost: h\r\nContent-Length: 2\r\n\r\nhi"

/* libmicrohttpd's own loop slept when as many connections as it asks for were
 * ready, and all their clients waited. */
static void as_many_ready_as_one_wait_gives(void **state)
{
    (void)state;
    AUTO(http_server) s = start(1000, 0);
    struct client blocker = dial(http_server_port(s)), crowd[BATCH];
    struct answer a;
    for (size_t i = 0; i < BATCH; i++) {
        crowd[i] = dial(http_server_port(s));
        a = ask(&crowd[i], POST("/echo"));
        assert_int_equal(a.status, 200);
        forget(&crowd[i], &a);
    }
    say_text(&blocker, POST("/block"));
    pthread_mutex_lock(&door.lock);
    while (!door.inside)
        pthread_cond_wait(&door.changed, &door.lock);
    for (size_t i = 0; i < BATCH; i++)
        say_text(&crowd[i], POST("/echo"));
    door.open = true;
    pthread_cond_broadcast(&door.changed);
    pthread_mutex_unlock(&door.lock);
    for (size_t i = 0; i < BATCH; i++) {
        assert_true(hear(&crowd[i], &a));
        assert_int_equal(a.status, 200);
        client_release(&crowd[i]);
    }
    client_release(&blocker);
}

static void held_answers_go_when_released(void **state)
{
    (void)state;
    AUTO(http_server) s = start(1000, 0);
    struct client crowd[BATCH];
    struct answer a;
    for (size_t i = 0; i < BATCH; i++) {
        crowd[i] = dial(http_server_port(s));
        say_text(&crowd[i], POST("/keep"));
    }
    pthread_mutex_lock(&door.lock);
    while (door.kept_count < BATCH)
        pthread_cond_wait(&door.changed, &door.lock);
    pthread_mutex_unlock(&door.lock);
    http_hold();
    for (size_t i = 0; i < BATCH; i++)
        http_reply(door.kept[i], 202, "text/plain", STR("late"));
    http_release(s);
    for (size_t i = 0; i < BATCH; i++) {
        assert_true(hear(&crowd[i], &a));
        assert_int_equal(a.status, 202);
        client_release(&crowd[i]);
    }
}

/* --- too many ------------------------------------------------------------ */

static uint64_t counted(const char *name, const char *help, const char *reason)
{
    return counter_get(
        metrics_counter(metrics, name, help, "reason", reason, NULL));
}

static uint64_t refused(const char *reason)
{
    return counted("crowd_http_connections_refused_total",
                   "Connections not taken, by what there were too many of.",
                   reason);
}

/* Dials until one is served. */
static struct client dial_until_served(int port)
{
    int64_t end_us = clock_mono_us() + ANSWER_MS * 1000;
    for (;;) {
        struct client c = dial(port);
        struct answer a;
        assert_true(clock_mono_us() < end_us);
        say_text(&c, POST("/echo"));
        if (hear(&c, &a) && a.status == 200) {
            forget(&c, &a);
            return c;
        }
        client_release(&c);
        poll(NULL, 0, 50);
    }
}

static void one_address_has_a_bound(void **state)
{
    (void)state;
    AUTO(http_server) s = start(1000, 3);
    struct client crowd[3];
    struct answer a;
    for (size_t i = 0; i < ARRAY_LEN(crowd); i++) {
        crowd[i] = dial(http_server_port(s));
        assert_int_equal(ask(&crowd[i], POST("/echo")).status, 200);
    }
    struct client one_more = dial(http_server_port(s));
    say_text(&one_more, POST("/echo"));
    assert_false(hear(&one_more, &a));
    client_release(&one_more);
    client_release(&crowd[0]);
    /* Its place is free once the server has seen it go. */
    crowd[0] = dial_until_served(http_server_port(s));
    assert_true(refused("address") >= 1);
    for (size_t i = 0; i < ARRAY_LEN(crowd); i++)
        client_release(&crowd[i]);
}

/* Who comes to a full server is told so, and the idle make room; who is in
 * the middle of a request stays. */
static void a_full_house_makes_room(void **state)
{
    (void)state;
    AUTO(http_server) s = start(4, 0);
    int port = http_server_port(s);
    struct client crowd[4], busy = dial(port);
    struct answer a;
    say_text(&busy, "POST /echo HTTP/1.1\r\nHost: h\r\n"
                    "Content-Length: 2\r\n\r\nh");
    for (size_t i = 0; i < 3; i++)
        crowd[i] = dial_until_served(port);
    AUTO_RELEASE(client) one_more = dial(port);
    say_text(&one_more, POST("/echo"));
    assert_true(hear(&one_more, &a));
    assert_int_equal(a.status, 503);
    assert_true(has(a.head, "Retry-After: 1\r\n"));
    assert_true(has(a.head, "Connection: close\r\n"));
    assert_true(has(a.body, "\"too_many_connections\""));
    forget(&one_more, &a);
    assert_false(hear_more(&one_more));
    assert_true(refused("total") >= 1);
    crowd[3] = dial_until_served(port);
    assert_true(counted("crowd_http_connections_cut_total",
                        "Connections the server ended, by reason.",
                        "crowded") >= 1);
    say_text(&busy, "i");
    assert_true(hear(&busy, &a));
    assert_int_equal(a.status, 200);
    for (size_t i = 0; i < ARRAY_LEN(crowd); i++)
        client_release(&crowd[i]);
    client_release(&busy);
}

static double cpu_seconds(void)
{
    struct rusage use;
    getrusage(RUSAGE_SELF, &use);
    return (double)(use.ru_utime.tv_sec + use.ru_stime.tv_sec) +
           (double)(use.ru_utime.tv_usec + use.ru_stime.tv_usec) / 1e6;
}

static void leave_no_descriptor(void)
{
    struct rlimit limit;
    int next = dup(0);
    assert_int_equal(getrlimit(RLIMIT_NOFILE, &limit), 0);
    limit.rlim_cur = (rlim_t)next;
    close(next);
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &limit), 0);
}

static void without_descriptors_it_neither_spins_nor_stops(void **state)
{
    (void)state;
    AUTO(http_server) s = start(1000, 0);
    struct rlimit before;
    getrlimit(RLIMIT_NOFILE, &before);
    AUTO_RELEASE(client) good = dial_until_served(http_server_port(s));
    struct client late[4];
    uint64_t refused_before = refused("descriptors");
    for (size_t i = 0; i < ARRAY_LEN(late); i++)
        late[i] = dial_socket();
    leave_no_descriptor();
    for (size_t i = 0; i < ARRAY_LEN(late); i++)
        dial_to(&late[i], http_server_port(s));
    double cpu_before = cpu_seconds();
    for (int i = 0; i < 5; i++) { /* it is in use, so it may stay */
        poll(NULL, 0, 200);
        struct answer a = ask(&good, POST("/echo"));
        assert_int_equal(a.status, 200);
        forget(&good, &a);
    }
    assert_true(cpu_seconds() - cpu_before < 0.3);
    assert_true(refused("descriptors") > refused_before);
    setrlimit(RLIMIT_NOFILE, &before);
    for (size_t i = 0; i < ARRAY_LEN(late); i++) {
        assert_int_equal(ask(&late[i], POST("/echo")).status, 200);
        client_release(&late[i]);
    }
}

static int set_up(void **state)
{
    (void)state;
    metrics = metrics_new();
    return 0;
}

static int take_down(void **state)
{
    (void)state;
    metrics_free(metrics);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(as_many_ready_as_one_wait_gives),
        cmocka_unit_test(held_answers_go_when_released),
        cmocka_unit_test(one_address_has_a_bound),
        cmocka_unit_test(a_full_house_makes_room),
        cmocka_unit_test(without_descriptors_it_neither_spins_nor_stops),
    };
    return cmocka_run_group_tests(tests, set_up, take_down);
}
