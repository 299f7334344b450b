/* SPDX-License-Identifier: Apache-2.0 */
#include "common/http.h"

#include <assert.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "common/clock.h"
#include "common/http_inside.h"
#include "common/http_listen.h"
#include "common/log.h"

/*
 * Life of a request. libmicrohttpd calls on_uri when the request line is
 * read; on_access when the headers are, for each piece of body, when the body
 * is complete, and again after a resume; on_completed when the answer is sent
 * or the connection is gone.
 *
 * The meeting note: handler and replier may run in different threads. The
 * handler's side suspends the connection and then swaps `met`; the replier
 * stores the answer and then swaps `met`. Whoever comes second finds it set
 * and resumes. A reply given inside the handler is seen before anything is
 * suspended.
 *
 * Refusals. An answer queued before the body is read makes libmicrohttpd close
 * the connection, and closing with unread bytes may destroy the answer on its
 * way. So a refused body is read and thrown away, and the connection lives
 * on; unless the peer asked first (Expect), or has more than DISCARD_MAX.
 */
enum {
    CONNECTION_BYTES = 8 * 1024,
    BODY_FIRST = 64 * 1024, /* reserved at most for what is only announced */
    DISCARD_MAX = 16 * 1024 * 1024,
    FLUSH_MAX_S = 5, /* at the end, for answers on their way */
    DISCIPLINE = 1,  /* libmicrohttpd's strictest level within the RFCs */
    DESCRIPTORS_OWN = 256,
};

/* --- begin and end ------------------------------------------------------- */

static void *on_uri(void *cls, const char *uri,
                    struct MHD_Connection *connection)
{
    struct http_server *s = cls;
    struct http_conn *c = http_conn_of(connection);
    struct arena *a = http_kept_arena(&c->thread->kept);
    struct http_request *r = arena_zalloc(a, 1, sizeof *r);
    r->server = s;
    r->arena = a;
    r->connection = connection;
    r->conn = c;
    r->received_us = clock_wall_us();
    r->started_us = http_conn_begin(r->conn);
    r->target_ok = http_target_parse(arena_str(a, str_of(uri)), a, &r->target);
    atomic_store(&r->conn->route, (uint32_t)s->options.route_count);
    c->request = r;
    return r;
}

static void tell_sent(struct http_server *s)
{
    if (atomic_fetch_sub(&s->unsent, 1) > 1 || !atomic_load(&s->quiet))
        return;
    pthread_mutex_lock(&s->lock);
    pthread_cond_broadcast(&s->changed);
    pthread_mutex_unlock(&s->lock);
}

void http_request_end(struct http_request *r)
{
    struct http_server *s = r->server;
    struct http_kept *kept = &r->conn->thread->kept;
    r->conn->request = NULL;
    (void)http_conn_turn(r->conn, HTTP_IDLE); /* unless it is cut */
    if (r->answered)
        tell_sent(s);
    else if (r->started)
        atomic_fetch_sub(&s->pending, 1);
    atomic_fetch_sub(&s->body_bytes, r->body.n);
    http_kept_body_back(kept, &r->body);
    http_kept_arena_back(kept, r->arena);
}

static void on_completed(void *cls, struct MHD_Connection *connection,
                         void **req_cls, enum MHD_RequestTerminationCode code)
{
    struct http_request *r = *req_cls;
    (void)cls;
    (void)code;
    *req_cls = NULL;
    if (r == NULL)
        return;
    const union MHD_ConnectionInfo *status =
        r->answered ? NULL
                    : MHD_get_connection_info(connection,
                                              MHD_CONNECTION_INFO_HTTP_STATUS);
    if (status != NULL) /* the library's own answer */
        http_stats_count(r->server->stats, http_stats_route(r),
                         (int)status->http_status, r->started_us);
    http_request_end(r);
}

/* --- is it acceptable? --------------------------------------------------- */

/* "GET, HEAD, POST": what may be done with the target. */
static void allowed(struct http_request *r, struct buf *out)
{
    const struct http_options *options = &r->server->options;
    for (size_t i = 0; i < options->route_count; i++) {
        const struct http_route *route = &options->routes[i];
        if (!http_target_match(&r->target, route->path, r->arena))
            continue;
        bool get = strcmp(route->method, MHD_HTTP_METHOD_GET) == 0;
        buf_addf(out, "%s%s%s", out->n == 0 ? "" : ", ", route->method,
                 get ? ", " MHD_HTTP_METHOD_HEAD : "");
    }
}

static void refuse_method(struct http_request *r)
{
    AUTO_RELEASE(buf) allow = {0};
    allowed(r, &allow);
    bool asked = strcmp(r->method, MHD_HTTP_METHOD_OPTIONS) == 0;
    if (allow.n > 0)
        http_reply_header(r, MHD_HTTP_HEADER_ALLOW, allow.p);
    if (asked && (allow.n > 0 || str_is(r->target.path, "*")))
        http_reply(r, MHD_HTTP_NO_CONTENT, NULL, (struct str){NULL, 0});
    else if (allow.n == 0)
        http_reply_error(r, MHD_HTTP_NOT_FOUND, "not_found",
                         "no such endpoint");
    else
        http_reply_error(r, MHD_HTTP_METHOD_NOT_ALLOWED, "method_not_allowed",
                         "this endpoint does not answer this method");
}

static bool is_known(const char *method)
{
    static const char *const known[] = {
        MHD_HTTP_METHOD_GET,   MHD_HTTP_METHOD_HEAD,   MHD_HTTP_METHOD_POST,
        MHD_HTTP_METHOD_PUT,   MHD_HTTP_METHOD_DELETE, MHD_HTTP_METHOD_OPTIONS,
        MHD_HTTP_METHOD_PATCH, MHD_HTTP_METHOD_TRACE,  "QUERY",
    };
    for (size_t i = 0; i < ARRAY_LEN(known); i++)
        if (strcmp(known[i], method) == 0)
            return true;
    return false;
}

/* Is it a request at all, whatever its path? */
static bool check_line(struct http_request *r)
{
    bool any = r->target_ok && str_is(r->target.path, "*");
    if (!is_known(r->method)) {
        http_reply_error(r, MHD_HTTP_NOT_IMPLEMENTED, "not_implemented",
                         "nothing here has this method");
        return false;
    }
    if (r->target_ok &&
        (!any || strcmp(r->method, MHD_HTTP_METHOD_OPTIONS) == 0))
        return true;
    http_reply_error(r, MHD_HTTP_BAD_REQUEST, "malformed_target",
                     "the request target is no path, has a broken "
                     "percent-escape or is not UTF-8");
    return false;
}

static bool find_route(struct http_request *r)
{
    const struct http_options *options = &r->server->options;
    const char *method = r->method;
    if (strcmp(method, MHD_HTTP_METHOD_HEAD) == 0)
        method = MHD_HTTP_METHOD_GET; /* the library leaves the body out */
    if (!check_line(r))
        return false;
    for (size_t i = 0; i < options->route_count; i++) {
        const struct http_route *route = &options->routes[i];
        if (strcmp(route->method, method) == 0 &&
            http_target_match(&r->target, route->path, r->arena)) {
            r->route = route;
            r->body_max = route->body_max;
            atomic_store(&r->conn->route, (uint32_t)i);
            return true;
        }
    }
    refuse_method(r);
    return false;
}

static void refuse_size(struct http_request *r)
{
    char message[128];
    snprintf(message, sizeof message, "the body may have at most %zu bytes%s%s",
             r->body_max, r->body_why ? ": " : "",
             r->body_why ? r->body_why : "");
    http_reply_error(r, MHD_HTTP_CONTENT_TOO_LARGE, "body_too_large", message);
}

/* What the headers say comes; libmicrohttpd has checked the digits. */
static uint64_t announced(const struct http_request *r, bool *chunked)
{
    struct str length = http_header(r, MHD_HTTP_HEADER_CONTENT_LENGTH);
    int64_t bytes = 0;
    *chunked = http_header(r, MHD_HTTP_HEADER_TRANSFER_ENCODING).p != NULL;
    if (length.p != NULL && !str_to_i64(str_trim(length), &bytes))
        bytes = INT64_MAX; /* too long for a number */
    return (uint64_t)bytes;
}

static bool check_length(struct http_request *r)
{
    bool chunked;
    uint64_t bytes = announced(r, &chunked);
    if (r->body_max > 0 && !chunked &&
        http_header(r, MHD_HTTP_HEADER_CONTENT_LENGTH).p == NULL) {
        http_reply_error(r, MHD_HTTP_LENGTH_REQUIRED, "length_required",
                         "send Content-Length or chunked transfer coding");
        return false;
    }
    if (bytes > r->body_max) {
        refuse_size(r);
        return false;
    }
    r->body = http_kept_body(&r->conn->thread->kept);
    if (bytes > 0)
        (void)buf_reserve(&r->body, bytes < BODY_FIRST ? bytes : BODY_FIRST);
    return true;
}

bool http_body_limit(struct http_request *r, size_t bytes, const char *why)
{
    bool chunked;
    if (bytes >= r->body_max)
        return true;
    r->body_max = bytes;
    r->body_why = why;
    if (announced(r, &chunked) <= bytes)
        return true;
    refuse_size(r);
    return false;
}

/* --- a request's way ----------------------------------------------------- */

static enum MHD_Result send_answer(struct http_request *r)
{
    if (r->phase == HTTP_ANSWERING)
        return MHD_YES;
    r->phase = HTTP_ANSWERING;
    if (!http_conn_turn(r->conn, HTTP_SENDING))
        return MHD_NO;
    return http_request_queue(r);
}

/* Answers past libmicrohttpd, which takes no answer in the middle of a body;
 * the connection ends. */
static enum MHD_Result cut_short(struct http_request *r)
{
    AUTO_RELEASE(buf) text = {0};
    http_request_raw(r, &text);
    http_send_last(r->server, r->conn->fd, buf_str(&text));
    return MHD_NO;
}

/* r is answered: read on, or answer at once and close? */
static enum MHD_Result refuse(struct http_request *r)
{
    bool chunked;
    uint64_t bytes = announced(r, &chunked);
    assert(r->answered); /* by a gate that returned false */
    bool asked = http_header(r, MHD_HTTP_HEADER_EXPECT).p != NULL;
    if (bytes > DISCARD_MAX || (asked && (bytes > 0 || chunked)))
        return send_answer(r);
    r->phase = HTTP_DISCARD;
    return MHD_YES;
}

static enum MHD_Result begin(struct http_request *r, const char *method,
                             const char *version)
{
    if (!http_conn_turn_on(r->conn, HTTP_READING))
        return MHD_NO;
    r->method = method;
    r->started = true;
    r->phase = HTTP_BODY;
    atomic_fetch_add(&r->server->pending, 1);
    if (!http_framing_ok(r, version))
        return send_answer(r);
    if (!find_route(r) || !check_length(r) ||
        (r->route->gate != NULL && !r->route->gate(r, r->route->arg)))
        return refuse(r);
    return MHD_YES;
}

static void note_received(struct http_request *r, size_t n)
{
    uint64_t before =
        atomic_load_explicit(&r->conn->received, memory_order_relaxed);
    atomic_store_explicit(&r->conn->received, before + n,
                          memory_order_relaxed); /* the only writer */
}

static enum MHD_Result discard(struct http_request *r, size_t *n)
{
    if (*n == 0)
        return send_answer(r);
    note_received(r, *n);
    r->discarded += *n;
    *n = 0;
    return r->discarded > DISCARD_MAX ? cut_short(r) : MHD_YES;
}

/* All bodies together have a bound, too. */
static bool body_room(struct http_request *r, size_t n)
{
    struct http_server *s = r->server;
    size_t limit = s->options.body_bytes_max;
    size_t held = atomic_fetch_add(&s->body_bytes, n) + n;
    if (limit == 0 || held <= limit)
        return true;
    atomic_fetch_sub(&s->body_bytes, n);
    http_reply_header(r, MHD_HTTP_HEADER_RETRY_AFTER, "1");
    http_reply_error(r, MHD_HTTP_SERVICE_UNAVAILABLE, "busy",
                     "too many requests are being received");
    return false;
}

static enum MHD_Result take_body(struct http_request *r, const char *data,
                                 size_t *n)
{
    if (*n > r->body_max - r->body.n) {
        refuse_size(r);
    } else if (body_room(r, *n)) {
        note_received(r, *n);
        buf_add(&r->body, data, *n);
        *n = 0;
        return MHD_YES;
    }
    r->phase = HTTP_DISCARD;
    return discard(r, n);
}

static enum MHD_Result hand_over(struct http_request *r)
{
    struct MHD_Connection *connection = r->connection;
    if (!http_conn_turn(r->conn, HTTP_WORKING))
        return MHD_NO; /* its time was over in this moment */
    r->phase = HTTP_HANDED;
    r->route->handle(r, r->route->arg);
    if (atomic_load(&r->met))
        return send_answer(r);
    MHD_suspend_connection(connection);
    if (atomic_exchange(&r->met, true)) /* answered meanwhile */
        MHD_resume_connection(connection);
    return MHD_YES;
}

static enum MHD_Result on_access(void *cls, struct MHD_Connection *connection,
                                 const char *url, const char *method,
                                 const char *version, const char *data,
                                 size_t *n, void **req_cls)
{
    struct http_request *r = *req_cls;
    (void)cls;
    (void)connection;
    (void)url;
    if (r == NULL || http_conn_is_cut(r->conn))
        return MHD_NO;
    switch (r->phase) {
    case HTTP_HEADERS:
        return begin(r, method, version);
    case HTTP_BODY:
        return *n > 0 ? take_body(r, data, n) : hand_over(r);
    case HTTP_DISCARD:
        return discard(r, n);
    case HTTP_HANDED: /* resumed */
        return r->answered ? send_answer(r) : MHD_YES;
    case HTTP_ANSWERING:
        *n = 0;
        return MHD_YES;
    }
    return MHD_NO;
}

/* --- the server's life --------------------------------------------------- */

__attribute__((format(printf, 2, 0))) static void log_library(
    void *cls, const char *format, va_list args)
{
    char text[256];
    (void)cls;
    vsnprintf(text, sizeof text, format, args);
    log_debug("http_library", LOG_STR("text", str_trim(str_of(text))));
}

/* The target is ours to decode. */
static size_t unescape_nothing(void *cls, struct MHD_Connection *connection,
                               char *text)
{
    (void)cls;
    (void)connection;
    return strlen(text);
}

/* A gnutls_certificate_retrieve_function3. */
static int give_certificate(gnutls_session_t session,
                            const struct gnutls_cert_retr_st *info,
                            gnutls_pcert_st **certificates, unsigned *count,
                            gnutls_ocsp_data_st **ocsp, unsigned *ocsp_count,
                            gnutls_privkey_t *key, unsigned *flags)
{
    struct MHD_Connection *connection = gnutls_session_get_ptr(session);
    (void)info;
    *ocsp = NULL;
    *ocsp_count = 0;
    *flags = 0; /* they stay ours */
    return http_tls_give(http_conn_of(connection)->thread->server->tls,
                         certificates, count, key);
}

struct MHD_Daemon *http_daemon_new(struct http_thread *t)
{
    struct http_server *s = t->server;
    struct MHD_OptionItem tls[] = {
        {MHD_OPTION_HTTPS_CERT_CALLBACK2, 0,
         (void *)(uintptr_t)give_certificate},
        {MHD_OPTION_HTTPS_PRIORITIES, 0,
         (void *)(uintptr_t)HTTP_TLS_PRIORITIES},
        {MHD_OPTION_END, 0, NULL},
    };
    size_t memory = s->options.connection_bytes;
    if (memory == 0)
        memory = CONNECTION_BYTES;
    return MHD_start_daemon(
        MHD_USE_EPOLL | MHD_ALLOW_SUSPEND_RESUME | MHD_USE_NO_THREAD_SAFETY |
            MHD_USE_NO_LISTEN_SOCKET | MHD_USE_ERROR_LOG |
            (s->tls != NULL ? MHD_USE_TLS : 0),
        0, NULL, NULL, on_access, s, MHD_OPTION_EXTERNAL_LOGGER, log_library,
        NULL, MHD_OPTION_URI_LOG_CALLBACK, on_uri, s,
        MHD_OPTION_UNESCAPE_CALLBACK, unescape_nothing, NULL,
        MHD_OPTION_NOTIFY_COMPLETED, on_completed, s,
        MHD_OPTION_NOTIFY_CONNECTION, http_conn_notify, t,
        MHD_OPTION_CONNECTION_MEMORY_LIMIT, memory, MHD_OPTION_CONNECTION_LIMIT,
        UINT_MAX,                          /* the door's to keep */
        MHD_OPTION_CONNECTION_TIMEOUT, 0u, /* the sweeper's */
        MHD_OPTION_CLIENT_DISCIPLINE_LVL, DISCIPLINE, MHD_OPTION_ARRAY,
        s->tls != NULL ? tls : &tls[2], MHD_OPTION_END);
}

static void lock_init(struct http_server *s)
{
    pthread_condattr_t monotonic;
    pthread_mutex_init(&s->lock, NULL);
    pthread_condattr_init(&monotonic);
    pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC);
    pthread_cond_init(&s->changed, &monotonic);
    pthread_condattr_destroy(&monotonic);
}

static void server_free(struct http_server *s)
{
    http_threads_stop(s);
    if (s->listen_fd >= 0)
        close(s->listen_fd);
    http_stats_free(s->stats);
    http_peers_free(s->peers);
    http_tls_free(s->tls);
    http_proxies_free(s->proxies);
    pthread_cond_destroy(&s->changed);
    pthread_mutex_destroy(&s->lock);
    free(s);
}

/* A connection is a descriptor, and the process needs some for itself. */
static int conn_max(const struct http_options *o)
{
    int64_t all = http_descriptors();
    int64_t room =
        all > 4 * DESCRIPTORS_OWN ? all - DESCRIPTORS_OWN : all * 3 / 4;
    if (o->connections_max <= room)
        return o->connections_max;
    log_warn("http_connections_lowered", LOG_I("wanted", o->connections_max),
             LOG_I("connections", room), LOG_I("descriptors", all),
             LOG_S("remedy", "raise the limit of open files (ulimit -n)"));
    return (int)room;
}

/* What may be had or not. */
static bool open_means(struct http_server *s, struct err *err)
{
    const struct http_options *o = &s->options;
    s->proxies = http_proxies_new(str_of(o->trusted_proxies), err);
    if (s->proxies == NULL) {
        err_in(err, "trusted proxies");
        return false;
    }
    if (o->tls_certificate != NULL) {
        s->tls = http_tls_new(o->tls_certificate, o->tls_key, err);
        if (s->tls == NULL)
            return false;
    }
    s->listen_fd = http_listen(o->listen, err);
    return s->listen_fd >= 0;
}

static bool start(struct http_server *s, struct err *err)
{
    const struct http_options *o = &s->options;
    s->port = http_port(s->listen_fd);
    s->conn_max = conn_max(o);
    s->peers = http_peers_new(o->connections_per_address_max, s->proxies);
    s->stats = http_stats_new(s);
    if (http_threads_start(s) && http_door_start(s))
        return true;
    err_set(err, ERR_FATAL, "cannot start the HTTP server on %s", o->listen);
    return false;
}

struct http_server *http_server_new(const struct http_options *options,
                                    struct err *err)
{
    struct http_server *s = xcalloc(1, sizeof *s);
    s->options = *options;
    s->listen_fd = -1;
    lock_init(s);
    if (open_means(s, err) && start(s, err))
        return s;
    server_free(s);
    return NULL;
}

int http_server_port(const struct http_server *s)
{
    return s->port;
}

void http_server_quiesce(struct http_server *s)
{
    if (atomic_exchange(&s->quiet, true))
        return;
    /* No longer listening; closed only after the door's thread ended, for it
     * may be about to accept. */
    shutdown(s->listen_fd, SHUT_RDWR);
}

size_t http_server_pending(const struct http_server *s)
{
    return atomic_load(&s->pending);
}

/* Answers given are to reach their peers, if these take them. */
static void flush(struct http_server *s)
{
    struct timespec until;
    clock_gettime(CLOCK_MONOTONIC, &until);
    until.tv_sec += FLUSH_MAX_S;
    pthread_mutex_lock(&s->lock);
    while (atomic_load(&s->unsent) > 0 &&
           pthread_cond_timedwait(&s->changed, &s->lock, &until) == 0)
        continue;
    pthread_mutex_unlock(&s->lock);
}

void http_server_free(struct http_server *s)
{
    if (s == NULL)
        return;
    http_server_quiesce(s);
    flush(s);
    http_door_stop(s);
    server_free(s);
}
