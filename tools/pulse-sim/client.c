/* SPDX-License-Identifier: Apache-2.0 */
#include "tools/pulse-sim/client.h"

#include <assert.h>
#include <errno.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "common/buf.h"
#include "common/clock.h"

enum {
    EVENTS_MAX = 256,
    HEAD_MAX = 64 * 1024,
    PAUSE_US = 200000, /* after a failed connection */
    LOOK_US = 250000,  /* how often time-outs are looked for */
};

struct link {
    int fd; /* -1: not connected */
    bool busy, watches_out;
    struct buf out; /* the request; out_at bytes of it are sent */
    size_t out_at;
    struct buf in; /* the answer so far */
    int64_t since_us;
};

struct client {
    struct client_options with;
    struct sockaddr_storage address;
    socklen_t address_bytes;
    struct buf head; /* request line and headers up to Content-Length's value */
    int epoll;
    struct link *links;
    int *idle; /* slots, the last used on top: the fewest connections work */
    int idle_count;
    int64_t pause_until_us, looked_us;
};

/* --- making -------------------------------------------------------------- */

static bool url_split(const char *url, struct str *host, char port[16],
                      struct err *err)
{
    struct str rest = str_of(url), digits = STR("80");

    if (!str_starts(rest, STR("http://"))) {
        err_set(err, ERR_INPUT, "\"%s\" does not begin with http://", url);
        return false;
    }
    rest.p += 7;
    rest.n -= 7;
    if (rest.n > 0 && rest.p[rest.n - 1] == '/')
        rest.n--;
    *host = rest;
    const char *colon = memrchr(rest.p, ':', rest.n);
    if (colon && !memchr(colon, ']', rest.n - (size_t)(colon - rest.p))) {
        host->n = (size_t)(colon - rest.p);
        digits = (struct str){colon + 1, rest.n - host->n - 1};
    }
    if (host->n > 2 && host->p[0] == '[')
        *host = (struct str){host->p + 1, host->n - 2};
    if (host->n == 0 || memchr(rest.p, '/', rest.n) || digits.n == 0 ||
        digits.n >= 6) {
        err_set(err, ERR_INPUT, "\"%s\" is not http://host:port", url);
        return false;
    }
    memcpy(port, digits.p, digits.n);
    port[digits.n] = '\0';
    return true;
}

static bool address_find(struct client *c, struct err *err)
{
    struct addrinfo *found, hints = {.ai_socktype = SOCK_STREAM};
    struct str host;
    char port[16];

    if (!url_split(c->with.url, &host, port, err))
        return false;
    char *name = str_dup(host);
    int failed = getaddrinfo(name, port, &hints, &found);
    free(name);
    if (failed) {
        err_set(err, ERR_RETRY, "%s: %s", c->with.url, gai_strerror(failed));
        return false;
    }
    memcpy(&c->address, found->ai_addr, found->ai_addrlen);
    c->address_bytes = found->ai_addrlen;
    freeaddrinfo(found);
    return true;
}

static void head_make(struct client *c)
{
    const char *host = c->with.url + strlen("http://");

    buf_addf(&c->head, "POST %s HTTP/1.1\r\nHost: %.*s\r\n", c->with.path,
             (int)strcspn(host, "/"), host);
    if (c->with.key)
        buf_addf(&c->head, "Authorization: Bearer %s\r\n", c->with.key);
    buf_add_text(&c->head,
                 "Content-Type: application/json\r\nContent-Length: ");
}

struct client *client_new(const struct client_options *options, struct err *err)
{
    AUTO(client) c = xcalloc(1, sizeof *c);
    size_t n = (size_t)options->connections;

    c->with = *options;
    c->epoll = epoll_create1(EPOLL_CLOEXEC);
    assert(c->epoll >= 0);
    c->links = xcalloc(n, sizeof *c->links);
    c->idle = xcalloc(n, sizeof *c->idle);
    for (int i = options->connections - 1; i >= 0; i--) {
        c->links[i].fd = -1;
        c->idle[c->idle_count++] = i;
    }
    if (!address_find(c, err))
        return NULL;
    head_make(c);
    return MOVE(c);
}

void client_free(struct client *c)
{
    if (!c)
        return;
    for (int i = 0; i < c->with.connections; i++) {
        if (c->links[i].fd >= 0)
            close(c->links[i].fd);
        buf_release(&c->links[i].out);
        buf_release(&c->links[i].in);
    }
    free(c->links);
    free(c->idle);
    buf_release(&c->head);
    close(c->epoll);
    free(c);
}

/* --- one connection ------------------------------------------------------ */

static void link_watch(struct client *c, struct link *l, bool out, int op)
{
    struct epoll_event event = {
        .events = EPOLLIN | (out ? EPOLLOUT : 0u),
        .data.u32 = (uint32_t)(l - c->links),
    };

    l->watches_out = out;
    int failed = epoll_ctl(c->epoll, op, l->fd, &event);
    assert(!failed);
}

static void link_close(struct link *l)
{
    if (l->fd >= 0)
        close(l->fd);
    l->fd = -1;
}

/* The request ended. Who is told must not post from there: the answer still
 * lies in the link's buffer. */
static void link_end(struct client *c, struct link *l, int status,
                     int retry_after_s, struct str body)
{
    int slot = (int)(l - c->links);

    assert(l->busy);
    l->busy = false;
    c->idle[c->idle_count++] = slot;
    c->with.answered(c->with.arg, slot, status, retry_after_s, body);
}

static void link_fail(struct client *c, struct link *l)
{
    link_close(l);
    buf_reset(&l->in);
    if (!l->busy)
        return; /* an idle connection that the server ended */
    c->pause_until_us = clock_mono_us() + PAUSE_US;
    link_end(c, l, 0, 0, (struct str){0});
}

static bool link_open(struct client *c, struct link *l)
{
    int on = 1;

    l->fd = socket(c->address.ss_family,
                   SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (l->fd < 0)
        return false;
    setsockopt(l->fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    if (connect(l->fd, (struct sockaddr *)&c->address, c->address_bytes) != 0 &&
        errno != EINPROGRESS) {
        link_close(l);
        return false;
    }
    link_watch(c, l, true, EPOLL_CTL_ADD);
    return true;
}

/* Closed; the next look at time-outs ends its request, so that no answer is
 * told inside client_post. */
static void link_doom(struct link *l)
{
    link_close(l);
    l->since_us = INT64_MIN / 2;
}

static void link_write(struct client *c, struct link *l)
{
    if (l->out_at < l->out.n) {
        ssize_t n = send(l->fd, l->out.p + l->out_at, l->out.n - l->out_at,
                         MSG_NOSIGNAL);
        if (n < 0 && errno != EAGAIN && errno != EINTR) {
            link_doom(l);
            return;
        }
        l->out_at += n > 0 ? (size_t)n : 0;
    }
    bool more = l->out_at < l->out.n;
    if (more != l->watches_out)
        link_watch(c, l, more, EPOLL_CTL_MOD);
}

/* --- the answer ---------------------------------------------------------- */

/* Value of a header in head (which ends with an empty line), or def. */
static long header_number(struct str head, const char *name, long def)
{
    size_t n = strlen(name);

    for (struct str line; str_next(&head, '\n', &line);)
        if (line.n > n && line.p[n] == ':' && strncasecmp(line.p, name, n) == 0)
            return strtol(line.p + n + 1, NULL, 10);
    return def;
}

static bool header_is_close(struct str head)
{
    for (struct str line; str_next(&head, '\n', &line);)
        if (line.n > 11 && strncasecmp(line.p, "Connection:", 11) == 0)
            return str_eq_nocase(
                str_trim((struct str){line.p + 11, line.n - 11}), STR("close"));
    return false;
}

/* True while the connection lives and a whole answer was taken. */
static bool link_take_answer(struct client *c, struct link *l)
{
    char *end = memmem(l->in.p, l->in.n, "\r\n\r\n", 4);

    if (!end)
        return false;
    struct str head = {l->in.p, (size_t)(end - l->in.p) + 2};
    long length = header_number(head, "Content-Length", -1);
    int status = head.n > 12 ? (int)strtol(head.p + 9, NULL, 10) : 0;
    if (length < 0 || length > HEAD_MAX * 64L || status < 100) {
        link_fail(c, l); /* not what our server sends */
        return false;
    }
    size_t total = head.n + 2 + (size_t)length;
    if (status == 100) {
        total = head.n + 2;
    } else if (l->in.n < total) {
        return false;
    } else {
        int wait_s = status == 503 || status == 429
                         ? (int)header_number(head, "Retry-After", 0)
                         : 0;
        struct str body = {head.p + head.n + 2, (size_t)length};
        if (header_is_close(head))
            link_close(l);
        link_end(c, l, status, wait_s, body);
    }
    memmove(l->in.p, l->in.p + total, l->in.n - total);
    l->in.n -= total;
    return l->in.n > 0 && l->busy;
}

static void link_read(struct client *c, struct link *l)
{
    char *to = buf_reserve(&l->in, 4096);
    ssize_t n = recv(l->fd, to, 4096, 0);

    if (n < 0 && (errno == EAGAIN || errno == EINTR))
        return;
    if (n <= 0 || l->in.n > HEAD_MAX * 64) {
        link_fail(c, l);
        return;
    }
    l->in.n += (size_t)n;
    if (!l->busy)
        link_fail(c, l); /* an answer to nothing */
    while (l->busy && link_take_answer(c, l))
        ;
}

/* --- use ----------------------------------------------------------------- */

bool client_ready(struct client *c)
{
    if (c->idle_count == 0)
        return false;
    if (c->pause_until_us == 0)
        return true;
    if (clock_mono_us() < c->pause_until_us)
        return false;
    c->pause_until_us = 0;
    return true;
}

int client_busy(const struct client *c)
{
    return c->with.connections - c->idle_count;
}

int client_post(struct client *c, struct str body)
{
    assert(c->idle_count > 0);
    int slot = c->idle[--c->idle_count];
    struct link *l = &c->links[slot];

    assert(!l->busy);
    l->busy = true;
    l->since_us = clock_mono_us();
    buf_reset(&l->in);
    buf_reset(&l->out);
    l->out_at = 0;
    buf_add(&l->out, c->head.p, c->head.n);
    char digits[24], *d = digits + sizeof digits;
    size_t n = body.n;
    do
        *--d = (char)('0' + n % 10);
    while (n /= 10);
    buf_add(&l->out, d, (size_t)(digits + sizeof digits - d));
    buf_add(&l->out, "\r\n\r\n", 4);
    buf_add_str(&l->out, body);
    if (l->fd >= 0)
        link_write(c, l);
    else if (!link_open(c, l))
        link_doom(l);
    return slot;
}

static void timeouts_look(struct client *c)
{
    int64_t now = clock_mono_us();

    if (now - c->looked_us < LOOK_US)
        return;
    c->looked_us = now;
    for (int i = 0; i < c->with.connections; i++)
        if (c->links[i].busy && now - c->links[i].since_us > c->with.timeout_us)
            link_fail(c, &c->links[i]);
}

static int events_wait(struct client *c, struct epoll_event *events,
                       int64_t timeout_us)
{
    struct timespec ts = {.tv_sec = timeout_us / 1000000,
                          .tv_nsec = timeout_us % 1000000 * 1000};

    return epoll_pwait2(c->epoll, events, EVENTS_MAX, &ts, NULL);
}

void client_wait(struct client *c, int64_t timeout_us)
{
    struct epoll_event events[EVENTS_MAX];

    if (timeout_us > LOOK_US)
        timeout_us = LOOK_US;
    int n = events_wait(c, events, timeout_us > 0 ? timeout_us : 0);
    for (int i = 0; i < n; i++) {
        struct link *l = &c->links[events[i].data.u32];
        if (l->fd >= 0 && (events[i].events & ~(uint32_t)EPOLLOUT))
            link_read(c, l);
        if (l->fd >= 0 && (events[i].events & EPOLLOUT))
            link_write(c, l);
    }
    timeouts_look(c);
}
