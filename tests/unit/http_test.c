/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <poll.h>
#include <stdio.h>
#include <string.h>

#include "common/http.h"
#include "tests/unit/http_client.h"

enum { BODY_MAX = 1000 };

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
    {"POST", "/echo", echo, NULL, NULL, BODY_MAX, NULL},
    {"POST", "/gated", gated, with_key, NULL, BODY_MAX, NULL},
    {"POST", "/nothing", nothing, NULL, NULL, 0, NULL},
    {"GET", "/big", big, NULL, NULL, 0, NULL},
    {"GET", "/", tell, NULL, "root", 0, NULL},
    {"GET", "/items/{name}", tell, NULL, "item", 0, NULL},
    {"DELETE", "/items/{name}", tell, NULL, "gone", 0, NULL},
    {"GET", "/items/{name}/latest", tell, NULL, "latest", 0, NULL},
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
         "\"method_not_allowed\"", "Allow: GET, HEAD, DELETE\r\n"},
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
        AUTO_RELEASE(client) c = dial(http_server_port(server));
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
    AUTO_RELEASE(client) c = dial(http_server_port(server));
    say_text(&c, "HEAD /items/x" H "Connection: close\r\n\r\n");
    while (hear_more(&c))
        continue;
    assert_true(has(buf_str(&c.in), "200 OK"));
    assert_true(str_ends(buf_str(&c.in), STR("\r\n\r\n")));
}

static void a_connection_serves_many(void **state)
{
    (void)state;
    AUTO_RELEASE(client) c = dial(http_server_port(server));
    static const char *const requests[] = {
        "POST /echo" H "Content-Length: 5\r\n\r\nhello",
        "GET /none" H "\r\n",                                /* 404 */
        "POST /gated" H "Content-Length: 5\r\n\r\nhello",    /* 401 */
        "POST /gated" H "Transfer-Encoding: chunked\r\n\r\n" /* 401 */
        "5\r\nhello\r\n0\r\n\r\n",
        "GET /?q=%" H "\r\n",  /* 400 */
        "POST /echo" H "\r\n", /* 411 */
    };
    static const int statuses[] = {200, 404, 401, 401, 400, 411};
    for (int round = 0; round < 50; round++)
        for (size_t i = 0; i < ARRAY_LEN(requests); i++) {
            struct answer a = ask(&c, requests[i]);
            assert_int_equal(a.status, statuses[i]);
            assert_false(has(a.head, "Connection: close"));
            forget(&c, &a);
        }
}

/* A thread of the server keeps its last small answer, to give it again. */
static void answers_take_turns(void **state)
{
    (void)state;
    static const struct {
        const char *ask, *head, *body;
    } turns[] = {
        {"POST /echo" H "Content-Length: 2\r\n\r\nab", "text/plain", "ab"},
        {"POST /echo" H "Content-Length: 2\r\n\r\nab", "text/plain", "ab"},
        {"POST /echo" H "Content-Length: 2\r\n\r\nac", "text/plain", "ac"},
        {"POST /echo" H "Content-Type: a/b\r\nContent-Length: 2\r\n\r\nac",
         "X-Type: a/b", "ac"},
        {"POST /echo" H "Content-Length: 0\r\n\r\n", "text/plain", ""},
        {"POST /nothing" H "\r\n", "HTTP/1.1 204", ""},
        {"GET /nowhere" H "\r\n", "application/json", NULL},
    };
    AUTO_RELEASE(client) c = dial(http_server_port(server));
    for (size_t i = 0; i < 3 * ARRAY_LEN(turns); i++) {
        size_t at = i % ARRAY_LEN(turns);
        struct answer a = ask(&c, turns[at].ask);
        assert_true(has(a.head, turns[at].head));
        if (turns[at].body != NULL)
            assert_true(str_is(a.body, turns[at].body));
        forget(&c, &a);
    }
}

static void pipelined_requests_keep_their_order(void **state)
{
    (void)state;
    AUTO_RELEASE(client) c = dial(http_server_port(server));
    say_text(&c, "GET /items/1" H "\r\nGET /items/2" H "\r\n"
                 "POST /gated" H "Content-Length: 3\r\n\r\nabc"
                 "GET /items/3" H "\r\n");
    static const char *const parts[] = {"name=1", "name=2", "no_key", "name=3"};
    for (size_t i = 0; i < ARRAY_LEN(parts); i++) {
        struct answer a = {0};
        assert_true(hear(&c, &a));
        assert_true(has(a.body, parts[i]));
        forget(&c, &a);
    }
}

/* The client hears 413 though it sends on, and the connection lives. */
static void an_announced_body_too_large(void **state)
{
    (void)state;
    AUTO_RELEASE(client) c = dial(http_server_port(server));
    AUTO_RELEASE(buf) request = {0};
    size_t n = 3 << 20;
    buf_addf(&request, "POST /echo" H "Content-Length: %zu\r\n\r\n", n);
    memset(buf_reserve(&request, n), 'x', n);
    request.n += n;
    say(&c, buf_str(&request));
    struct answer a = {0};
    assert_true(hear(&c, &a));
    assert_int_equal(a.status, 413);
    forget(&c, &a);
    assert_int_equal(ask(&c, "GET /" H "\r\n").status, 200);
}

/* Beyond what is worth reading the answer comes at once. */
static void a_huge_body_is_not_read(void **state)
{
    (void)state;
    AUTO_RELEASE(client) c = dial(http_server_port(server));
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
    AUTO_RELEASE(client) c = dial(http_server_port(server));
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
    AUTO_RELEASE(client) c = dial(http_server_port(server));
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
    AUTO_RELEASE(client) c = dial(http_server_port(server));
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
    AUTO_RELEASE(client) c = dial(http_server_port(server));
    struct answer a = ask(&c, "GET /big" H "\r\n");
    assert_int_equal(a.status, 200);
    assert_int_equal(a.body.n, 4 << 20);
}

static void headers_too_large(void **state)
{
    (void)state;
    AUTO_RELEASE(client) c = dial(http_server_port(server));
    AUTO_RELEASE(buf) request = {0};
    buf_add_text(&request, "GET /" H "X: ");
    memset(buf_reserve(&request, 40000), 'x', 40000);
    request.n += 40000;
    buf_add_text(&request, "\r\n\r\n");
    say(&c, buf_str(&request));
    struct answer a = {0};
    if (hear(&c, &a)) /* the rest unread, the answer may be lost */
        assert_int_equal(a.status, 431);
    AUTO_RELEASE(client) next = dial(http_server_port(server));
    assert_int_equal(ask(&next, "GET /" H "\r\n").status, 200);
}

static void answers_are_counted(void **state)
{
    (void)state;
    AUTO_RELEASE(client) c = dial(http_server_port(server));
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
        cmocka_unit_test(answers_take_turns),
        cmocka_unit_test(pipelined_requests_keep_their_order),
        cmocka_unit_test(an_announced_body_too_large),
        cmocka_unit_test(a_huge_body_is_not_read),
        cmocka_unit_test(a_chunked_body_too_large),
        cmocka_unit_test(an_endless_chunked_body_is_cut_short),
        cmocka_unit_test(expect_is_answered_before_the_body),
        cmocka_unit_test(large_answers_arrive_whole),
        cmocka_unit_test(headers_too_large),
        cmocka_unit_test(answers_are_counted),
        cmocka_unit_test(listening_can_fail),
    };
    return cmocka_run_group_tests(tests, set_up, take_down);
}
