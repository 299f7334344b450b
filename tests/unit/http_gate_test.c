/* SPDX-License-Identifier: Apache-2.0 */
/* What a gate may do beside refusing: learn the peer, lower a body's bound. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdlib.h>

#include "common/http.h"
#include "tests/unit/http_client.h"

enum { ROUTES_MAX = 100, TENANTS_MAX = 10 };

static struct http_server *server;

static void echo(struct http_request *r, void *arg)
{
    (void)arg;
    http_reply(r, 200, "text/plain", http_body(r));
}

static bool lower(struct http_request *r, void *arg)
{
    (void)arg;
    return http_body_limit(r, TENANTS_MAX, "body_bytes of this tenant");
}

static bool raise_it(struct http_request *r, void *arg)
{
    (void)arg;
    return http_body_limit(r, 100000, "never seen");
}

static void peer(struct http_request *r, void *arg)
{
    (void)arg;
    http_reply(r, 200, "text/plain", http_client_address(r));
}

static const struct http_route routes[] = {
    {.method = "POST",
     .path = "/low",
     .handle = echo,
     .gate = lower,
     .body_max = ROUTES_MAX},
    {.method = "POST",
     .path = "/high",
     .handle = echo,
     .gate = raise_it,
     .body_max = ROUTES_MAX},
    {.method = "GET", .path = "/peer", .handle = peer},
};

static int set_up(void **state)
{
    struct err err = {0};
    (void)state;
    server = http_server_new(
        &(struct http_options){.listen = "127.0.0.1:0",
                               .threads = 1,
                               .connections_max = 64,
                               .idle_timeout_s = 30,
                               .request_timeout_s = 30,
                               .trusted_proxies = "127.0.0.0/8",
                               .routes = routes,
                               .route_count = ARRAY_LEN(routes)},
        &err);
    return server == NULL;
}

static int take_down(void **state)
{
    (void)state;
    http_server_free(server);
    return 0;
}

static void test_a_gate_lowers_the_bound_of_a_body(void **state)
{
    static const struct {
        const char *request;
        int status;
        const char *says;
    } cases[] = {
        {"POST /low HTTP/1.1\r\nHost: h\r\nContent-Length: 10\r\n\r\n"
         "0123456789",
         200, "0123456789"},
        {"POST /low HTTP/1.1\r\nHost: h\r\nContent-Length: 11\r\n\r\n"
         "0123456789a",
         413, "at most 10 bytes: body_bytes of this tenant"},
        {"POST /low HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n"
         "5\r\n01234\r\n5\r\n56789\r\n0\r\n\r\n",
         200, "0123456789"},
        {"POST /low HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n"
         "5\r\n01234\r\n6\r\n56789a\r\n0\r\n\r\n",
         413, "at most 10 bytes: body_bytes of this tenant"},
        /* The route's own bound stays. */
        {"POST /high HTTP/1.1\r\nHost: h\r\nContent-Length: 101\r\n\r\n"
         "012345678901234567890123456789012345678901234567890123456789012345678"
         "9"
         "0123456789012345678901234567890",
         413, "at most 100 bytes\""},
    };
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        AUTO_RELEASE(client) c = dial(http_server_port(server));
        struct answer a = ask(&c, cases[i].request);
        if (a.status != cases[i].status || !has(a.body, cases[i].says))
            fail_msg("case %zu: %d %.*s", i, a.status, STR_ARG(a.body));
        /* And the connection lives on. */
        forget(&c, &a);
        assert_int_equal(
            ask(&c, "GET /peer HTTP/1.1\r\nHost: h\r\n\r\n").status, 200);
    }
}

static void test_the_peer_has_an_address(void **state)
{
    (void)state;
    AUTO_RELEASE(client) c = dial(http_server_port(server));
    struct answer a = ask(&c, "GET /peer HTTP/1.1\r\nHost: h\r\n\r\n");
    assert_int_equal(a.status, 200);
    assert_int_equal(a.body.n, 16);
    assert_true(has(a.body, "\x7f"));
}

static void test_a_trusted_proxy_says_who_asks(void **state)
{
    (void)state;
    AUTO_RELEASE(client) c = dial(http_server_port(server));
    struct answer a = ask(&c, "GET /peer HTTP/1.1\r\nHost: h\r\n"
                              "X-Forwarded-For: 198.51.100.66, ABCD::1\r\n"
                              "X-Forwarded-For: 65.66.67.68,127.0.0.9\r\n\r\n");
    assert_int_equal(a.status, 200);
    assert_int_equal(a.body.n, 16);
    assert_true(str_ends(a.body, STR("ABCD"))); /* 65.66.67.68 */
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_gate_lowers_the_bound_of_a_body),
        cmocka_unit_test(test_the_peer_has_an_address),
        cmocka_unit_test(test_a_trusted_proxy_says_who_asks),
    };
    return cmocka_run_group_tests(tests, set_up, take_down);
}
