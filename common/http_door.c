/* SPDX-License-Identifier: Apache-2.0 */
#include <assert.h>
#include <errno.h>
#include <poll.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

#include "common/clock.h"
#include "common/http_inside.h"
#include "common/log.h"

/*
 * One thread accepts for all. libmicrohttpd could, but it gives up listening
 * at its limit, so that whoever comes then hangs in the backlog, and spins
 * when the process has no descriptor left; here both are decided. A flood of
 * connections costs this thread only, not those that serve requests.
 */
enum {
    SWEEP_MS = 500,
    CROWD_MS = 100, /* room is made at most this often */
    PAUSE_MS = 100, /* not accepting, when descriptors have run out */
    ACCEPTS_MAX = 64,
    RETRY_S = 1,
};

struct door {
    struct http_server *server;
    int64_t sweep_at_us, crowd_at_us, open_at_us;
    bool crowded, out; /* out of descriptors */
};

/* --- who comes ----------------------------------------------------------- */

static struct in6_addr address_of(const struct sockaddr_storage *from)
{
    struct sockaddr_in v4;
    struct sockaddr_in6 v6;
    if (from->ss_family == AF_INET6) {
        memcpy(&v6, from, sizeof v6);
        return v6.sin6_addr;
    }
    memcpy(&v4, from, sizeof v4);
    struct in6_addr mapped = {.s6_addr = {[10] = 0xff, [11] = 0xff}};
    memcpy(mapped.s6_addr + 12, &v4.sin_addr, sizeof v4.sin_addr);
    return mapped;
}

static void refuse(struct door *d, int fd, enum http_refusal why)
{
    char unread[4096];
    http_stats_refuse(d->server->stats, why);
    if (why == HTTP_REFUSED_TOTAL) {
        d->crowded = true;
        http_send_last_error(d->server, fd, MHD_HTTP_SERVICE_UNAVAILABLE,
                             RETRY_S, "too_many_connections",
                             "This server has as many connections as it may.");
        /* Closing with unread bytes would take the answer back. */
        ssize_t n = recv(fd, unread, sizeof unread, MSG_DONTWAIT);
        (void)n;
    }
    close(fd);
}

static void take(struct door *d, int fd, const struct in6_addr *address)
{
    struct http_server *s = d->server;
    if (atomic_load(&s->conn_count) >= (size_t)s->conn_max) {
        refuse(d, fd, HTTP_REFUSED_TOTAL);
        return;
    }
    pthread_mutex_lock(&s->lock);
    bool welcome = http_peers_add(s->peers, address);
    if (welcome)
        http_threads_give(s, http_conn_new(s, fd, address));
    pthread_mutex_unlock(&s->lock);
    if (!welcome)
        refuse(d, fd, HTTP_REFUSED_ADDRESS);
}

static void no_descriptors(struct door *d, int problem)
{
    if (!d->out)
        log_warn("http_no_descriptors", LOG_S("err", strerror(problem)),
                 LOG_I("connections", atomic_load(&d->server->conn_count)));
    d->out = true;
    http_stats_refuse(d->server->stats, HTTP_REFUSED_DESCRIPTORS);
    d->open_at_us = clock_mono_us() + PAUSE_MS * 1000;
    d->crowded = true;
}

/* False: none, or not now. */
static bool accept_one(struct door *d)
{
    struct sockaddr_storage from = {0};
    socklen_t n = sizeof from;
    int fd = accept4(d->server->listen_fd, (struct sockaddr *)&from, &n,
                     SOCK_NONBLOCK | SOCK_CLOEXEC);
    if (fd >= 0) {
        d->out = false;
        const struct in6_addr address = address_of(&from);
        take(d, fd, &address);
        return true;
    }
    if (errno == EMFILE || errno == ENFILE || errno == ENOBUFS ||
        errno == ENOMEM)
        no_descriptors(d, errno);
    return errno == ECONNABORTED || errno == EINTR;
}

/* --- its turn ------------------------------------------------------------ */

static bool is_open(const struct door *d, int64_t now_us)
{
    return !atomic_load(&d->server->quiet) && now_us >= d->open_at_us;
}

static int wait_ms(const struct door *d, int64_t now_us)
{
    int64_t until_us = d->sweep_at_us;
    if (d->open_at_us > now_us && d->open_at_us < until_us)
        until_us = d->open_at_us;
    return until_us <= now_us ? 0 : (int)((until_us - now_us + 999) / 1000);
}

static void serve(struct door *d)
{
    struct http_server *s = d->server;
    int64_t now_us = clock_mono_us();
    uint64_t count;
    struct pollfd ready[] = {
        {.fd = s->door_fd, .events = POLLIN},
        {.fd = is_open(d, now_us) ? s->listen_fd : -1, .events = POLLIN},
    };
    poll(ready, ARRAY_LEN(ready), wait_ms(d, now_us));
    if (ready[0].revents != 0 && read(s->door_fd, &count, sizeof count) < 0)
        assert(errno == EAGAIN || errno == EINTR);
    if (ready[1].revents != 0)
        for (int i = 0; i < ACCEPTS_MAX && accept_one(d); i++)
            continue;
    now_us = clock_mono_us();
    if (d->crowded && now_us >= d->crowd_at_us) {
        d->crowded = false;
        d->crowd_at_us = now_us + CROWD_MS * 1000;
        http_sweep_crowd(s);
    }
    if (now_us >= d->sweep_at_us) {
        d->sweep_at_us = now_us + SWEEP_MS * 1000;
        http_sweep(s);
    }
}

static void *keep_door(void *arg)
{
    struct door d = {.server = arg};
    while (!atomic_load(&d.server->shut))
        serve(&d);
    return NULL;
}

/* --- life ---------------------------------------------------------------- */

bool http_door_start(struct http_server *s)
{
    s->door_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    if (s->door_fd < 0)
        return false;
    if (pthread_create(&s->door, NULL, keep_door, s) == 0)
        return true;
    close(s->door_fd);
    return false;
}

void http_door_wake(struct http_server *s)
{
    uint64_t one = 1;
    ssize_t n = write(s->door_fd, &one, sizeof one);
    (void)n; /* full: it is awake */
}

void http_door_stop(struct http_server *s)
{
    atomic_store(&s->shut, true);
    http_door_wake(s);
    int joined = pthread_join(s->door, NULL);
    assert(joined == 0);
    close(s->door_fd);
}
