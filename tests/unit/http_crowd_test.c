/* SPDX-License-Identifier: Apache-2.0 */
/* The HTTP server and many connections at once. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <poll.h>
#include <pthread.h>

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

static struct http_server *start(int per_address_max)
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
                               .connections_max = 1000,
                               .connections_per_address_max = per_address_max,
                               .idle_timeout_s = 60,
                               .request_timeout_s = 60,
                               .routes = routes,
                               .route_count = ARRAY_LEN(routes)},
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
    AUTO(http_server) s = start(0);
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
    AUTO(http_server) s = start(0);
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

static void one_address_has_a_bound(void **state)
{
    (void)state;
    AUTO(http_server) s = start(3);
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
    int64_t end_us = clock_mono_us() + ANSWER_MS * 1000;
    bool heard = false;
    while (!heard) {
        assert_true(clock_mono_us() < end_us);
        crowd[0] = dial(http_server_port(s));
        say_text(&crowd[0], POST("/echo"));
        heard = hear(&crowd[0], &a);
        if (!heard)
            client_release(&crowd[0]);
    }
    for (size_t i = 0; i < ARRAY_LEN(crowd); i++)
        client_release(&crowd[i]);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(as_many_ready_as_one_wait_gives),
        cmocka_unit_test(held_answers_go_when_released),
        cmocka_unit_test(one_address_has_a_bound),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
