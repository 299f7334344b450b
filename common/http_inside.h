/* SPDX-License-Identifier: Apache-2.0 */
/* http_inside.h - what the files of http share among themselves; nobody else
 * includes it. http.c: the server and libmicrohttpd's callbacks;
 * http_request.c: what a handler may ask and answer; http_framing.c: what
 * libmicrohttpd lets pass; http_thread.c: the threads that turn it;
 * http_door.c: who comes in; http_conn.c: connections; http_sweep.c: their
 * deadlines; http_stats.c: metrics. */
#ifndef COMMON_HTTP_INSIDE_H
#define COMMON_HTTP_INSIDE_H

#include <microhttpd.h>
#include <netinet/in.h>
#include <pthread.h>
#include <stdatomic.h>

#include "common/buf.h"
#include "common/http.h"
#include "common/http_proxies.h"
#include "common/http_route.h"
#include "common/http_tls.h"

enum { HTTP_STATUS_MIN = 100, HTTP_STATUS_MAX = 599, HTTP_HEADERS_MAX = 8 };

/* --- connections (http_conn.c) ------------------------------------------- */

/* What the peer is expected to do next, and so how long it may take. */
enum http_wait {
    HTTP_FRESH,   /* send its first byte ever */
    HTTP_IDLE,    /* send a next request, or nothing */
    HTTP_HEADING, /* send the rest of the headers */
    HTTP_READING, /* send the rest of the body */
    HTTP_WORKING, /* nothing: the answer is ours to give */
    HTTP_SENDING, /* take the answer */
    HTTP_CUT,     /* it took too long: the socket is shut */
};

/* Its end before its time, for the metrics. */
enum http_cut {
    HTTP_CUT_IDLE,
    HTTP_CUT_CROWDED, /* idle, and its place was needed */
    HTTP_CUT_GONE,    /* the peer has, in the middle of a request */
    HTTP_CUT_HEADER,
    HTTP_CUT_REQUEST,
    HTTP_CUT_RATE,
    HTTP_CUT_SEND,
    HTTP_CUT_COUNT,
};

struct http_request;

struct http_conn {
    struct http_thread *thread;
    struct http_conn *next, **link; /* under server->lock */
    struct http_conn *next_arrived; /* see http_thread.arrived */
    struct in6_addr address;        /* IPv4 as ::ffff:a.b.c.d */
    struct http_request *request;   /* the present one; its thread only */
    int fd;
    _Atomic uint32_t route; /* while READING: for counting a 408 */
    /* What it is at, and since when (monotonic µs), as one: µs * 8 + wait. */
    _Atomic int64_t turn;
    _Atomic uint64_t received; /* bytes of bodies, ever */
    /* The sweeper's own notes of a body: the turn they are about, when its
     * window began and what was received then. */
    int64_t window_turn, window_us;
    uint64_t window_received;
};

/* fd is accepted, from address; under the lock. */
struct http_conn *http_conn_new(struct http_server *s, int fd,
                                const struct in6_addr *address);
/* Gives it to libmicrohttpd; in its thread. */
void http_conn_open(struct http_conn *c);
/* Not opened yet: closes fd, too. */
void http_conn_drop(struct http_conn *c);
void http_conn_notify(void *cls, struct MHD_Connection *connection, void **conn,
                      enum MHD_ConnectionNotificationCode code);
struct http_conn *http_conn_of(struct MHD_Connection *connection);
/* On to the next. False: the connection is cut. */
bool http_conn_turn(struct http_conn *c, enum http_wait to);
/* The same, but the time goes on. */
bool http_conn_turn_on(struct http_conn *c, enum http_wait to);
/* The request line is read. Returns the request's begin, monotonic µs. */
int64_t http_conn_begin(struct http_conn *c);
bool http_conn_is_cut(const struct http_conn *c);
/* Cuts it if it is still at turn. */
void http_conn_cut(struct http_conn *c, int64_t turn, enum http_cut why);

int64_t http_turn(int64_t since_us, enum http_wait wait);
enum http_wait http_turn_wait(int64_t turn);
int64_t http_turn_since(int64_t turn);

/* --- the door (http_door.c, http_peers.c, http_sweep.c) ------------------ */

enum http_refusal {
    HTTP_REFUSED_ADDRESS,     /* it has as many as it may */
    HTTP_REFUSED_TOTAL,       /* all have */
    HTTP_REFUSED_DESCRIPTORS, /* the process has; it waits in the backlog */
    HTTP_REFUSAL_COUNT,
};

/* A thread that accepts connections and keeps their deadlines. */
bool http_door_start(struct http_server *s) MUST_USE;
void http_door_stop(struct http_server *s);
void http_door_wake(struct http_server *s);

/* Looks at all connections; from the door's thread. */
void http_sweep(struct http_server *s);
/* Closes some that are idle, the longest first. */
void http_sweep_crowd(struct http_server *s);

/* How many connections an address has. */
struct http_peers;
/* 0: does not count. Those trusted are not counted. */
struct http_peers *http_peers_new(int each_max,
                                  const struct http_proxies *trusted);
void http_peers_free(struct http_peers *p);
bool http_peers_add(struct http_peers *p, const struct in6_addr *a) MUST_USE;
void http_peers_remove(struct http_peers *p, const struct in6_addr *a);

/* --- what a thread keeps between requests (http_kept.c) ------------------ */

enum { HTTP_KEPT_MAX = 256 };

/* One thread's; {0} is empty. */
struct http_kept {
    struct arena *arenas[HTTP_KEPT_MAX]; /* empty ones */
    struct buf bodies[HTTP_KEPT_MAX];    /* too */
    int arena_count, body_count;
    struct MHD_Response *response; /* the last small one; NULL: none */
    struct buf type, body;         /* its */
};

struct arena *http_kept_arena(struct http_kept *k);
void http_kept_arena_back(struct http_kept *k, struct arena *a);
struct buf http_kept_body(struct http_kept *k);
void http_kept_body_back(struct http_kept *k, struct buf *body);
/* The response of these, k's own; NULL if it is not worth keeping. */
struct MHD_Response *http_kept_response(struct http_kept *k, const char *type,
                                        struct str body);
void http_kept_release(struct http_kept *k);

/* --- threads (http_thread.c) --------------------------------------------- */

struct http_thread {
    struct http_server *server;
    struct MHD_Daemon *daemon;
    int epoll_fd, wake_fd;
    pthread_t thread;
    bool running;
    struct http_kept kept;
    atomic_int conn_count;
    _Atomic(struct http_conn *) arrived;     /* to be opened */
    struct http_conn *opening;               /* being so */
    _Atomic(struct http_request *) answered; /* elsewhere, to be resumed */
    atomic_bool owed; /* a wake-up, when it is no longer held back */
};

bool http_threads_start(struct http_server *s) MUST_USE;
/* c goes to the thread that has the fewest; any thread. */
void http_threads_give(struct http_server *s, struct http_conn *c);
void http_threads_stop(struct http_server *s);
/* r is suspended and its answer is there; any thread. */
void http_thread_answered(struct http_request *r);

/* --- requests (http_request.c) ------------------------------------------- */

enum http_phase {
    HTTP_HEADERS,   /* the request line is read */
    HTTP_BODY,      /* its body comes */
    HTTP_DISCARD,   /* refused: what comes is thrown away */
    HTTP_HANDED,    /* the handler has it */
    HTTP_ANSWERING, /* libmicrohttpd has the answer */
};

struct http_field {
    const char *name; /* a constant */
    const char *value;
};

/* Lives in its own arena. */
struct http_request {
    struct http_server *server;
    struct MHD_Connection *connection;
    struct http_conn *conn;
    const struct http_route *route; /* NULL: none */
    struct arena *arena;
    struct http_target target;
    bool target_ok, started, answered;
    enum http_phase phase; /* libmicrohttpd's thread only */
    const char *method;
    int64_t received_us, started_us; /* wall, monotonic */
    struct buf body;
    size_t body_max;      /* the route's, or http_body_limit's */
    const char *body_why; /* NULL: the route's */
    size_t discarded;
    void *data;
    /* The answer; written before met is swapped. */
    int status;
    const char *content_type;
    struct str answer;
    struct http_field fields[HTTP_HEADERS_MAX];
    int field_count;
    atomic_bool met;           /* see http.c */
    struct http_request *next; /* see http_thread.answered */
};

/* Hands the answer to libmicrohttpd. */
enum MHD_Result http_request_queue(struct http_request *r);
/* Its connection is done with it. */
void http_request_end(struct http_request *r);
/* The answer as bytes, for where libmicrohttpd takes none. */
void http_request_raw(const struct http_request *r, struct buf *out);
/* Appends the JSON of http_reply_error. */
void http_error_body(struct buf *out, const char *code, const char *message);
/* Writes to a peer that gets no second chance; never waits. Nothing with TLS,
 * where only libmicrohttpd could. */
void http_send_last(const struct http_server *s, int fd, struct str bytes);
/* An error, and that the connection closes. retry_s 0: no Retry-After. */
void http_send_last_error(const struct http_server *s, int fd, int status,
                          int retry_s, const char *code, const char *message);

/* --- framing (http_framing.c) -------------------------------------------- */

/* Refuses what makes two servers see different requests in the same bytes,
 * where libmicrohttpd does not. False: r is answered, and must close. */
bool http_framing_ok(struct http_request *r, const char *version) MUST_USE;

/* --- metrics (http_stats.c) ---------------------------------------------- */

struct http_stats; /* NULL without metrics */
struct http_stats *http_stats_new(struct http_server *s);
void http_stats_free(struct http_stats *stats);
size_t http_stats_route(const struct http_request *r); /* its index */
void http_stats_count(struct http_stats *stats, size_t route, int status,
                      int64_t started_us);
void http_stats_cut(struct http_stats *stats, enum http_cut why);
void http_stats_refuse(struct http_stats *stats, enum http_refusal why);

/* --- the server (http.c) ------------------------------------------------- */

/* A daemon for t's loop, or NULL. */
struct MHD_Daemon *http_daemon_new(struct http_thread *t);

struct http_server {
    struct http_thread *threads;
    int thread_count;
    struct http_options options;
    int listen_fd, port;
    struct http_tls *tls; /* NULL: without */
    struct http_proxies *proxies;
    struct http_stats *stats;
    atomic_bool quiet;
    atomic_size_t pending;    /* requests unanswered */
    atomic_size_t unsent;     /* answered, but the answer is not sent */
    atomic_size_t body_bytes; /* held, of all requests */
    int conn_max;             /* what the descriptors allow of it */
    atomic_size_t conn_count;
    pthread_mutex_t lock; /* conns, swept, peers */
    pthread_cond_t changed;
    struct http_conn *conns;
    struct http_conn *swept; /* the next that http_sweep looks at */
    struct http_peers *peers;
    pthread_t door;
    int door_fd;          /* an eventfd that wakes it */
    bool odd_sweep;       /* the door's own */
    atomic_bool shut;     /* the door is to end */
    atomic_bool stopping; /* the threads are */
};

#endif
