/* SPDX-License-Identifier: Apache-2.0 */
/* The corpus against the server: each case is answered as it must be, and the
 * handler gets exactly the requests that are there, never two out of one. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <poll.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>

#include "common/http.h"
#include "tests/unit/http_client.h"
#include "tests/unit/http_corpus.h"

enum { CASES_MIN = 500, BODY_MAX = 1000, PAUSE_MS = 1, SILENCE_MS = 5000 };

#define SENTINEL "GET /sentinel HTTP/1.1\r\nHost: h\r\n\r\n"

static struct http_server *server;
static struct {
    pthread_mutex_t lock;
    struct buf text;
} seen = {.lock = PTHREAD_MUTEX_INITIALIZER};

static void *answer(void *arg)
{
    http_reply(arg, 200, "text/plain", STR("ok"));
    return NULL;
}

/* Those to /later are answered by another thread. */
static void note(struct http_request *r, void *arg)
{
    pthread_t other;
    (void)arg;
    pthread_mutex_lock(&seen.lock);
    buf_add_str(&seen.text, http_method(r));
    buf_add_text(&seen.text, " ");
    buf_add_str(&seen.text, http_path(r));
    buf_add_text(&seen.text, " ");
    buf_add_str(&seen.text, http_body(r));
    buf_add_text(&seen.text, ";");
    pthread_mutex_unlock(&seen.lock);
    if (!str_is(http_path(r), "/later")) {
        (void)answer(r);
        return;
    }
    assert_int_equal(pthread_create(&other, NULL, answer, r), 0);
    pthread_detach(other);
}

static int set_up(void **state)
{
    (void)state;
    static const struct http_route routes[] = {
        {.method = "GET", .path = "/", .handle = note},
        {.method = "GET", .path = "/{a}", .handle = note},
        {.method = "DELETE", .path = "/{a}", .handle = note},
        {.method = "POST",
         .path = "/{a}",
         .handle = note,
         .body_max = BODY_MAX},
        {.method = "PUT", .path = "/{a}", .handle = note, .body_max = BODY_MAX},
    };
    struct err err = {0};
    server = http_server_new(
        &(struct http_options){.listen = "127.0.0.1:0",
                               .threads = 2,
                               .connections_max = 100,
                               .idle_timeout_s = 60,
                               .request_timeout_s = 2,
                               .routes = routes,
                               .route_count = ARRAY_LEN(routes)},
        &err);
    if (server == NULL)
        fail_msg("%s", err.text);
    return 0;
}

static int take_down(void **state)
{
    (void)state;
    http_server_free(server);
    buf_release(&seen.text);
    return 0;
}

/* --- one case ------------------------------------------------------------ */

static void say_all(struct client *c, const struct http_case *k)
{
    if (k->drip) {
        for (size_t i = 0; i < k->bytes.n; i++)
            say(c, (struct str){k->bytes.p + i, 1});
    } else {
        say(c, (struct str){k->bytes.p, k->split});
        if (k->split > 0)
            poll(NULL, 0, PAUSE_MS);
        say(c, (struct str){k->bytes.p + k->split, k->bytes.n - k->split});
    }
    if (k->ends)
        shutdown(c->fd, SHUT_WR);
    else
        say_text(c, SENTINEL);
}

/* Is status, 0 for the end, among "400|501"? ("." stands for the end.) */
static bool among(struct str choice, int status)
{
    struct str one;
    char text[8];
    snprintf(text, sizeof text, "%d", status);
    while (str_next(&choice, '|', &one))
        if (str_is(one, status == 0 ? "." : text))
            return true;
    return false;
}

/* One answer's status, 0 at the end, -1 if nothing comes; added to got. */
static int next_status(struct client *c, struct buf *got)
{
    struct answer a = {0};
    struct pollfd ready = {.fd = c->fd, .events = POLLIN};
    int status = -1;
    if (c->in.n > 0 || poll(&ready, 1, SILENCE_MS) == 1)
        status = hear(c, &a) ? a.status : 0;
    buf_addf(got, "%d ", status);
    if (status > 0)
        forget(c, &a);
    return status;
}

/* True if what was answered is what was wanted. */
static bool answers_ok(struct client *c, const struct http_case *k,
                       struct buf *got, bool *closed)
{
    struct str want = str_of(k->deviates ? k->deviates : k->want), choice;
    bool ends = str_ends(want, STR("."));
    if (ends)
        want.n--;
    while (want.n > 0 && str_next(&want, ' ', &choice)) {
        int status = next_status(c, got);
        *closed = status == 0;
        if (!among(choice, status) || *closed)
            return among(choice, status);
    }
    int status = next_status(c, got);
    *closed = status == 0;
    return ends ? *closed && c->in.n == 0 : status == 200;
}

static void complain(const struct http_case *k, size_t number,
                     const struct buf *got)
{
    AUTO_RELEASE(buf) text = {0};
    size_t n = k->bytes.n > 160 ? 160 : k->bytes.n;
    for (size_t i = 0; i < n; i++) {
        unsigned char c = (unsigned char)k->bytes.p[i];
        buf_addf(&text, c < ' ' || c > '~' ? "\\x%02x" : "%c", c);
    }
    print_message("case %zu (%s) split %zu: %s\n  want %s got %.*s seen %.*s\n",
                  number, k->name == NULL ? "table" : k->name, k->split,
                  text.p == NULL ? "" : text.p, k->want, STR_ARG(buf_str(got)),
                  STR_ARG(buf_str(&seen.text)));
}

static void check(const struct http_case *k, void *arg)
{
    size_t *count = arg;
    AUTO_RELEASE(client) c = dial(http_server_port(server));
    AUTO_RELEASE(buf) got = {0}, want_seen = {0};
    (*count)++;
    say_all(&c, k);
    bool closed = false, ok = answers_ok(&c, k, &got, &closed);
    buf_addf(&want_seen, "%s%s", k->deviates ? "" : k->seen,
             closed ? "" : "GET /sentinel ;");
    pthread_mutex_lock(&seen.lock);
    ok = ok && str_eq(buf_str(&seen.text), buf_str(&want_seen));
    if (!ok)
        complain(k, *count, &got);
    buf_reset(&seen.text);
    pthread_mutex_unlock(&seen.lock);
    if (!ok)
        count[1]++;
}

static void each_case_is_answered_as_it_must_be(void **state)
{
    (void)state;
    size_t count[2] = {0, 0}; /* cases, and those that went wrong */
    http_corpus_each(check, count);
    print_message("%zu cases\n", count[0]);
    assert_true(count[0] >= CASES_MIN);
    assert_int_equal(count[1], 0);
    assert_int_equal(http_server_pending(server), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_case_is_answered_as_it_must_be),
    };
    return cmocka_run_group_tests(tests, set_up, take_down);
}
