/* SPDX-License-Identifier: Apache-2.0 */
#include <assert.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>

#include "common/clock.h"
#include "common/http_inside.h"

/*
 * Deadlines. libmicrohttpd's timeout starts anew with every byte, so a peer
 * that drips holds a connection for ever. The sweeper looks at all connections
 * twice a second and cuts those that took too long for what they are to do:
 * it swaps `turn` to CUT, the server's thread swaps it on to the next state,
 * and whoever swaps first decides. Under the lock a descriptor on the list is
 * open, for libmicrohttpd closes it after http_conn_notify took it off.
 */
enum {
    SWEEP_MS = 500,
    SENDING_MAX_S = 120, /* for an answer to be taken */
};

static int64_t turn_now(enum http_wait wait)
{
    return clock_mono_us() * 8 + wait;
}

static enum http_wait wait_of(int64_t turn)
{
    return (enum http_wait)(turn % 8);
}

static void address_read(struct http_conn *c, struct MHD_Connection *connection)
{
    const struct sockaddr *from =
        MHD_get_connection_info(connection, MHD_CONNECTION_INFO_CLIENT_ADDRESS)
            ->client_addr;
    struct sockaddr_in v4;
    struct sockaddr_in6 v6;
    if (from->sa_family == AF_INET) {
        memcpy(&v4, from, sizeof v4);
        memcpy(c->address, &v4.sin_addr, sizeof v4.sin_addr);
    } else if (from->sa_family == AF_INET6) {
        memcpy(&v6, from, sizeof v6);
        memcpy(c->address, &v6.sin6_addr, sizeof v6.sin6_addr);
    }
}

/* Has its address more connections than it may? Under the lock. */
static bool one_too_many(const struct http_conn *c)
{
    int limit = c->server->options.connections_per_address_max, count = 0;
    if (limit == 0)
        return false;
    for (const struct http_conn *other = c->server->conns; other != NULL;
         other = other->next)
        count += memcmp(other->address, c->address, sizeof c->address) == 0;
    return count > limit;
}

static void conn_new(struct http_thread *t, struct MHD_Connection *connection,
                     void **conn)
{
    struct http_server *s = t->server;
    struct http_conn *c = xcalloc(1, sizeof *c);
    c->server = s;
    c->thread = t;
    c->fd =
        MHD_get_connection_info(connection, MHD_CONNECTION_INFO_CONNECTION_FD)
            ->connect_fd;
    address_read(c, connection);
    atomic_store(&c->turn, turn_now(HTTP_IDLE));
    pthread_mutex_lock(&s->lock);
    c->next = s->conns;
    c->link = &s->conns;
    if (c->next != NULL)
        c->next->link = &c->next;
    s->conns = c;
    if (one_too_many(c)) {
        atomic_store(&c->turn, turn_now(HTTP_CUT));
        shutdown(c->fd, SHUT_RDWR);
    }
    pthread_mutex_unlock(&s->lock);
    atomic_fetch_add(&s->conn_count, 1);
    *conn = c;
}

static void conn_free(struct http_conn *c)
{
    struct http_server *s = c->server;
    pthread_mutex_lock(&s->lock);
    *c->link = c->next;
    if (c->next != NULL)
        c->next->link = c->link;
    pthread_mutex_unlock(&s->lock);
    atomic_fetch_sub(&s->conn_count, 1);
    free(c);
}

void http_conn_notify(void *cls, struct MHD_Connection *connection, void **conn,
                      enum MHD_ConnectionNotificationCode code)
{
    if (code == MHD_CONNECTION_NOTIFY_STARTED) {
        conn_new(cls, connection, conn);
    } else if (*conn != NULL) {
        conn_free(*conn);
        *conn = NULL;
    }
}

struct http_conn *http_conn_of(struct MHD_Connection *connection)
{
    return MHD_get_connection_info(connection,
                                   MHD_CONNECTION_INFO_SOCKET_CONTEXT)
        ->socket_context;
}

bool http_conn_turn(struct http_conn *c, enum http_wait to)
{
    int64_t next = turn_now(to), old = atomic_load(&c->turn);
    while (wait_of(old) != HTTP_CUT)
        if (atomic_compare_exchange_weak(&c->turn, &old, next))
            return true;
    return false;
}

bool http_conn_cut(const struct http_conn *c)
{
    return wait_of(atomic_load(&c->turn)) == HTTP_CUT;
}

/* 0: no limit. A connection that is silent between requests is the library's
 * to close; one still here after both times drips. */
static int64_t limit_us(const struct http_options *options, enum http_wait wait)
{
    int64_t seconds = 0;
    switch (wait) {
    case HTTP_IDLE:
        seconds = options->idle_timeout_s + options->request_timeout_s;
        break;
    case HTTP_READING:
        seconds = options->request_timeout_s;
        break;
    case HTTP_SENDING:
        seconds = SENDING_MAX_S;
        break;
    case HTTP_WORKING:
    case HTTP_CUT:
        break;
    }
    return seconds * 1000000;
}

/* The library answers nothing in the middle of a request, so we do. */
static void answer_late(struct http_conn *c, int64_t since_us)
{
    AUTO_RELEASE(buf) body = {0}, text = {0};
    http_error_body(&body, "request_timeout",
                    "the request took too long to arrive");
    buf_addf(&text,
             "HTTP/1.1 408 Request Timeout\r\nConnection: close\r\n"
             "Content-Type: application/json\r\nContent-Length: %zu\r\n\r\n",
             body.n);
    buf_add_str(&text, buf_str(&body));
    http_send_last(c->fd, buf_str(&text));
    http_stats_count(c->server->stats, atomic_load(&c->route),
                     MHD_HTTP_REQUEST_TIMEOUT, since_us);
}

static void look_at(struct http_conn *c, int64_t now_us)
{
    int64_t turn = atomic_load(&c->turn), since_us = turn / 8;
    enum http_wait wait = wait_of(turn);
    int64_t limit = limit_us(&c->server->options, wait);
    if (limit == 0 || now_us - since_us < limit ||
        !atomic_compare_exchange_strong(&c->turn, &turn, turn_now(HTTP_CUT)))
        return;
    if (wait == HTTP_READING)
        answer_late(c, since_us);
    shutdown(c->fd, SHUT_RDWR); /* the library reads its end and closes it */
}

static void *sweep(void *arg)
{
    struct http_server *s = arg;
    pthread_mutex_lock(&s->lock);
    while (!atomic_load(&s->swept)) {
        struct timespec until;
        clock_gettime(CLOCK_MONOTONIC, &until);
        until.tv_nsec += SWEEP_MS * 1000000;
        until.tv_sec += until.tv_nsec / 1000000000;
        until.tv_nsec %= 1000000000;
        pthread_cond_timedwait(&s->changed, &s->lock, &until);
        int64_t now_us = clock_mono_us();
        for (struct http_conn *c = s->conns; c != NULL; c = c->next)
            look_at(c, now_us);
    }
    pthread_mutex_unlock(&s->lock);
    return NULL;
}

bool http_sweeper_start(struct http_server *s)
{
    return pthread_create(&s->sweeper, NULL, sweep, s) == 0;
}

void http_sweeper_stop(struct http_server *s)
{
    pthread_mutex_lock(&s->lock);
    atomic_store(&s->swept, true);
    pthread_cond_broadcast(&s->changed);
    pthread_mutex_unlock(&s->lock);
    int joined = pthread_join(s->sweeper, NULL);
    assert(joined == 0);
}
