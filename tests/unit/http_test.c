/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <arpa/inet.h>
#include <netinet/in.h>
#include <poll.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "common/buf.h"
#include "common/clock.h"
#include "common/http.h"

enum { ANSWER_MS = 10000, BODY_MAX = 1000 };

/* --- the server under test ----------------------------------------------- */

static struct http_server *server;
static struct metrics *metrics;

static void echo(struct http_request *r, void *arg)
{
    (void)arg;
    struct str type = http_content_type(r);
    if (type.p != NULL)
        http_reply_header(r, "X-Type", arena_str(http_arena(r), type).p);
    http_reply(r, 200, "text/plain", http_body(r));
}

/* What the server understood of the target. */
static void tell(struct http_request *r, void *arg)
{
    struct str q = http_query(r, "q");
    struct str text =
        arena_printf(http_arena(r), "%s %.*s path=%.*s name=%.*s q=%s%.*s",
                     (const char *)arg, STR_ARG(http_method(r)),
                     STR_ARG(http_path(r)), STR_ARG(http_path_arg(r, "name")),
                     q.p == NULL ? "absent" : "", STR_ARG(q));
    http_reply(r, 200, "text/plain", text);
}

static void big(struct http_request *r, void *arg)
{
    (void)arg;
    size_t n = 4 << 20;
    char *text = arena_alloc(http_arena(r), n);
    memset(text, 'x', n);
    http_reply(r, 200, "text/plain", (struct str){text, n});
}

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

static bool with_key(struct http_request *r, void *arg)
{
    (void)arg;
    if (http_header(r, "X-Key").p != NULL) {
        http_set_data(r, "noted");
        return true;
    }
    http_reply_header(r, "WWW-Authenticate", "Bearer");
    http_reply_error(r, 401, "no_key", "say \"who\" you are");
    return false;
}

static void gated(struct http_request *r, void *arg)
{
    (void)arg;
    http_reply(r, 200, "text/plain", str_of(http_data(r)));
}

static void nothing(struct http_request *r, void *arg)
{
    (void)arg;
    http_reply(r, 204, NULL, (struct str){NULL, 0});
}

static const struct http_route routes[] = {
    {"POST", "/echo", echo, NULL, NULL, BODY_MAX},
    {"POST", "/later", answer_later, NULL, NULL, BODY_MAX},
    {"POST", "/gated", gated, with_key, NULL, BODY_MAX},
    {"POST", "/nothing", nothing, NULL, NULL, 0},
    {"GET", "/big", big, NULL, NULL, 0},
    {"GET", "/", tell, NULL, "root", 0},
    {"GET", "/items/{name}", tell, NULL, "item", 0},
    {"DELETE", "/items/{name}", tell, NULL, "gone", 0},
    {"GET", "/items/{name}/latest", tell, NULL, "latest", 0},
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

/* --- a client ------------------------------------------------------------ */

struct client {
    int fd;
    struct buf in;
};

struct answer {
    int status;
    struct str head, body; /* in the client's buffer */
};

static void client_release(struct client *c)
{
    close(c->fd);
    buf_release(&c->in);
}
DEFINE_AUTO_RELEASE(client)

static struct client dial(struct http_server *s)
{
    struct sockaddr_in at = {.sin_family = AF_INET,
                             .sin_port = htons((uint16_t)http_server_port(s)),
                             .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_true(fd >= 0);
    assert_int_equal(connect(fd, (struct sockaddr *)&at, sizeof at), 0);
    return (struct client){.fd = fd};
}

static void say(struct client *c, struct str bytes)
{
    while (bytes.n > 0) {
        ssize_t n = send(c->fd, bytes.p, bytes.n, MSG_NOSIGNAL);
        if (n < 0)
            return; /* refused early: the answer tells */
        bytes.p += n;
        bytes.n -= (size_t)n;
    }
}

static void say_text(struct client *c, const char *text)
{
    say(c, str_of(text));
}

/* Reads what comes; false at the end of the stream. */
static bool hear_more(struct client *c)
{
    struct pollfd ready = {.fd = c->fd, .events = POLLIN};
    assert_int_equal(poll(&ready, 1, ANSWER_MS), 1);
    ssize_t n = recv(c->fd, buf_reserve(&c->in, 65536), 65536, 0);
    if (n <= 0)
        return false;
    c->in.n += (size_t)n;
    c->in.p[c->in.n] = '\0';
    return true;
}

static bool field(struct str head, const char *name, struct str *value)
{
    struct str line, key;
    while (str_next(&head, '\n', &line))
        if (str_cut(line, ':', &key, value) &&
            str_eq_nocase(key, str_of(name))) {
            *value = str_trim(*value);
            return true;
        }
    return false;
}

/* One answer off the front of what was heard; false: the stream ended. */
static bool hear(struct client *c, struct answer *a)
{
    const char *end;
    while (c->in.n == 0 || (end = strstr(c->in.p, "\r\n\r\n")) == NULL)
        if (!hear_more(c))
            return false;
    size_t head_n = (size_t)(end - c->in.p) + 4;
    int64_t body_n = 0;
    struct str length;
    if (field((struct str){c->in.p, head_n}, "Content-Length", &length))
        assert_true(str_to_i64(length, &body_n));
    while (c->in.n < head_n + (size_t)body_n)
        if (!hear_more(c))
            return false;
    assert_int_equal(sscanf(c->in.p, "HTTP/1.1 %d", &a->status), 1);
    a->head = (struct str){c->in.p, head_n};
    a->body = (struct str){c->in.p + head_n, (size_t)body_n};
    return true;
}

static void forget(struct client *c, const struct answer *a)
{
    size_t n = a->head.n + a->body.n;
    memmove(c->in.p, c->in.p + n, c->in.n - n + 1);
    c->in.n -= n;
}

static bool has(struct str s, const char *text)
{
    return memmem(s.p, s.n, text, strlen(text)) != NULL;
}

static struct answer ask(struct client *c, const char *text)
{
    struct answer a = {0};
    say_text(c, text);
    if (!hear(c, &a))
        fail_msg("no answer to %.60s", text);
    return a;
}

static uint64_t count_of(const char *name, const char *route,
                         const char *status)
{
    return counter_get(metrics_counter(metrics, name, "HTTP requests answered.",
                                       "route", route, "status", status, NULL));
}

static uint64_t counted(const char *route, const char *status)
{
    return count_of("test_http_requests_total", route, status);
}

/* --- tests --------------------------------------------------------------- */

#define H " HTTP/1.1\r\nHost: h\r\n"

static void requests_and_answers(void **state)
{
    (void)state;
    static const struct {
        const char *request;
        int status;
        const char *body, *head; /* parts of it */
    } cases[] = {
        {"GET /" H "\r\n", 200, "root GET path=/ name= q=absent", NULL},
        {"GET /?q=a%20b+c&q=second" H "\r\n", 200, "q=a b c", NULL},
        {"GET /?x=1&q" H "\r\n", 200, "path=/ name= q=", NULL},
        {"GET /?q=%C3%A4" H "\r\n", 200, "q=\xc3\xa4", NULL},
        {"GET /items/cpu_usage" H "\r\n", 200,
         "item GET path=/items/cpu_usage "
         "name=cpu_usage",
         NULL},
        {"GET /items/a%2Fb" H "\r\n", 200, "path=/items/a/b name=a/b q", NULL},
        {"GET /items/a%2fb/latest?q=1" H "\r\n", 200, "name=a/b q=1", NULL},
        {"GET http://h:1/items/x?q=2" H "\r\n", 200, "name=x q=2", NULL},
        {"DELETE /items/x" H "\r\n", 200, "gone DELETE", NULL},
        {"GET /items/" H "\r\n", 404, "\"not_found\"", NULL},
        {"GET /items/x/" H "\r\n", 404, "docs/errors.md#not_found", NULL},
        {"GET /item" H "\r\n", 404, NULL, "Content-Type: application/json"},
        {"GET /items/x/latest/y" H "\r\n", 404, NULL, NULL},
        {"GET //" H "\r\n", 404, NULL, NULL},
        {"POST /items/x" H "Content-Length: 2\r\n\r\nhi", 405,
         "\"method_not_allowed\"", "Allow: GET, DELETE\r\n"},
        {"GET /echo" H "\r\n", 405, NULL, "Allow: POST\r\n"},
        {"POST /echo" H "\r\n", 411, "\"length_required\"", NULL},
        {"POST /echo" H "Content-Length: 0\r\n\r\n", 200, "", NULL},
        {"POST /echo" H "Content-Length: 5\r\n"
         "Content-Type:  text/x ; charset=utf-8\r\n\r\nhello",
         200, "hello", "X-Type: text/x\r\n"},
        {"POST /echo" H "Transfer-Encoding: chunked\r\n\r\n"
         "3\r\nhel\r\n2\r\nlo\r\n0\r\n\r\n",
         200, "hello", NULL},
        {"POST /echo" H "Content-Length: 1001\r\n"
         "Expect: 100-continue\r\n\r\n",
         413, "at most 1000 bytes", NULL},
        {"POST /echo" H "Content-Length: 99999999999999999999\r\n\r\n", 413,
         NULL, NULL},
        {"POST /nothing" H "\r\n", 204, NULL, NULL},
        {"POST /nothing" H "Content-Length: 1\r\n\r\nx", 413, NULL, NULL},
        {"POST /gated" H "X-Key: k\r\nContent-Length: 2\r\n\r\nhi", 200,
         "noted", NULL},
        {"POST /gated" H "Content-Length: 2\r\n\r\nhi", 401,
         "\"message\":\"say \\\"who\\\" you are\"", "WWW-Authenticate: Bearer"},
        {"GET /%" H "\r\n", 400, "\"malformed_target\"", NULL},
        {"GET /%4" H "\r\n", 400, NULL, NULL},
        {"GET /%zz" H "\r\n", 400, NULL, NULL},
        {"GET /items/a%00b" H "\r\n", 400, NULL, NULL},
        {"GET /items/%ff" H "\r\n", 400, NULL, NULL},
        {"GET /?q=%ed%a0%80" H "\r\n", 400, NULL, NULL},
        {"GET /?q=%0" H "\r\n", 400, NULL, NULL},
        {"GET  / HTTP/1.1\r\n\r\n", 400, NULL, NULL},
        {"GET / HTTP/1.1\r\n\r\n", 400, NULL, NULL}, /* no Host */
        {"POST /echo" H "Content-Length: x\r\n\r\n", 400, NULL, NULL},
        {"POST /echo" H "Content-Length: -1\r\n\r\n", 400, NULL, NULL},
        {"POST /echo" H "Content-Length: 5\r\nTransfer-Encoding: chunked\r\n"
         "\r\n0\r\n\r\n",
         400, NULL, NULL}, /* smuggling */
        {"POST /echo" H "Transfer-Encoding: chunked\r\n\r\nzz\r\n", 400, NULL,
         NULL},
    };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        AUTO_RELEASE(client) c = dial(server);
        struct answer a = ask(&c, cases[i].request);
        if (a.status != cases[i].status)
            fail_msg("%s: %d, not %d", cases[i].request, a.status,
                     cases[i].status);
        if (cases[i].body != NULL && !has(a.body, cases[i].body))
            fail_msg("%s: body %.*s", cases[i].request, STR_ARG(a.body));
        if (cases[i].head != NULL && !has(a.head, cases[i].head))
            fail_msg("%s: head %.*s", cases[i].request, STR_ARG(a.head));
    }
}

static void a_head_has_no_body(void **state)
{
    (void)state;
    AUTO_RELEASE(client) c = dial(server);
    say_text(&c, "HEAD /items/x" H "Connection: close\r\n\r\n");
    while (hear_more(&c))
        continue;
    assert_true(has(buf_str(&c.in), "200 OK"));
    assert_true(str_ends(buf_str(&c.in), STR("\r\n\r\n")));
}

static void a_connection_serves_many(void **state)
{
    (void)state;
    AUTO_RELEASE(client) c = dial(server);
    static const char *const requests[] = {
        "POST /echo" H "Content-Length: 5\r\n\r\nhello",
        "GET /none" H "\r\n",                                /* 404 */
        "POST /gated" H "Content-Length: 5\r\n\r\nhello",    /* 401 */
        "POST /gated" H "Transfer-Encoding: chunked\r\n\r\n" /* 401 */
        "5\r\nhello\r\n0\r\n\r\n",
        "GET /?q=%" H "\r\n", /* 400 */
        "POST /later" H "Content-Length: 5\r\n\r\nhello",
        "POST /echo" H "\r\n", /* 411 */
    };
    static const int statuses[] = {200, 404, 401, 401, 400, 202, 411};
    pthread_t thread;
    later.end = later.hold = false;
    pthread_create(&thread, NULL, replier, NULL);
    for (int round = 0; round < 50; round++)
        for (size_t i = 0; i < ARRAY_LEN(requests); i++) {
            struct answer a = ask(&c, requests[i]);
            assert_int_equal(a.status, statuses[i]);
            assert_false(has(a.head, "Connection: close"));
            forget(&c, &a);
        }
    pthread_mutex_lock(&later.lock);
    later.end = true;
    pthread_cond_signal(&later.more);
    pthread_mutex_unlock(&later.lock);
    pthread_join(thread, NULL);
}

static void pipelined_requests_keep_their_order(void **state)
{
    (void)state;
    AUTO_RELEASE(client) c = dial(server);
    say_text(&c, "GET /items/1" H "\r\nGET /items/2" H "\r\n"
                 "POST /gated" H "Content-Length: 3\r\n\r\nabc"
                 "GET /items/3" H "\r\n");
    static const char *const parts[] = {"name=1", "name=2", "no_key", "name=3"};
    for (size_t i = 0; i < ARRAY_LEN(parts); i++) {
        struct answer a;
        assert_true(hear(&c, &a));
        assert_true(has(a.body, parts[i]));
        forget(&c, &a);
    }
}

/* The client hears 413 though it sends on, and the connection lives. */
static void an_announced_body_too_large(void **state)
{
    (void)state;
    AUTO_RELEASE(client) c = dial(server);
    AUTO_RELEASE(buf) request = {0};
    size_t n = 3 << 20;
    buf_addf(&request, "POST /echo" H "Content-Length: %zu\r\n\r\n", n);
    memset(buf_reserve(&request, n), 'x', n);
    request.n += n;
    say(&c, buf_str(&request));
    struct answer a;
    assert_true(hear(&c, &a));
    assert_int_equal(a.status, 413);
    forget(&c, &a);
    assert_int_equal(ask(&c, "GET /" H "\r\n").status, 200);
}

/* Beyond what is worth reading the answer comes at once. */
static void a_huge_body_is_not_read(void **state)
{
    (void)state;
    AUTO_RELEASE(client) c = dial(server);
    struct answer a =
        ask(&c, "POST /echo" H "Content-Length: 100000000\r\n\r\nxxxx");
    assert_int_equal(a.status, 413);
    assert_true(has(a.head, "Connection: close"));
    forget(&c, &a);
    assert_false(hear(&c, &a));
}

static void a_chunked_body_too_large(void **state)
{
    (void)state;
    AUTO_RELEASE(client) c = dial(server);
    say_text(&c, "POST /echo" H "Transfer-Encoding: chunked\r\n\r\n");
    char chunk[512 + 16];
    memset(chunk, 'y', sizeof chunk);
    memcpy(chunk, "200\r\n", 5);
    memcpy(chunk + 5 + 512, "\r\n", 2);
    for (int i = 0; i < 10; i++)
        say(&c, (struct str){chunk, 5 + 512 + 2});
    struct answer a = ask(&c, "0\r\n\r\n");
    assert_int_equal(a.status, 413);
    assert_true(has(a.body, "\"body_too_large\""));
    forget(&c, &a);
    assert_int_equal(ask(&c, "GET /" H "\r\n").status, 200);
}

static void an_endless_chunked_body_is_cut_short(void **state)
{
    (void)state;
    AUTO_RELEASE(client) c = dial(server);
    uint64_t before = counted("/echo", "413");
    say_text(&c, "POST /echo" H "Transfer-Encoding: chunked\r\n\r\n");
    AUTO_RELEASE(buf) chunk = {0};
    buf_add_text(&chunk, "10000\r\n");
    memset(buf_reserve(&chunk, 0x10000), 'z', 0x10000);
    chunk.n += 0x10000;
    buf_add_text(&chunk, "\r\n");
    struct pollfd ready = {.fd = c.fd, .events = POLLIN};
    int sent = 0;
    for (; sent < 1000 && poll(&ready, 1, 0) == 0; sent++)
        say(&c, buf_str(&chunk));
    assert_in_range(sent, 200, 999); /* 16 MiB are 256 of them */
    assert_int_equal(counted("/echo", "413"), before + 1);
}

static void expect_is_answered_before_the_body(void **state)
{
    (void)state;
    AUTO_RELEASE(client) c = dial(server);
    struct answer a = ask(&c, "POST /echo" H "Content-Length: 2\r\n"
                              "Expect: 100-continue\r\n\r\n");
    assert_int_equal(a.status, 100);
    forget(&c, &a);
    a = ask(&c, "hi");
    assert_int_equal(a.status, 200);
    forget(&c, &a);
    a = ask(&c, "POST /gated" H "Content-Length: 2\r\n"
                "Expect: 100-continue\r\n\r\n");
    assert_int_equal(a.status, 401);
}

static void large_answers_arrive_whole(void **state)
{
    (void)state;
    AUTO_RELEASE(client) c = dial(server);
    struct answer a = ask(&c, "GET /big" H "\r\n");
    assert_int_equal(a.status, 200);
    assert_int_equal(a.body.n, 4 << 20);
}

static void headers_too_large(void **state)
{
    (void)state;
    AUTO_RELEASE(client) c = dial(server);
    AUTO_RELEASE(buf) request = {0};
    buf_add_text(&request, "GET /" H "X: ");
    memset(buf_reserve(&request, 40000), 'x', 40000);
    request.n += 40000;
    buf_add_text(&request, "\r\n\r\n");
    say(&c, buf_str(&request));
    struct answer a;
    if (hear(&c, &a)) /* the rest unread, the answer may be lost */
        assert_int_equal(a.status, 431);
    AUTO_RELEASE(client) next = dial(server);
    assert_int_equal(ask(&next, "GET /" H "\r\n").status, 200);
}

/* --- answers from another thread ----------------------------------------- */

static void *many_requests(void *arg)
{
    AUTO_RELEASE(client) c = dial(server);
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
        struct client c = dial(server);
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

struct dripping {
    struct client client;
    const char *drops; /* said one by one; when these are used up, 'x' */
    int64_t took_ms;   /* 0: not cut yet */
};

/* Says one more byte; true when the server has ended it. */
static bool drip(struct dripping *d)
{
    struct pollfd ready = {.fd = d->client.fd, .events = POLLIN};
    if (poll(&ready, 1, 0) == 0) {
        say(&d->client, (struct str){*d->drops == '\0' ? "x" : d->drops++, 1});
        return false;
    }
    while (hear_more(&d->client))
        continue;
    return true;
}

static void drip_until_cut(struct dripping *all, size_t count)
{
    int64_t start_us = clock_mono_us();
    for (size_t left = count; left > 0; poll(NULL, 0, 100)) {
        int64_t now_ms = (clock_mono_us() - start_us) / 1000;
        assert_true(now_ms < ANSWER_MS);
        for (size_t i = 0; i < count; i++)
            if (all[i].took_ms == 0 && drip(&all[i])) {
                all[i].took_ms = now_ms;
                left--;
            }
    }
}

static void slow_peers_are_cut(void **state)
{
    (void)state;
    static const struct {
        const char *head, *drops, *heard;
        int64_t least_ms, most_ms;
    } cases[] = {
        {"POST /echo" H "Content-Length: 900\r\n\r\n", "", " 408 ", 900, 3000},
        {"POST /echo" H "Transfer-Encoding: chunked\r\n\r\n200\r\n", "",
         " 408 ", 900, 3000},
        {"POST /gated" H "Content-Length: 900\r\n\r\n", "", "request_timeout",
         900, 3000},
        {"GET /" H, "X-Long: ", " 408 ", 900, 3000},
        {"GE", "T /", "", 1900, 4000}, /* nobody yet to answer */
    };
    struct dripping all[ARRAY_LEN(cases)] = {0};
    AUTO(http_server) s = start("short", 1, 0);
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        all[i] = (struct dripping){.client = dial(s), .drops = cases[i].drops};
        say_text(&all[i].client, cases[i].head);
    }
    drip_until_cut(all, ARRAY_LEN(all));
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct str heard = buf_str(&all[i].client.in);
        assert_in_range(all[i].took_ms, cases[i].least_ms, cases[i].most_ms);
        if (cases[i].heard[0] == '\0')
            assert_int_equal(heard.n, 0);
        else
            assert_true(has(heard, cases[i].heard));
        client_release(&all[i].client);
    }
    const char *name = "short_http_requests_total";
    assert_int_equal(count_of(name, "/echo", "408"), 2);
    assert_int_equal(count_of(name, "none", "408"), 1);
    assert_int_equal(http_server_pending(s), 0);
}

/* What waits for us has no deadline; what waits for the peer idles out. */
static void only_the_peer_has_a_deadline(void **state)
{
    (void)state;
    AUTO(http_server) s = start("short", 1, 0);
    AUTO_RELEASE(client) c = dial(s);
    hold(true);
    say_text(&c, "POST /later" H "Content-Length: 2\r\n\r\nhi");
    struct http_request *r = take_held();
    struct pollfd ready = {.fd = c.fd, .events = POLLIN};
    assert_int_equal(poll(&ready, 1, 2500), 0);
    http_reply(r, 202, "text/plain", STR("late, but there"));
    struct answer a;
    assert_true(hear(&c, &a));
    assert_int_equal(a.status, 202);
    forget(&c, &a);
    assert_false(hear(&c, &a));
}

/* --- bounds, end, metrics ------------------------------------------------ */

static void all_bodies_together_have_a_bound(void **state)
{
    (void)state;
    AUTO(http_server) s = start("small", 30, 1500);
    AUTO_RELEASE(client) one = dial(s);
    AUTO_RELEASE(client) two = dial(s);
    AUTO_RELEASE(buf) part = {0};
    buf_addf(&part, "POST /echo" H "Content-Length: 1000\r\n\r\n%0999d", 0);
    say(&one, buf_str(&part));
    int64_t end_us = clock_mono_us() + ANSWER_MS * 1000;
    struct str held = {0};
    AUTO_RELEASE(buf) text = {0};
    while (held.p == NULL) { /* until the first 999 bytes are in */
        assert_true(clock_mono_us() < end_us);
        buf_reset(&text);
        metrics_write(metrics, &text);
        held.p = strstr(text.p, "\nsmall_http_body_bytes 999\n");
    }
    buf_add_text(&part, "x");
    say(&two, buf_str(&part));
    struct answer a;
    assert_true(hear(&two, &a));
    assert_int_equal(a.status, 503);
    assert_true(has(a.head, "Retry-After: 1"));
    forget(&two, &a);
    assert_int_equal(ask(&one, "y").status, 200);
    say(&two, buf_str(&part));
    assert_true(hear(&two, &a));
    assert_int_equal(a.status, 200);
}

static void thousands_of_connections(void **state)
{
    (void)state;
    struct rlimit limit;
    getrlimit(RLIMIT_NOFILE, &limit);
    size_t count = limit.rlim_cur > 7000 ? 3000 : limit.rlim_cur / 3;
    struct client *clients = xcalloc(count, sizeof *clients);
    for (size_t i = 0; i < count; i++)
        clients[i] = dial(server);
    hold(true);
    for (size_t i = 0; i < count; i++)
        say_text(&clients[i], "POST /later" H "Content-Length: 2\r\n\r\nhi");
    await_held(count);
    assert_int_equal(http_server_pending(server), count);
    for (size_t i = 0; i < count; i++)
        http_reply(take_held(), 202, "text/plain", STR("done"));
    for (size_t i = 0; i < count; i++) {
        struct answer a;
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
    AUTO_RELEASE(client) waiting = dial(s);
    AUTO_RELEASE(client) idle = dial(s);
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
    AUTO_RELEASE(client) silent = dial(s);
    AUTO_RELEASE(client) head = dial(s);
    AUTO_RELEASE(client) body = dial(s);
    say_text(&head, "GET /" H);
    say_text(&body, "POST /echo" H "Content-Length: 10\r\n\r\nhi");
    AUTO_RELEASE(client) other = dial(s);
    assert_int_equal(ask(&other, "GET /" H "\r\n").status, 200);
    http_server_free(s);
    struct answer a;
    assert_false(hear(&body, &a));
}

static void answers_are_counted(void **state)
{
    (void)state;
    AUTO_RELEASE(client) c = dial(server);
    uint64_t found = counted("/items/{name}", "200"),
             lost = counted("none", "404");
    struct answer a = ask(&c, "GET /items/a" H "\r\n");
    forget(&c, &a);
    a = ask(&c, "GET /nowhere" H "\r\n");
    assert_int_equal(counted("/items/{name}", "200"), found + 1);
    assert_int_equal(counted("none", "404"), lost + 1);
    AUTO_RELEASE(buf) text = {0};
    metrics_write(metrics, &text);
    assert_non_null(strstr(text.p, "\ntest_http_pending 0\n"));
    assert_non_null(strstr(text.p, "\ntest_http_connections "));
    assert_non_null(strstr(
        text.p, "test_http_request_seconds_count{route=\"/items/{name}\"} "));
}

static void listening_can_fail(void **state)
{
    (void)state;
    char taken[32];
    snprintf(taken, sizeof taken, "127.0.0.1:%d", http_server_port(server));
    const struct {
        const char *listen, *text;
    } cases[] = {
        {taken, "Address already in use"},
        {"127.0.0.1", "not address:port"},
        {"127.0.0.1:http", "not address:port"},
        {"127.0.0.1:65536", "not address:port"},
        {"", "not address:port"},
        {"192.0.2.1:0", "cannot listen on 192.0.2.1:0: Cannot assign"},
    };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct err err = {0};
        AUTO(http_server) s = http_server_new(
            &(struct http_options){.listen = cases[i].listen,
                                   .threads = 1,
                                   .connections_max = 10,
                                   .routes = routes,
                                   .route_count = ARRAY_LEN(routes)},
            &err);
        assert_null(s);
        assert_int_equal(err.kind, ERR_FATAL);
        if (strstr(err.text, cases[i].text) == NULL)
            fail_msg("%s: %s", cases[i].listen, err.text);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(requests_and_answers),
        cmocka_unit_test(a_head_has_no_body),
        cmocka_unit_test(a_connection_serves_many),
        cmocka_unit_test(pipelined_requests_keep_their_order),
        cmocka_unit_test(an_announced_body_too_large),
        cmocka_unit_test(a_huge_body_is_not_read),
        cmocka_unit_test(a_chunked_body_too_large),
        cmocka_unit_test(an_endless_chunked_body_is_cut_short),
        cmocka_unit_test(expect_is_answered_before_the_body),
        cmocka_unit_test(large_answers_arrive_whole),
        cmocka_unit_test(headers_too_large),
        cmocka_unit_test(answers_from_other_threads),
        cmocka_unit_test(a_gone_peer_is_seen),
        cmocka_unit_test(slow_peers_are_cut),
        cmocka_unit_test(only_the_peer_has_a_deadline),
        cmocka_unit_test(all_bodies_together_have_a_bound),
        cmocka_unit_test(thousands_of_connections),
        cmocka_unit_test(quiet_it_finishes_what_it_has),
        cmocka_unit_test(it_ends_with_half_requests_open),
        cmocka_unit_test(answers_are_counted),
        cmocka_unit_test(listening_can_fail),
    };
    return cmocka_run_group_tests(tests, set_up, take_down);
}
