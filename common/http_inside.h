/* SPDX-License-Identifier: Apache-2.0 */
/* http_inside.h - what the files of http share among themselves; nobody else
 * includes it. http.c: the server and libmicrohttpd's callbacks;
 * http_request.c: what a handler may ask and answer; http_thread.c: the
 * threads that turn libmicrohttpd; http_conn.c: connections and deadlines;
 * http_stats.c: metrics. */
#ifndef COMMON_HTTP_INSIDE_H
#define COMMON_HTTP_INSIDE_H

#include <microhttpd.h>
#include <pthread.h>
#include <stdatomic.h>

#include "common/buf.h"
#include "common/http.h"
#include "common/http_route.h"

enum { HTTP_STATUS_MIN = 100, HTTP_STATUS_MAX = 599, HTTP_HEADERS_MAX = 8 };

/* --- connections (http_conn.c) ------------------------------------------- */

/* What the peer is expected to do next, and so how long it may take. */
enum http_wait {
    HTTP_IDLE,    /* send a request line */
    HTTP_READING, /* send the rest of the request */
    HTTP_WORKING, /* nothing: the answer is ours to give */
    HTTP_SENDING, /* take the answer */
    HTTP_CUT,     /* it took too long: the socket is shut */
};

struct http_conn {
    struct http_server *server;
    struct http_thread *thread;
    unsigned char address[16];      /* the peer's, without its port */
    struct http_conn *next, **link; /* under server->lock */
    int fd;
    /* What it is at, and since when (monotonic µs), as one: µs * 8 + wait. */
    _Atomic int64_t turn;
    _Atomic size_t route; /* while READING: for counting a 408 */
};

void http_conn_notify(void *cls, struct MHD_Connection *connection, void **conn,
                      enum MHD_ConnectionNotificationCode code);
struct http_conn *http_conn_of(struct MHD_Connection *connection);
/* On to the next. False: the connection is cut. */
bool http_conn_turn(struct http_conn *c, enum http_wait to);
bool http_conn_cut(const struct http_conn *c);
bool http_sweeper_start(struct http_server *s) MUST_USE;
void http_sweeper_stop(struct http_server *s);

/* --- threads (http_thread.c) --------------------------------------------- */

struct http_thread {
    struct http_server *server;
    struct MHD_Daemon *daemon;
    int epoll_fd, wake_fd;
    pthread_t thread;
    bool running, quiet;
    _Atomic(struct http_request *) answered; /* elsewhere, to be resumed */
    atomic_bool owed; /* a wake-up, when it is no longer held back */
};

bool http_threads_start(struct http_server *s) MUST_USE;
void http_threads_wake(struct http_server *s);
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

/* The answer as libmicrohttpd takes it; points into r. */
struct MHD_Response *http_request_response(struct http_request *r);
/* The answer as bytes, for where libmicrohttpd takes none. */
void http_request_raw(const struct http_request *r, struct buf *out);
/* Appends the JSON of http_reply_error. */
void http_error_body(struct buf *out, const char *code, const char *message);
/* Writes to a peer that gets no second chance; never waits. */
void http_send_last(int fd, struct str bytes);

/* --- metrics (http_stats.c) ---------------------------------------------- */

struct http_stats; /* NULL without metrics */
struct http_stats *http_stats_new(struct http_server *s);
void http_stats_free(struct http_stats *stats);
size_t http_stats_route(const struct http_request *r); /* its index */
void http_stats_count(struct http_stats *stats, size_t route, int status,
                      int64_t started_us);

/* --- the server (http.c) ------------------------------------------------- */

/* A daemon for t's loop, or NULL. */
struct MHD_Daemon *http_daemon_new(struct http_thread *t);

struct http_server {
    struct http_thread *threads;
    int thread_count;
    struct http_options options;
    int listen_fd, port;
    struct http_stats *stats;
    atomic_bool quiet;
    atomic_size_t pending;    /* requests unanswered */
    atomic_size_t unsent;     /* answered, but the answer is not sent */
    atomic_size_t body_bytes; /* held, of all requests */
    atomic_size_t conn_count;
    pthread_mutex_t lock; /* conns */
    pthread_cond_t changed;
    struct http_conn *conns;
    pthread_t sweeper;
    atomic_bool swept;    /* the sweeper is to end */
    atomic_bool stopping; /* the threads are */
};

#endif
