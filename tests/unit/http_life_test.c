/* SPDX-License-Identifier: Apache-2.0 */
/* The HTTP server over time: answers from other threads, deadlines, bounds,
 * and its end. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <arpa/inet.h>
#include <netinet/in.h>
#include <poll.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include "common/clock.h"
#include "common/http.h"
#include "tests/unit/http_client.h"

static struct http_server *server;
static struct metrics *metrics;

/* Requests handed to other threads. */
static struct {
    pthread_mutex_t lock;
    pthread_cond_t more;
    struct http_request *waiting[4096];
    size_t count;
    bool hold, end;
} later = {.lock = PTHREAD_MUTEX_INITIALIZER, .more = PTHREAD_COND_INITIALIZER};

static void answer_later(struct http_request *r, void *arg)
{
    (void)arg;
    pthread_mutex_lock(&later.lock);
    assert_true(later.count < ARRAY_LEN(later.waiting));
    later.waiting[later.count++] = r;
    pthread_cond_signal(&later.more);
    pthread_mutex_unlock(&later.lock);
}

static void *replier(void *arg)
{
    (void)arg;
    pthread_mutex_lock(&later.lock);
    while (!later.end) {
        if (later.count == 0 || later.hold) {
            pthread_cond_wait(&later.more, &later.lock);
            continue;
        }
        struct http_request *r = later.waiting[--later.count];
        pthread_mutex_unlock(&later.lock);
        http_reply(r, 202, "text/plain", http_body(r));
        pthread_mutex_lock(&later.lock);
    }
    pthread_mutex_unlock(&later.lock);
    return NULL;
}

static void hold(bool on)
{
    pthread_mutex_lock(&later.lock);
    later.hold = on;
    pthread_cond_broadcast(&later.more);
    pthread_mutex_unlock(&later.lock);
}

static size_t held_count(void)
{
    pthread_mutex_lock(&later.lock);
    size_t n = later.count;
    pthread_mutex_unlock(&later.lock);
    return n;
}

/* Waits until count requests are held. */
static void await_held(size_t count)
{
    int64_t end_us = clock_mono_us() + ANSWER_MS * 1000;
    while (held_count() < count) {
        assert_true(clock_mono_us() < end_us);
        poll(NULL, 0, 1);
    }
}

static void echo(struct http_request *r, void *arg)
{
    (void)arg;
    http_reply(r, 200, "text/plain", http_body(r));
}

static const struct http_route routes[] = {
    {"GET", "/", echo, NULL, NULL, 0, NULL},
    {"POST", "/echo", echo, NULL, NULL, 1000, NULL},
    {"POST", "/later", answer_later, NULL, NULL, 1000, NULL},
};

static struct http_server *start(const char *prefix, int request_timeout_s,
                                 size_t body_bytes_max)
{
    struct err err = {0};
    struct http_server *s = http_server_new(
        &(struct http_options){.listen = "127.0.0.1:0",
                               .threads = 2,
                               .connections_max = 4096,
                               .idle_timeout_s = request_timeout_s,
                               .request_timeout_s = request_timeout_s,
                               .body_bytes_max = body_bytes_max,
                               .routes = routes,
                               .route_count = ARRAY_LEN(routes),
                               .metrics = metrics,
                               .metrics_prefix = prefix},
        &err);
    if (s == NULL)
        fail_msg("%s", err.text);
    return s;
}

static int set_up(void **state)
{
    (void)state;
    metrics = metrics_new();
    server = start("test", 30, 0);
    return 0;
}

static int take_down(void **state)
{
    (void)state;
    http_server_free(server);
    metrics_free(metrics);
    return 0;
}

#define H " HTTP/1.1\r\nHost: h\r\n"

/* --- answers from another thread ----------------------------------------- */

static void *many_requests(void *arg)
{
    AUTO_RELEASE(client) c = dial(http_server_port(server));
    for (int i = 0; i < 300; i++) {
        char request[128], body[32];
        snprintf(body, sizeof body, "%p-%d", arg, i);
        snprintf(request, sizeof request,
                 "POST /later" H "Content-Length: %zu\r\n\r\n%s", strlen(body),
                 body);
        struct answer a = ask(&c, request);
        if (a.status != 202 || !str_is(a.body, body))
            return arg;
        forget(&c, &a);
    }
    return NULL;
}

/* The replier is awake: it often answers before the handler is back. */
static void answers_from_other_threads(void **state)
{
    (void)state;
    pthread_t clients[16], repliers[2];
    char names[ARRAY_LEN(clients)];
    later.end = later.hold = false;
    for (size_t i = 0; i < ARRAY_LEN(repliers); i++)
        pthread_create(&repliers[i], NULL, replier, NULL);
    for (size_t i = 0; i < ARRAY_LEN(clients); i++)
        pthread_create(&clients[i], NULL, many_requests, &names[i]);
    for (size_t i = 0; i < ARRAY_LEN(clients); i++) {
        void *wrong;
        pthread_join(clients[i], &wrong);
        assert_null(wrong);
    }
    assert_int_equal(http_server_pending(server), 0);
    pthread_mutex_lock(&later.lock);
    later.end = true;
    pthread_cond_broadcast(&later.more);
    pthread_mutex_unlock(&later.lock);
    for (size_t i = 0; i < ARRAY_LEN(repliers); i++)
        pthread_join(repliers[i], NULL);
}

static struct http_request *take_held(void)
{
    await_held(1);
    pthread_mutex_lock(&later.lock);
    struct http_request *r = later.waiting[--later.count];
    pthread_mutex_unlock(&later.lock);
    return r;
}

static void a_gone_peer_is_seen(void **state)
{
    (void)state;
    for (int abrupt = 0; abrupt < 2; abrupt++) {
        struct client c = dial(http_server_port(server));
        hold(true);
        say_text(&c, "POST /later" H "Content-Length: 2\r\n\r\nhi");
        struct http_request *r = take_held();
        assert_false(http_peer_gone(r));
        assert_int_equal(http_server_pending(server), 1);
        struct linger reset = {.l_onoff = 1};
        if (abrupt)
            setsockopt(c.fd, SOL_SOCKET, SO_LINGER, &reset, sizeof reset);
        client_release(&c);
        int64_t end_us = clock_mono_us() + ANSWER_MS * 1000;
        while (!http_peer_gone(r))
            assert_true(clock_mono_us() < end_us);
        http_reply(r, 202, "text/plain", STR("to nobody"));
    }
}

/* --- deadlines ----------------------------------------------------------- */

/* What waits for us has no deadline; what waits for the peer idles out. */
static void only_the_peer_has_a_deadline(void **state)
{
    (void)state;
    AUTO(http_server) s = start("short", 1, 0);
    AUTO_RELEASE(client) c = dial(http_server_port(s));
    hold(true);
    say_text(&c, "POST /later" H "Content-Length: 2\r\n\r\nhi");
    struct http_request *r = take_held();
    struct pollfd ready = {.fd = c.fd, .events = POLLIN};
    assert_int_equal(poll(&ready, 1, 2500), 0);
    http_reply(r, 202, "text/plain", STR("late, but there"));
    struct answer a = {0};
    assert_true(hear(&c, &a));
    assert_int_equal(a.status, 202);
    forget(&c, &a);
    assert_false(hear(&c, &a));
}

/* --- bounds, end, metrics ------------------------------------------------ */

static void await_metric(const char *series, int64_t value)
{
    int64_t end_us = clock_mono_us() + ANSWER_MS * 1000;
    while (metric_value(metrics, series) != value) {
        assert_true(clock_mono_us() < end_us);
        poll(NULL, 0, 1);
    }
}

static void all_bodies_together_have_a_bound(void **state)
{
    (void)state;
    AUTO(http_server) s = start("small", 30, 1500);
    AUTO_RELEASE(client) one = dial(http_server_port(s));
    AUTO_RELEASE(client) two = dial(http_server_port(s));
    AUTO_RELEASE(buf) part = {0};
    buf_addf(&part, "POST /echo" H "Content-Length: 1000\r\n\r\n%0999d", 0);
    say(&one, buf_str(&part));
    await_metric("small_http_body_bytes", 999);
    buf_add_text(&part, "x");
    say(&two, buf_str(&part));
    struct answer a = {0};
    assert_true(hear(&two, &a));
    assert_int_equal(a.status, 503);
    assert_true(has(a.head, "Retry-After: 1"));
    forget(&two, &a);
    assert_int_equal(ask(&one, "y").status, 200);
    await_metric("small_http_body_bytes", 0);
    say(&two, buf_str(&part));
    assert_true(hear(&two, &a));
    assert_int_equal(a.status, 200);
}

/* libmicrohttpd forgot to complete a request whose chunk extension fills its
 * buffer: what it held was lost, and its share of the bodies' bound. */
static void a_forgotten_request_gives_back_what_it_held(void **state)
{
    (void)state;
    AUTO(http_server) s = start("forgotten", 1, 0);
    for (int n = 4000; n < 24000; n += 1000) {
        AUTO_RELEASE(client) c = dial(http_server_port(s));
        AUTO_RELEASE(buf) text = {0};
        buf_addf(&text,
                 "POST /echo" H "Transfer-Encoding: chunked\r\n\r\n"
                 "5\r\nhello\r\n5;%0*d",
                 n, 0);
        say(&c, buf_str(&text));
        poll(NULL, 0, 20);
    }
    await_metric("forgotten_http_pending", 0);
    await_metric("forgotten_http_body_bytes", 0);
}

static void thousands_of_connections(void **state)
{
    (void)state;
    struct rlimit limit;
    getrlimit(RLIMIT_NOFILE, &limit);
    size_t count = limit.rlim_cur > 7000 ? 3000 : limit.rlim_cur / 3;
    struct client *clients = xcalloc(count, sizeof *clients);
    for (size_t i = 0; i < count; i++)
        clients[i] = dial(http_server_port(server));
    hold(true);
    for (size_t i = 0; i < count; i++)
        say_text(&clients[i], "POST /later" H "Content-Length: 2\r\n\r\nhi");
    await_held(count);
    assert_int_equal(http_server_pending(server), count);
    for (size_t i = 0; i < count; i++)
        http_reply(take_held(), 202, "text/plain", STR("done"));
    for (size_t i = 0; i < count; i++) {
        struct answer a = {0};
        assert_true(hear(&clients[i], &a));
        assert_int_equal(a.status, 202);
        client_release(&clients[i]);
    }
    free(clients);
}

static bool refused(int port)
{
    struct sockaddr_in at = {.sin_family = AF_INET,
                             .sin_port = htons((uint16_t)port),
                             .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    bool no = connect(fd, (struct sockaddr *)&at, sizeof at) < 0;
    close(fd);
    return no;
}

static void quiet_it_finishes_what_it_has(void **state)
{
    (void)state;
    struct http_server *s = start("ending", 30, 0);
    AUTO_RELEASE(client) waiting = dial(http_server_port(s));
    AUTO_RELEASE(client) idle = dial(http_server_port(s));
    struct answer a = ask(&idle, "GET /" H "\r\n");
    forget(&idle, &a);
    hold(true);
    say_text(&waiting, "POST /later" H "Content-Length: 2\r\n\r\nhi");
    struct http_request *r = take_held();
    http_server_quiesce(s);
    http_server_quiesce(s); /* twice is fine */
    assert_true(refused(http_server_port(s)));
    /* One that stands may ask once more. */
    a = ask(&idle, "GET /" H "\r\n");
    assert_int_equal(a.status, 200);
    assert_true(has(a.head, "Connection: close"));
    assert_int_equal(http_server_pending(s), 1);
    http_reply(r, 202, "text/plain", STR("kept"));
    /* The answer is on its way: free waits for it. */
    http_server_free(s);
    assert_true(hear(&waiting, &a));
    assert_int_equal(a.status, 202);
    assert_true(has(a.head, "Connection: close"));
    assert_true(str_is(a.body, "kept"));
}

static void it_ends_with_half_requests_open(void **state)
{
    (void)state;
    struct http_server *s = start("ending", 30, 0);
    AUTO_RELEASE(client) silent = dial(http_server_port(s));
    AUTO_RELEASE(client) head = dial(http_server_port(s));
    AUTO_RELEASE(client) body = dial(http_server_port(s));
    say_text(&head, "GET /" H);
    say_text(&body, "POST /echo" H "Content-Length: 10\r\n\r\nhi");
    AUTO_RELEASE(client) other = dial(http_server_port(s));
    assert_int_equal(ask(&other, "GET /" H "\r\n").status, 200);
    http_server_free(s);
    struct answer a = {0};
    assert_false(hear(&body, &a));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(answers_from_other_threads),
        cmocka_unit_test(a_gone_peer_is_seen),
        cmocka_unit_test(only_the_peer_has_a_deadline),
        cmocka_unit_test(all_bodies_together_have_a_bound),
        cmocka_unit_test(a_forgotten_request_gives_back_what_it_held),
        cmocka_unit_test(thousands_of_connections),
        cmocka_unit_test(quiet_it_finishes_what_it_has),
        cmocka_unit_test(it_ends_with_half_requests_open),
    };
    return cmocka_run_group_tests(tests, set_up, take_down);
}
