/* SPDX-License-Identifier: Apache-2.0 */
#include "services/evaluator/sender.h"

#include <arpa/inet.h>
#include <assert.h>
#include <curl/curl.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <unistd.h>

#include "common/buf.h"
#include "common/clock.h"

enum { RESPONSE_MAX = 64 * 1024, RESPONSE_KEPT = 1024 };

struct transfer {
    struct sender *sender;
    struct transfer *previous, *next;
    CURL *easy;
    struct curl_slist *headers;
    void *tag;
    bool https;
    int64_t began_us;
    size_t received; /* bytes of the answer's body */
    struct buf response;
    char refused[GUARD_TEXT_MAX]; /* address the guard refused, or "" */
    char error[CURL_ERROR_SIZE];
};

struct sender {
    struct sender_options o;
    struct loop *loop;
    struct loop_timer *timer;
    CURLM *multi;
    struct transfer *first;
    size_t busy;
};

/* ---- libcurl's callbacks for one transfer ---- */

static bool admitted(struct transfer *t, const struct sockaddr *to)
{
    if (guard_allows(t->sender->o.guard, to, t->https))
        return true;
    (void)guard_text(to, t->refused);
    return false;
}

static curl_socket_t on_open(void *arg, curlsocktype purpose,
                             struct curl_sockaddr *address)
{
    if (purpose != CURLSOCKTYPE_IPCXN || !admitted(arg, &address->addr))
        return CURL_SOCKET_BAD;
    return socket(address->family, address->socktype | SOCK_CLOEXEC,
                  address->protocol);
}

/* Asked before every request, so also on a connection that is used again. */
static int on_request(void *arg, char *peer, char *local, int peer_port,
                      int local_port)
{
    (void)local;
    (void)peer_port;
    (void)local_port;
    struct sockaddr_in v4 = {.sin_family = AF_INET};
    struct sockaddr_in6 v6 = {.sin6_family = AF_INET6};
    bool ok = false;
    if (inet_pton(AF_INET, peer, &v4.sin_addr) == 1)
        ok = admitted(arg, (struct sockaddr *)&v4);
    else if (inet_pton(AF_INET6, peer, &v6.sin6_addr) == 1)
        ok = admitted(arg, (struct sockaddr *)&v6);
    return ok ? CURL_PREREQFUNC_OK : CURL_PREREQFUNC_ABORT;
}

static size_t on_body(char *p, size_t size, size_t count, void *arg)
{
    struct transfer *t = arg;
    size_t n = size * count;
    if (t->response.n < RESPONSE_KEPT) {
        size_t room = RESPONSE_KEPT - t->response.n;
        buf_add(&t->response, p, n < room ? n : room);
    }
    t->received += n;
    return t->received > RESPONSE_MAX ? CURL_WRITEFUNC_ERROR : n;
}

/* ---- transfers ---- */

static void transfer_free(struct transfer *t)
{
    struct sender *s = t->sender;
    *(t->previous ? &t->previous->next : &s->first) = t->next;
    if (t->next)
        t->next->previous = t->previous;
    curl_multi_remove_handle(s->multi, t->easy);
    curl_easy_cleanup(t->easy);
    curl_slist_free_all(t->headers);
    buf_release(&t->response);
    free(t);
    s->busy--;
}

/* An option that libcurl refuses is our bug. */
#define SET(easy, option, value)                               \
    do {                                                       \
        CURLcode set_ = curl_easy_setopt(easy, option, value); \
        assert(set_ == CURLE_OK);                              \
    } while (0)

static void set_limits(const struct transfer *t)
{
    const struct sender_options *o = &t->sender->o;
    SET(t->easy, CURLOPT_CONNECTTIMEOUT_MS, (long)o->connect_timeout_ms);
    SET(t->easy, CURLOPT_TIMEOUT_MS, (long)o->timeout_ms);
    SET(t->easy, CURLOPT_NOSIGNAL, 1L);
    SET(t->easy, CURLOPT_QUICK_EXIT, 1L); /* wait for no resolver thread */
    SET(t->easy, CURLOPT_FOLLOWLOCATION, 0L);
    SET(t->easy, CURLOPT_PROXY, ""); /* a proxy would hide the peer */
    SET(t->easy, CURLOPT_NETRC, (long)CURL_NETRC_IGNORED);
    SET(t->easy, CURLOPT_PROTOCOLS_STR, "http,https");
    SET(t->easy, CURLOPT_HTTP_VERSION, (long)CURL_HTTP_VERSION_1_1);
    if (o->ca_file[0])
        SET(t->easy, CURLOPT_CAINFO, o->ca_file);
}

static void set_callbacks(struct transfer *t)
{
    SET(t->easy, CURLOPT_PRIVATE, t);
    SET(t->easy, CURLOPT_ERRORBUFFER, t->error);
    SET(t->easy, CURLOPT_OPENSOCKETFUNCTION, on_open);
    SET(t->easy, CURLOPT_OPENSOCKETDATA, t);
    SET(t->easy, CURLOPT_PREREQFUNCTION, on_request);
    SET(t->easy, CURLOPT_PREREQDATA, t);
    SET(t->easy, CURLOPT_WRITEFUNCTION, on_body);
    SET(t->easy, CURLOPT_WRITEDATA, t);
}

static void set_request(struct transfer *t, const struct post *post)
{
    t->headers = curl_slist_append(NULL, "Content-Type: application/json");
    t->headers = curl_slist_append(t->headers, "User-Agent: pulse");
    t->headers = curl_slist_append(t->headers, "Expect:");
    for (size_t i = 0; post->headers && post->headers[i]; i++) {
        const char *line_end = strpbrk(post->headers[i], "\r\n");
        assert(!line_end);
        t->headers = curl_slist_append(t->headers, post->headers[i]);
    }
    assert(t->headers);
    SET(t->easy, CURLOPT_URL, post->url);
    SET(t->easy, CURLOPT_HTTPHEADER, t->headers);
    SET(t->easy, CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)post->body.n);
    SET(t->easy, CURLOPT_COPYPOSTFIELDS, post->body.p);
}

void sender_post(struct sender *s, const struct post *post)
{
    struct transfer *t = xcalloc(1, sizeof *t);
    t->sender = s;
    t->tag = post->tag;
    t->began_us = clock_mono_us();
    struct str scheme = str_of(post->url);
    scheme.n = scheme.n < 8 ? scheme.n : 8;
    t->https = str_eq_nocase(scheme, STR("https://"));
    t->easy = curl_easy_init();
    assert(t->easy);
    set_limits(t);
    set_callbacks(t);
    set_request(t, post);
    t->next = s->first;
    if (s->first)
        s->first->previous = t;
    s->first = t;
    s->busy++;
    CURLMcode added = curl_multi_add_handle(s->multi, t->easy);
    assert(added == CURLM_OK);
}

/* What is no UTF-8, or a NUL, becomes '?': it goes into a text column. */
static void clean(struct buf *b)
{
    for (size_t i = 0; i < b->n;) {
        size_t n = 1;
        while (n <= 4 && i + n <= b->n &&
               !str_utf8_valid((struct str){b->p + i, n}))
            n++;
        if (n > 4 || i + n > b->n || b->p[i] == '\0') {
            b->p[i] = '?';
            n = 1;
        }
        i += n;
    }
}

static void report(struct transfer *t, CURLcode code)
{
    struct sender *s = t->sender;
    char error[GUARD_TEXT_MAX + CURL_ERROR_SIZE];
    struct sent sent = {
        .duration_ms = (clock_mono_us() - t->began_us) / 1000,
    };
    long status = 0;
    curl_off_t retry_after_s = 0;
    curl_easy_getinfo(t->easy, CURLINFO_RESPONSE_CODE, &status);
    curl_easy_getinfo(t->easy, CURLINFO_RETRY_AFTER, &retry_after_s);
    /* Too long an answer is cut off, but it is one. */
    if (code == CURLE_OK || (code == CURLE_WRITE_ERROR && status != 0)) {
        sent.status = (int)status;
        sent.retry_after_ms = (int64_t)retry_after_s * 1000;
        clean(&t->response);
        sent.response = buf_str(&t->response);
    } else if (t->refused[0]) {
        snprintf(error, sizeof error,
                 "the address %s is not allowed (PULSE_WEBHOOK_ALLOW)",
                 t->refused);
        sent.error = error;
    } else {
        snprintf(error, sizeof error, "%s",
                 t->error[0] ? t->error : curl_easy_strerror(code));
        sent.error = error;
    }
    void *tag = t->tag;
    struct str response = sent.response;
    AUTO_RELEASE(buf) kept = {0};
    buf_add_str(&kept, response);
    sent.response = buf_str(&kept);
    transfer_free(t);
    s->o.done(s->o.arg, tag, &sent);
}

/* ---- libcurl in the loop ---- */

static void collect(struct sender *s)
{
    CURLMsg *message;
    int left;
    while ((message = curl_multi_info_read(s->multi, &left))) {
        if (message->msg != CURLMSG_DONE)
            continue;
        CURLcode code = message->data.result;
        char *private = NULL;
        curl_easy_getinfo(message->easy_handle, CURLINFO_PRIVATE, &private);
        report((struct transfer *)(void *)private, code);
    }
}

struct watched {
    struct sender *sender;
    struct loop_io *io;
    curl_socket_t fd;
};

static void on_ready(void *arg, uint32_t events)
{
    const struct watched *w = arg;
    struct sender *s = w->sender;
    int mask = 0, running;
    if (events & (EPOLLIN | EPOLLHUP | EPOLLERR))
        mask |= CURL_CSELECT_IN;
    if (events & EPOLLOUT)
        mask |= CURL_CSELECT_OUT;
    if (events & EPOLLERR)
        mask |= CURL_CSELECT_ERR;
    curl_multi_socket_action(s->multi, w->fd, mask, &running);
    collect(s);
}

static void unwatch(struct sender *s, struct watched *w)
{
    curl_multi_assign(s->multi, w->fd, NULL);
    loop_io_free(w->io);
    free(w);
}

static int on_socket(CURL *easy, curl_socket_t fd, int what, void *arg,
                     void *socket_arg)
{
    (void)easy;
    struct sender *s = arg;
    struct watched *w = socket_arg;
    if (what == CURL_POLL_REMOVE) {
        if (w)
            unwatch(s, w);
        return 0;
    }
    uint32_t events = 0;
    if (what != CURL_POLL_OUT)
        events |= EPOLLIN;
    if (what != CURL_POLL_IN)
        events |= EPOLLOUT;
    if (w) {
        loop_io_set(w->io, events);
        return 0;
    }
    w = xcalloc(1, sizeof *w);
    w->sender = s;
    w->fd = fd;
    w->io = loop_io_new(s->loop, fd, events, on_ready, w);
    curl_multi_assign(s->multi, fd, w);
    return 0;
}

static void on_timeout(void *arg)
{
    struct sender *s = arg;
    int running;
    curl_multi_socket_action(s->multi, CURL_SOCKET_TIMEOUT, 0, &running);
    collect(s);
}

static int on_timer(CURLM *multi, long timeout_ms, void *arg)
{
    (void)multi;
    struct sender *s = arg;
    if (timeout_ms < 0)
        loop_timer_cancel(s->timer);
    else
        loop_timer_set(s->timer, timeout_ms, 0);
    return 0;
}

struct sender *sender_new(struct loop *loop,
                          const struct sender_options *options)
{
    struct sender *s = xcalloc(1, sizeof *s);
    s->o = *options;
    s->loop = loop;
    s->timer = loop_timer_new(loop, on_timeout, s);
    CURLcode ready = curl_global_init(CURL_GLOBAL_DEFAULT);
    assert(ready == CURLE_OK);
    s->multi = curl_multi_init();
    assert(s->multi);
    curl_multi_setopt(s->multi, CURLMOPT_SOCKETFUNCTION, on_socket);
    curl_multi_setopt(s->multi, CURLMOPT_SOCKETDATA, s);
    curl_multi_setopt(s->multi, CURLMOPT_TIMERFUNCTION, on_timer);
    curl_multi_setopt(s->multi, CURLMOPT_TIMERDATA, s);
    return s;
}

void sender_free(struct sender *s)
{
    if (!s)
        return;
    while (s->first)
        transfer_free(s->first);
    curl_multi_cleanup(s->multi);
    loop_timer_free(s->timer);
    curl_global_cleanup();
    free(s);
}

size_t sender_busy(const struct sender *s)
{
    return s->busy;
}
