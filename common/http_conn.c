/* SPDX-License-Identifier: Apache-2.0 */
#include <assert.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "common/clock.h"
#include "common/http_inside.h"

/*
 * A connection is on the server's list from the door to its close. Under the
 * lock a descriptor on the list is open, for libmicrohttpd closes it after
 * http_conn_notify took it off. The sweeper cuts by swapping `turn` to CUT,
 * the server's thread swaps it on to the next state, and whoever swaps first
 * decides.
 */
enum { WAITS = 8 };

int64_t http_turn(int64_t since_us, enum http_wait wait)
{
    return since_us * WAITS + wait;
}

enum http_wait http_turn_wait(int64_t turn)
{
    return (enum http_wait)(turn % WAITS);
}

int64_t http_turn_since(int64_t turn)
{
    return turn / WAITS;
}

/* --- life ---------------------------------------------------------------- */

struct http_conn *http_conn_new(struct http_server *s, int fd,
                                const struct in6_addr *address)
{
    struct http_conn *c = xcalloc(1, sizeof *c);
    c->fd = fd;
    c->address = *address;
    atomic_store(&c->turn, http_turn(clock_mono_us(), HTTP_FRESH));
    c->next = s->conns;
    c->link = &s->conns;
    if (c->next != NULL)
        c->next->link = &c->next;
    s->conns = c;
    atomic_fetch_add(&s->conn_count, 1);
    return c;
}

static void conn_free(struct http_conn *c)
{
    struct http_thread *t = c->thread;
    struct http_server *s = t->server;
    pthread_mutex_lock(&s->lock);
    *c->link = c->next;
    if (c->next != NULL)
        c->next->link = c->link;
    if (s->swept == c)
        s->swept = c->next;
    http_peers_remove(s->peers, &c->address);
    pthread_mutex_unlock(&s->lock);
    atomic_fetch_sub(&t->conn_count, 1);
    atomic_fetch_sub(&s->conn_count, 1);
    free(c);
}

void http_conn_drop(struct http_conn *c)
{
    int fd = c->fd;
    conn_free(c);
    close(fd);
}

void http_conn_open(struct http_conn *c)
{
    struct http_thread *t = c->thread;
    t->opening = c;
    /* Calls http_conn_notify before it returns; closes fd if it fails. */
    (void)MHD_add_connection(t->daemon, c->fd, NULL, 0);
    if (t->opening != NULL)
        conn_free(MOVE(t->opening));
}

void http_conn_notify(void *cls, struct MHD_Connection *connection, void **conn,
                      enum MHD_ConnectionNotificationCode code)
{
    struct http_thread *t = cls;
    (void)connection;
    if (code == MHD_CONNECTION_NOTIFY_STARTED) {
        *conn = MOVE(t->opening);
    } else if (*conn != NULL) {
        struct http_conn *c = MOVE(*conn);
        /* libmicrohttpd 1.0.1 forgets to complete a request whose chunk
         * extension fills its buffer: what it holds would be lost. */
        if (c->request != NULL)
            http_request_end(c->request);
        conn_free(c);
    }
}

struct http_conn *http_conn_of(struct MHD_Connection *connection)
{
    return MHD_get_connection_info(connection,
                                   MHD_CONNECTION_INFO_SOCKET_CONTEXT)
        ->socket_context;
}

/* --- what it is at ------------------------------------------------------- */

static bool turn_to(struct http_conn *c, enum http_wait to, int64_t now_us)
{
    int64_t old = atomic_load(&c->turn);
    while (http_turn_wait(old) != HTTP_CUT) {
        int64_t since_us = now_us != 0 ? now_us : http_turn_since(old);
        if (atomic_compare_exchange_weak(&c->turn, &old,
                                         http_turn(since_us, to)))
            return true;
    }
    return false;
}

bool http_conn_turn(struct http_conn *c, enum http_wait to)
{
    return turn_to(c, to, clock_mono_coarse_us());
}

bool http_conn_turn_on(struct http_conn *c, enum http_wait to)
{
    return turn_to(c, to, 0);
}

int64_t http_conn_begin(struct http_conn *c)
{
    int64_t old = atomic_load(&c->turn), now_us = clock_mono_us();
    /* The sweeper may have seen its first byte already. */
    if (http_turn_wait(old) == HTTP_HEADING)
        return http_turn_since(old);
    /* If it is cut, on_access will see. */
    (void)turn_to(c, HTTP_HEADING, now_us);
    return now_us;
}

bool http_conn_is_cut(const struct http_conn *c)
{
    return http_turn_wait(atomic_load(&c->turn)) == HTTP_CUT;
}

/* --- its end before its time --------------------------------------------- */

/* The library answers nothing in the middle of a request, so we do. */
static void answer_late(struct http_conn *c, enum http_wait wait,
                        int64_t since_us, const char *message)
{
    struct http_server *s = c->thread->server;
    size_t route =
        wait == HTTP_READING ? atomic_load(&c->route) : s->options.route_count;
    http_send_last_error(s, c->fd, MHD_HTTP_REQUEST_TIMEOUT, 0,
                         "request_timeout", message);
    http_stats_count(s->stats, route, MHD_HTTP_REQUEST_TIMEOUT, since_us);
}

void http_conn_cut(struct http_conn *c, int64_t turn, enum http_cut why)
{
    static const char *const late[HTTP_CUT_COUNT] = {
        [HTTP_CUT_HEADER] = "the headers took too long to arrive",
        [HTTP_CUT_REQUEST] = "the request took too long to arrive",
        [HTTP_CUT_RATE] = "the body arrives too slowly",
    };
    int64_t since_us = http_turn_since(turn);
    enum http_wait wait = http_turn_wait(turn);
    if (!atomic_compare_exchange_strong(&c->turn, &turn,
                                        http_turn(clock_mono_us(), HTTP_CUT)))
        return;
    if (late[why] != NULL)
        answer_late(c, wait, since_us, late[why]);
    http_stats_cut(c->thread->server->stats, why);
    shutdown(c->fd, SHUT_RDWR); /* the library reads its end and closes it */
}
