/* SPDX-License-Identifier: Apache-2.0 */
#include <linux/tcp.h> /* the whole of tcp_info */
#include <sys/ioctl.h>
#include <sys/socket.h>

#include "common/clock.h"
#include "common/http_inside.h"

/*
 * Deadlines. Any timeout that starts anew with every byte lets a peer that
 * drips hold a connection for ever, so all of these are absolute, and
 * libmicrohttpd's own is off. It says nothing before a request line is
 * complete; whether a silent connection has sent a part of one, the kernel
 * knows (TCP_INFO).
 */
enum {
    SENDING_MAX_S = 120, /* for an answer to be taken, if not told otherwise */
    RATE_WINDOW_S = 5,   /* a body's rate is judged this often; the first is
                            its grace */
    LOOK_MS = 200,       /* younger ones are not worth asking about */
    CLOSE_WAIT = 8,      /* of netinet/tcp.h, which goes not with linux/tcp.h */
    SLICE = 256,         /* looked at without letting others have the lock */
    CLOCK_ERROR_MS = 50, /* the kernel's, when it tells the last byte's age */
    CROWD_SHARE = 32,    /* one in so many goes when room is needed */
    CROWD_AGE_S = 1,     /* but none used within this */
    AGES = 32,           /* powers of two, in seconds */
};

static int64_t limit_us(int seconds, int otherwise)
{
    return (int64_t)(seconds > 0 ? seconds : otherwise) * 1000000;
}

/* What the kernel knows of it. False where it does not tell. */
static bool ask_kernel(const struct http_conn *c, struct tcp_info *info)
{
    socklen_t n = sizeof *info;
    *info = (struct tcp_info){0};
    return getsockopt(c->fd, IPPROTO_TCP, TCP_INFO, info, &n) == 0;
}

/* Has a byte of a next request come? */
static bool has_begun(const struct tcp_info *info, enum http_wait wait,
                      int64_t silent_ms)
{
    if (wait == HTTP_FRESH)
        return info->tcpi_bytes_received > 0;
    return info->tcpi_last_data_recv + CLOCK_ERROR_MS < silent_ms;
}

/* Will nothing more come? The library does not see an end that arrives
 * together with the last bytes. */
static bool has_ended(const struct http_conn *c, const struct tcp_info *info)
{
    int unread = 0;
    return info->tcpi_state == CLOSE_WAIT &&
           ioctl(c->fd, FIONREAD, &unread) == 0 && unread == 0;
}

/* While the peer is to send something. True: it is cut, or at another turn. */
static bool look_at_peer(struct http_conn *c, int64_t turn, int64_t now_us)
{
    struct tcp_info info;
    enum http_wait wait = http_turn_wait(turn);
    int64_t silent_ms = (now_us - http_turn_since(turn)) / 1000;
    if (silent_ms < LOOK_MS || !ask_kernel(c, &info))
        return false;
    if (has_ended(c, &info)) {
        http_conn_cut(c, turn, HTTP_CUT_GONE);
        return true;
    }
    if ((wait != HTTP_FRESH && wait != HTTP_IDLE) ||
        !has_begun(&info, wait, silent_ms))
        return false;
    (void)atomic_compare_exchange_strong(&c->turn, &turn,
                                         http_turn(now_us, HTTP_HEADING));
    return true;
}

/* True if it comes fast enough, as far as can be said. */
static bool rate_ok(struct http_conn *c, int64_t turn, int64_t now_us)
{
    int64_t rate = c->thread->server->options.body_rate;
    uint64_t received = atomic_load(&c->received);
    bool whole = now_us - c->window_us >= RATE_WINDOW_S * 1000000;
    if (rate == 0)
        return true;
    if (c->window_turn == turn && !whole)
        return true;
    bool ok = c->window_turn != turn ||
              received - c->window_received >= (uint64_t)rate * RATE_WINDOW_S;
    c->window_turn = turn;
    c->window_us = now_us;
    c->window_received = received;
    return ok;
}

static void look_at(struct http_conn *c, int64_t now_us)
{
    const struct http_server *s = c->thread->server;
    const struct http_options *o = &s->options;
    int64_t turn = atomic_load(&c->turn);
    int64_t age_us = now_us - http_turn_since(turn);
    switch (http_turn_wait(turn)) {
    case HTTP_FRESH:
    case HTTP_IDLE: {
        bool over = age_us >= limit_us(o->idle_timeout_s, 0);
        /* Every second time is often enough to ask the kernel. */
        bool moved = (over || s->odd_sweep) && look_at_peer(c, turn, now_us);
        if (over && !moved)
            http_conn_cut(c, turn, HTTP_CUT_IDLE);
        break;
    }
    case HTTP_HEADING:
        if (age_us >= limit_us(o->header_timeout_s, o->request_timeout_s))
            http_conn_cut(c, turn, HTTP_CUT_HEADER);
        else if (s->odd_sweep)
            (void)look_at_peer(c, turn, now_us);
        break;
    case HTTP_READING:
        if (age_us >= limit_us(o->request_timeout_s, 0))
            http_conn_cut(c, turn, HTTP_CUT_REQUEST);
        else if (!rate_ok(c, turn, now_us))
            http_conn_cut(c, turn, HTTP_CUT_RATE);
        else if (s->odd_sweep)
            (void)look_at_peer(c, turn, now_us);
        break;
    case HTTP_SENDING:
        if (age_us >= limit_us(o->send_timeout_s, SENDING_MAX_S))
            http_conn_cut(c, turn, HTTP_CUT_SEND);
        break;
    case HTTP_WORKING:
    case HTTP_CUT:
        break;
    }
}

void http_sweep(struct http_server *s)
{
    int64_t now_us = clock_mono_us();
    size_t looked = 0;
    s->odd_sweep = !s->odd_sweep;
    if (s->tls != NULL)
        http_tls_look(s->tls);
    pthread_mutex_lock(&s->lock);
    for (s->swept = s->conns; s->swept != NULL;) {
        struct http_conn *c = s->swept;
        s->swept = c->next;
        look_at(c, now_us);
        if (++looked % SLICE == 0) {
            pthread_mutex_unlock(&s->lock);
            pthread_mutex_lock(&s->lock);
        }
    }
    pthread_mutex_unlock(&s->lock);
}

/* --- too many ------------------------------------------------------------ */

/* How long it was not used, as a power of two; 0: it is in use. */
static int age_of(const struct http_conn *c, int64_t now_us)
{
    int64_t turn = atomic_load(&c->turn);
    int64_t age_s = (now_us - http_turn_since(turn)) / 1000000;
    enum http_wait wait = http_turn_wait(turn);
    if ((wait != HTTP_FRESH && wait != HTTP_IDLE) || age_s < CROWD_AGE_S)
        return 0;
    return 64 - __builtin_clzll((unsigned long long)age_s);
}

void http_sweep_crowd(struct http_server *s)
{
    size_t by_age[AGES + 1] = {0}, found = 0;
    size_t wanted = (size_t)s->conn_max / CROWD_SHARE + 1;
    int64_t now_us = clock_mono_us();
    int oldest = AGES;
    pthread_mutex_lock(&s->lock);
    for (const struct http_conn *c = s->conns; c != NULL; c = c->next)
        by_age[age_of(c, now_us)]++;
    while (oldest > 1 && (found += by_age[oldest]) < wanted)
        oldest--;
    for (struct http_conn *c = s->conns; c != NULL && wanted > 0; c = c->next)
        if (age_of(c, now_us) >= oldest) {
            http_conn_cut(c, atomic_load(&c->turn), HTTP_CUT_CROWDED);
            wanted--;
        }
    pthread_mutex_unlock(&s->lock);
}
