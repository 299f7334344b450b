/* SPDX-License-Identifier: Apache-2.0 */
/* The HTTP server and peers that take their time: each deadline is absolute,
 * however steadily the peer drips. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <poll.h>
#include <string.h>

#include "common/clock.h"
#include "common/http.h"
#include "tests/unit/http_client.h"

enum {
    BODY_MAX = 100000,
    BIG_BYTES = 32 << 20, /* no socket buffers hold it */
    STEP_MS = 100,
};

static struct metrics *metrics;

static void echo(struct http_request *r, void *arg)
{
    (void)arg;
    http_reply(r, 200, "text/plain", http_body(r));
}

static void big(struct http_request *r, void *arg)
{
    (void)arg;
    char *text = arena_alloc(http_arena(r), BIG_BYTES);
    memset(text, 'x', BIG_BYTES);
    http_reply(r, 200, "text/plain", (struct str){text, BIG_BYTES});
}

static bool never(struct http_request *r, void *arg)
{
    (void)arg;
    http_reply_error(r, 401, "no_key", "say who you are");
    return false;
}

static const struct http_route routes[] = {
    {.method = "GET", .path = "/", .handle = echo},
    {.method = "GET", .path = "/big", .handle = big},
    {.method = "POST", .path = "/echo", .handle = echo, .body_max = BODY_MAX},
    {.method = "POST",
     .path = "/gated",
     .handle = echo,
     .gate = never,
     .body_max = BODY_MAX},
};

/* One deadline short, the others long. */
enum patience { HEADER, REQUEST, IDLE, RATE, SEND, PATIENCES };
static struct http_server *servers[PATIENCES];

static const struct {
    const char *prefix;
    int header_s, request_s, idle_s, send_s, rate;
} patiences[PATIENCES] = {
    [HEADER] = {"header", 1, 60, 60, 60, 0},
    [REQUEST] = {"request", 60, 1, 60, 60, 0},
    [IDLE] = {"idle", 60, 60, 1, 60, 0},
    [RATE] = {"rate", 60, 60, 60, 60, 1000},
    [SEND] = {"send", 60, 60, 60, 1, 0},
};

static int set_up(void **state)
{
    (void)state;
    metrics = metrics_new();
    for (size_t i = 0; i < PATIENCES; i++) {
        struct err err = {0};
        servers[i] = http_server_new(
            &(struct http_options){.listen = "127.0.0.1:0",
                                   .threads = 1,
                                   .connections_max = 100,
                                   .idle_timeout_s = patiences[i].idle_s,
                                   .header_timeout_s = patiences[i].header_s,
                                   .request_timeout_s = patiences[i].request_s,
                                   .send_timeout_s = patiences[i].send_s,
                                   .body_rate = patiences[i].rate,
                                   .routes = routes,
                                   .route_count = ARRAY_LEN(routes),
                                   .metrics = metrics,
                                   .metrics_prefix = patiences[i].prefix},
            &err);
        if (servers[i] == NULL)
            fail_msg("%s", err.text);
    }
    return 0;
}

static int take_down(void **state)
{
    (void)state;
    for (size_t i = 0; i < PATIENCES; i++)
        http_server_free(servers[i]);
    metrics_free(metrics);
    return 0;
}

#define H " HTTP/1.1\r\nHost: h\r\n"

/* --- what comes too slowly ----------------------------------------------- */

struct dripping {
    enum patience at;
    const char *first; /* answered before it begins; or NULL */
    const char *head;  /* said at once */
    const char *drops; /* then one by one; when used up, 'x'; NULL: silence */
    const char *heard; /* part of the last answer; NULL: none comes */
    int64_t least_ms, most_ms;
    /* what happens */
    struct client client;
    int64_t began_us, took_ms; /* 0: not cut yet */
};

/* Says one more byte; true when the server has ended it. */
static bool drip(struct dripping *d)
{
    struct pollfd ready = {.fd = d->client.fd, .events = POLLIN};
    if (poll(&ready, 1, 0) == 0) {
        if (d->drops != NULL)
            say(&d->client,
                (struct str){*d->drops == '\0' ? "x" : d->drops++, 1});
        return false;
    }
    while (hear_more(&d->client))
        continue;
    return true;
}

static void drip_until_cut(struct dripping *all, size_t count)
{
    int64_t start_us = clock_mono_us();
    for (size_t left = count; left > 0; poll(NULL, 0, STEP_MS)) {
        int64_t now_us = clock_mono_us();
        assert_true(now_us - start_us < ANSWER_MS * 1000);
        for (size_t i = 0; i < count; i++)
            if (all[i].took_ms == 0 && drip(&all[i])) {
                all[i].took_ms = (now_us - all[i].began_us) / 1000;
                left--;
            }
    }
}

static void begin(struct dripping *d)
{
    d->client = dial(http_server_port(servers[d->at]));
    if (d->first != NULL) {
        struct answer a = ask(&d->client, d->first);
        assert_int_equal(a.status, 200);
        forget(&d->client, &a);
        poll(NULL, 0, STEP_MS);
    }
    d->began_us = clock_mono_us();
    say_text(&d->client, d->head);
}

static void check(const struct dripping *d)
{
    struct str heard = buf_str(&d->client.in);
    const char *what = d->head;
    if (d->took_ms < d->least_ms || d->took_ms > d->most_ms)
        fail_msg("%s: cut after %lld ms", what, (long long)d->took_ms);
    if (d->heard == NULL && heard.n > 0)
        fail_msg("%s: heard %.*s", what, STR_ARG(heard));
    if (d->heard != NULL &&
        (!has(heard, "HTTP/1.1 408 ") || !has(heard, "Connection: close\r\n") ||
         !has(heard, "\"request_timeout\"") || !has(heard, d->heard)))
        fail_msg("%s: heard %.*s", what, STR_ARG(heard));
}

static void slow_peers_are_cut(void **state)
{
    (void)state;
    static const char get[] = "GET /" H "\r\n";
    struct dripping all[] = {
        {.at = REQUEST,
         .head = "POST /echo" H "Content-Length: 900\r\n\r\n",
         .drops = "",
         .heard = "the request took",
         .least_ms = 900,
         .most_ms = 3000},
        {.at = REQUEST,
         .head = "POST /echo" H "Transfer-Encoding: chunked\r\n\r\n200\r\n",
         .drops = "",
         .heard = "the request took",
         .least_ms = 900,
         .most_ms = 3000},
        {.at = REQUEST, /* refused, but to be read first */
         .head = "POST /gated" H "Content-Length: 900\r\n\r\n",
         .drops = "",
         .heard = "the request took",
         .least_ms = 900,
         .most_ms = 3000},
        {.at = REQUEST, /* not a byte more */
         .head = "POST /echo" H "Content-Length: 900\r\n\r\n",
         .heard = "the request took",
         .least_ms = 900,
         .most_ms = 3000},
        {.at = HEADER,
         .head = "GET /" H,
         .drops = "X-Long: ",
         .heard = "the headers took",
         .least_ms = 900,
         .most_ms = 3000},
        {.at = HEADER,
         .head = "GE",
         .drops = "T /",
         .heard = "the headers took",
         .least_ms = 900,
         .most_ms = 4000},
        {.at = HEADER, /* one byte, and no more */
         .head = "G",
         .heard = "the headers took",
         .least_ms = 900,
         .most_ms = 4000},
        {.at = HEADER,
         .first = get,
         .head = "P",
         .drops = "OST /",
         .heard = "the headers took",
         .least_ms = 900,
         .most_ms = 4000},
        {.at = IDLE, .head = "", .least_ms = 800, .most_ms = 3000},
        {.at = IDLE,
         .first = get,
         .head = "",
         .least_ms = 700, /* the first pause counts, too */
         .most_ms = 3000},
        {.at = RATE,
         .head = "POST /echo" H "Content-Length: 900\r\n\r\n",
         .drops = "",
         .heard = "too slowly",
         .least_ms = 4900,
         .most_ms = 7000},
        {.at = RATE, /* chunk lines are not the body */
         .head = "POST /gated" H "Transfer-Encoding: chunked\r\n\r\n"
                 "1;",
         .drops = "",
         .heard = "too slowly",
         .least_ms = 4900,
         .most_ms = 7000},
    };
    for (size_t i = 0; i < ARRAY_LEN(all); i++)
        begin(&all[i]);
    drip_until_cut(all, ARRAY_LEN(all));
    for (size_t i = 0; i < ARRAY_LEN(all); i++) {
        check(&all[i]);
        client_release(&all[i].client);
    }
    static const struct {
        const char *series;
        int64_t value;
    } counts[] = {
        {"request_http_connections_cut_total{reason=\"request\"}", 4},
        {"header_http_connections_cut_total{reason=\"header\"}", 4},
        {"idle_http_connections_cut_total{reason=\"idle\"}", 2},
        {"rate_http_connections_cut_total{reason=\"body_rate\"}", 2},
        {"request_http_requests_total{route=\"/echo\",status=\"408\"}", 3},
        {"header_http_requests_total{route=\"none\",status=\"408\"}", 4},
        {"request_http_pending", 0},
        {"rate_http_pending", 0},
    };
    for (size_t i = 0; i < ARRAY_LEN(counts); i++)
        if (metric_value(metrics, counts[i].series) != counts[i].value)
            fail_msg("%s is %lld", counts[i].series,
                     (long long)metric_value(metrics, counts[i].series));
}

/* --- what comes slowly, but fast enough ---------------------------------- */

static void a_steady_body_may_take_longer_than_a_window(void **state)
{
    (void)state;
    enum { PIECES = 70, PIECE = 200 };
    AUTO_RELEASE(client) c = dial(http_server_port(servers[RATE]));
    AUTO_RELEASE(buf) head = {0};
    char piece[PIECE];
    memset(piece, 'y', sizeof piece);
    buf_addf(&head, "POST /echo" H "Content-Length: %d\r\n\r\n",
             PIECES * PIECE);
    say(&c, buf_str(&head));
    for (int i = 0; i < PIECES; i++) {
        poll(NULL, 0, STEP_MS);
        say(&c, (struct str){piece, sizeof piece});
    }
    struct answer a = {0};
    assert_true(hear(&c, &a));
    assert_int_equal(a.status, 200);
    assert_int_equal(a.body.n, PIECES * PIECE);
}

/* --- what is not taken --------------------------------------------------- */

/* Reads a little all the time: that does not help. */
static void a_slow_reader_is_cut(void **state)
{
    (void)state;
    static const char series[] =
        "send_http_connections_cut_total{reason=\"send\"}";
    AUTO_RELEASE(client) c = dial(http_server_port(servers[SEND]));
    int64_t start_us = clock_mono_us();
    say_text(&c, "GET /big" H "\r\n");
    while (metric_value(metrics, series) < 1) {
        assert_true(clock_mono_us() - start_us < ANSWER_MS * 1000);
        assert_true(hear_more(&c));
        poll(NULL, 0, STEP_MS);
    }
    int64_t took_ms = (clock_mono_us() - start_us) / 1000;
    assert_in_range(took_ms, 900, 3500);
    while (hear_more(&c))
        continue;
    assert_true(c.in.n < BIG_BYTES);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(slow_peers_are_cut),
        cmocka_unit_test(a_steady_body_may_take_longer_than_a_window),
        cmocka_unit_test(a_slow_reader_is_cut),
    };
    return cmocka_run_group_tests(tests, set_up, take_down);
}
