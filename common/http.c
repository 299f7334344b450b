/* SPDX-License-Identifier: Apache-2.0 */
#include "common/http.h"

#include <assert.h>
#include <errno.h>
#include <microhttpd.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "common/buf.h"
#include "common/clock.h"
#include "common/http_listen.h"
#include "common/http_route.h"
#include "common/http_tally.h"
#include "common/json.h"
#include "common/log.h"

/*
 * Life of a request. libmicrohttpd calls on_uri when the request line is
 * read, on_access when the headers are, for each piece of body, when the body
 * is complete, and again after a resume; on_completed when the answer is sent
 * or the connection is gone.
 *
 * The meeting note: handler and replier run in different threads. The handler
 * suspends the connection and then swaps `met`; the replier stores the answer
 * and then swaps `met`. Whoever comes second finds it set and resumes. A reply
 * given inside the handler is seen before anything is suspended.
 */
enum {
    HEADERS_MAX = 4, /* of an answer, set by the handler */
    ARENA_BLOCK = 4096,
    CONNECTION_MEMORY = 16 * 1024,
};

enum phase { PHASE_HEADERS, PHASE_BODY, PHASE_HANDLED };

struct header {
    const char *name; /* a constant */
    char *value;
};

struct http_request {
    struct http_server *server;
    struct MHD_Connection *connection;
    struct http_request *next, *previous; /* guarded by server->lock */
    const struct http_route *route;
    struct http_target target;
    bool target_ok, head;
    _Atomic enum phase phase;
    const char *method;
    int64_t received_us, started_mono_us;
    struct buf body;
    size_t discarded; /* bytes of body beyond the limit */
    struct arena *arena;
    void *data;
    struct MHD_Response *response;
    int status;
    struct header headers[HEADERS_MAX];
    int header_count;
    _Atomic bool met;
    bool queued;
    char uri[]; /* as sent */
};

struct http_server {
    struct MHD_Daemon *daemon;
    struct http_options options;
    int port;
    _Atomic bool quiet;
    _Atomic size_t pending;
    struct http_tally *tally; /* NULL without metrics */
    pthread_mutex_t lock;
    struct http_request *requests;
    pthread_t sweeper;
    pthread_cond_t sweep;
    bool stopping;
};

/* ---- what a handler may ask ---- */

struct str http_method(const struct http_request *r)
{
    return str_of(r->method);
}

struct str http_path(const struct http_request *r)
{
    return r->target.path;
}

struct str http_path_arg(const struct http_request *r, const char *name)
{
    for (int i = 0; i < r->target.arg_count; i++)
        if (str_is(r->target.arg_names[i], name))
            return r->target.arg_values[i];
    return (struct str){"", 0};
}

struct str http_header(const struct http_request *r, const char *name)
{
    return str_of(
        MHD_lookup_connection_value(r->connection, MHD_HEADER_KIND, name));
}

struct str http_query(const struct http_request *r, const char *name)
{
    return http_target_query(&r->target, name, r->arena);
}

struct str http_body(const struct http_request *r)
{
    return buf_str(&r->body);
}

struct str http_content_type(const struct http_request *r)
{
    struct str type = http_header(r, MHD_HTTP_HEADER_CONTENT_TYPE), parameters;
    str_cut(type, ';', &type, &parameters);
    return str_trim(type);
}

int64_t http_received_us(const struct http_request *r)
{
    return r->received_us;
}

struct arena *http_arena(struct http_request *r)
{
    return r->arena;
}

void http_set_data(struct http_request *r, void *data)
{
    r->data = data;
}

void *http_data(const struct http_request *r)
{
    return r->data;
}

static int request_fd(const struct http_request *r)
{
    return MHD_get_connection_info(r->connection,
                                   MHD_CONNECTION_INFO_CONNECTION_FD)
        ->connect_fd;
}

bool http_peer_gone(const struct http_request *r)
{
    char byte;
    ssize_t n = recv(request_fd(r), &byte, 1, MSG_PEEK | MSG_DONTWAIT);
    return n == 0 || (n < 0 && errno != EAGAIN && errno != EINTR);
}

/* ---- answering ---- */

static size_t route_index(const struct http_request *r)
{
    if (r->route == NULL)
        return r->server->options.route_count;
    return (size_t)(r->route - r->server->options.routes);
}

static void count_answer(struct http_request *r, int status)
{
    http_tally_answer(r->server->tally, route_index(r), status,
                      (double)(clock_mono_us() - r->started_mono_us) / 1e6);
}

void http_reply_header(struct http_request *r, const char *name,
                       const char *value)
{
    assert(r->header_count < HEADERS_MAX);
    r->headers[r->header_count++] = (struct header){name, xstrdup(value)};
}

void http_reply(struct http_request *r, int status, const char *content_type,
                struct str body)
{
    assert(r->response == NULL);
    count_answer(r, status);
    r->response = MHD_create_response_from_buffer_copy(body.n, body.p);
    assert(r->response != NULL);
    r->status = status;
    MHD_add_response_header(r->response, MHD_HTTP_HEADER_CONTENT_TYPE,
                            content_type);
    for (int i = 0; i < r->header_count; i++)
        MHD_add_response_header(r->response, r->headers[i].name,
                                r->headers[i].value);
    if (atomic_load(&r->server->quiet))
        MHD_add_response_header(r->response, MHD_HTTP_HEADER_CONNECTION,
                                "close");
    struct MHD_Connection *connection = r->connection;
    if (atomic_exchange(&r->met, true)) /* the handler has suspended it */
        MHD_resume_connection(connection);
}

static void error_body(struct buf *out, const char *code, const char *message)
{
    buf_add_text(out, "{\"error\":{\"code\":");
    json_add_str(out, str_of(code));
    buf_add_text(out, ",\"message\":");
    json_add_str(out, str_of(message));
    buf_addf(out, ",\"doc\":\"" HTTP_ERROR_DOC "%s\"}}", code);
}

void http_reply_error(struct http_request *r, int status, const char *code,
                      const char *message)
{
    AUTO_RELEASE(buf) body = {0};
    error_body(&body, code, message);
    http_reply(r, status, "application/json", buf_str(&body));
}

/* ---- the server's side ---- */

/* In the middle of a body libmicrohttpd takes no response: write one past it,
 * and the connection is closed. */
static enum MHD_Result cut_off(struct http_request *r, int status,
                               const char *reason, const char *code,
                               const char *message)
{
    AUTO_RELEASE(buf) body = {0}, text = {0};
    error_body(&body, code, message);
    buf_addf(&text,
             "HTTP/1.1 %d %s\r\nConnection: close\r\n"
             "Content-Type: application/json\r\nContent-Length: %zu\r\n\r\n",
             status, reason, body.n);
    buf_add_str(&text, buf_str(&body));
    count_answer(r, status);
    ssize_t sent =
        send(request_fd(r), text.p, text.n, MSG_DONTWAIT | MSG_NOSIGNAL);
    (void)sent; /* the peer is at fault: it may or may not read it */
    return MHD_NO;
}

static void pending_add(struct http_server *s, int delta)
{
    atomic_fetch_add(&s->pending, (size_t)delta);
    http_tally_pending(s->tally, delta);
}

static void *on_uri(void *cls, const char *uri,
                    struct MHD_Connection *connection)
{
    struct http_server *s = cls;
    size_t n = strlen(uri);
    struct http_request *r = xcalloc(1, sizeof *r + n + 1);
    memcpy(r->uri, uri, n + 1);
    r->server = s;
    r->connection = connection;
    r->arena = arena_new(ARENA_BLOCK);
    r->received_us = clock_wall_us();
    r->started_mono_us = clock_mono_us();
    r->target_ok = http_target_parse((struct str){r->uri, n}, &r->target);
    pthread_mutex_lock(&s->lock);
    r->next = s->requests;
    if (r->next != NULL)
        r->next->previous = r;
    s->requests = r;
    pthread_mutex_unlock(&s->lock);
    pending_add(s, 1);
    return r;
}

static void on_completed(void *cls, struct MHD_Connection *connection,
                         void **req_cls, enum MHD_RequestTerminationCode code)
{
    struct http_server *s = cls;
    struct http_request *r = *req_cls;
    (void)connection;
    (void)code;
    *req_cls = NULL;
    if (r == NULL)
        return;
    pthread_mutex_lock(&s->lock);
    if (r->next != NULL)
        r->next->previous = r->previous;
    *(r->previous == NULL ? &s->requests : &r->previous->next) = r->next;
    pthread_mutex_unlock(&s->lock);
    if (r->response != NULL)
        MHD_destroy_response(r->response);
    for (int i = 0; i < r->header_count; i++)
        free(r->headers[i].value);
    buf_release(&r->body);
    arena_free(r->arena);
    free(r);
    pending_add(s, -1);
}

static enum MHD_Result send_answer(struct http_request *r)
{
    r->queued = true;
    return MHD_queue_response(r->connection, (unsigned)r->status, r->response);
}

static void refuse_method(struct http_request *r)
{
    AUTO_RELEASE(buf) allow = {0};
    const struct http_options *options = &r->server->options;
    for (size_t i = 0; i < options->route_count; i++)
        if (http_target_match(&r->target, options->routes[i].path, r->arena))
            buf_addf(&allow, "%s%s", allow.n == 0 ? "" : ", ",
                     options->routes[i].method);
    if (allow.n == 0) {
        http_reply_error(r, MHD_HTTP_NOT_FOUND, "not_found",
                         "no such endpoint");
        return;
    }
    http_reply_header(r, MHD_HTTP_HEADER_ALLOW, allow.p);
    http_reply_error(r, MHD_HTTP_METHOD_NOT_ALLOWED, "method_not_allowed",
                     "this endpoint does not answer this method");
}

static bool find_route(struct http_request *r)
{
    const struct http_options *options = &r->server->options;
    const char *method = r->head ? MHD_HTTP_METHOD_GET : r->method;
    if (!r->target_ok) {
        http_reply_error(r, MHD_HTTP_BAD_REQUEST, "malformed_target",
                         "the request target has a broken percent-escape");
        return false;
    }
    for (size_t i = 0; i < options->route_count; i++) {
        const struct http_route *route = &options->routes[i];
        if (strcmp(route->method, method) == 0 &&
            http_target_match(&r->target, route->path, r->arena)) {
            r->route = route;
            return true;
        }
    }
    refuse_method(r);
    return false;
}

/* Is the announced body acceptable? */
static bool check_length(struct http_request *r)
{
    struct str length = http_header(r, MHD_HTTP_HEADER_CONTENT_LENGTH);
    struct str coding = http_header(r, MHD_HTTP_HEADER_TRANSFER_ENCODING);
    int64_t bytes = 0;
    if (length.p != NULL && !str_to_i64(str_trim(length), &bytes))
        bytes = INT64_MAX; /* libmicrohttpd has checked the digits */
    if (length.p == NULL && coding.p == NULL && r->route->body_max > 0) {
        http_reply_error(r, MHD_HTTP_LENGTH_REQUIRED, "length_required",
                         "send Content-Length or chunked transfer coding");
        return false;
    }
    if ((uint64_t)bytes > r->route->body_max) {
        char message[64];
        snprintf(message, sizeof message, "the body may have at most %zu bytes",
                 r->route->body_max);
        http_reply_error(r, MHD_HTTP_CONTENT_TOO_LARGE, "body_too_large",
                         message);
        return false;
    }
    if (bytes > 0)
        (void)buf_reserve(&r->body, (size_t)bytes);
    return true;
}

static enum MHD_Result begin(struct http_request *r, const char *method)
{
    r->head = strcmp(method, MHD_HTTP_METHOD_HEAD) == 0;
    r->method = method;
    atomic_store(&r->phase, PHASE_BODY);
    if (!find_route(r) || !check_length(r) ||
        (r->route->gate != NULL && !r->route->gate(r, r->route->arg)))
        return send_answer(r);
    return MHD_YES;
}

static enum MHD_Result take_body(struct http_request *r, const char *data,
                                 size_t *n)
{
    int64_t age_us = clock_mono_us() - r->started_mono_us;
    if (age_us > r->server->options.request_timeout_s * INT64_C(1000000))
        return cut_off(r, MHD_HTTP_REQUEST_TIMEOUT, "Request Timeout",
                       "request_timeout", "the body took too long to arrive");
    if (*n > r->route->body_max - r->body.n)
        return cut_off(r, MHD_HTTP_CONTENT_TOO_LARGE, "Content Too Large",
                       "body_too_large", "the body is longer than allowed");
    buf_add(&r->body, data, *n);
    *n = 0;
    return MHD_YES;
}

static enum MHD_Result handle(struct http_request *r)
{
    atomic_store(&r->phase, PHASE_HANDLED);
    struct MHD_Connection *connection = r->connection;
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
    (void)version;
    if (r == NULL)
        return MHD_NO;
    switch (atomic_load(&r->phase)) {
    case PHASE_HEADERS:
        return begin(r, method);
    case PHASE_BODY:
        if (r->queued) /* refused: what still comes is thrown away */
            return *n = 0, MHD_YES;
        return *n > 0 ? take_body(r, data, n) : handle(r);
    case PHASE_HANDLED:
        return r->queued || r->response == NULL ? MHD_YES : send_answer(r);
    }
    return MHD_NO;
}

/* Headers that drip in never reach on_access: end those connections here. */
static void sweep_once(struct http_server *s)
{
    int64_t limit_us = s->options.request_timeout_s * INT64_C(1000000);
    int64_t now_us = clock_mono_us();
    for (struct http_request *r = s->requests; r != NULL; r = r->next)
        if (atomic_load(&r->phase) == PHASE_HEADERS &&
            now_us - r->started_mono_us > limit_us)
            shutdown(request_fd(r), SHUT_RDWR);
}

static void *sweeper_main(void *arg)
{
    struct http_server *s = arg;
    pthread_mutex_lock(&s->lock);
    while (!s->stopping) {
        struct timespec until;
        clock_gettime(CLOCK_REALTIME, &until);
        until.tv_sec++;
        pthread_cond_timedwait(&s->sweep, &s->lock, &until);
        sweep_once(s);
    }
    pthread_mutex_unlock(&s->lock);
    return NULL;
}

/* ---- start and stop ---- */

PRINTF_LIKE(2, 0)
static void log_library(void *cls, const char *format, va_list args)
{
    char text[256];
    (void)cls;
    vsnprintf(text, sizeof text, format, args);
    log_debug("http_library", LOG_STR("text", str_trim(str_of(text))));
}

static struct MHD_Daemon *start_daemon(struct http_server *s, int fd)
{
    const struct http_options *o = &s->options;
    struct MHD_OptionItem more[] = {
        {MHD_OPTION_THREAD_POOL_SIZE, o->threads, NULL},
        {MHD_OPTION_END, 0, NULL},
    };
    if (o->threads <= 1)
        more[0].option = MHD_OPTION_END;
    return MHD_start_daemon(
        MHD_USE_EPOLL_INTERNAL_THREAD | MHD_ALLOW_SUSPEND_RESUME | MHD_USE_ITC |
            MHD_USE_ERROR_LOG,
        0, NULL, NULL, on_access, s, MHD_OPTION_EXTERNAL_LOGGER, log_library,
        NULL, MHD_OPTION_LISTEN_SOCKET, fd, MHD_OPTION_URI_LOG_CALLBACK, on_uri,
        s, MHD_OPTION_NOTIFY_COMPLETED, on_completed, s,
        MHD_OPTION_CONNECTION_MEMORY_LIMIT, (size_t)CONNECTION_MEMORY,
        MHD_OPTION_CONNECTION_LIMIT, (unsigned)o->connections_max,
        MHD_OPTION_PER_IP_CONNECTION_LIMIT,
        (unsigned)o->connections_per_address_max, MHD_OPTION_CONNECTION_TIMEOUT,
        (unsigned)o->idle_timeout_s, MHD_OPTION_CLIENT_DISCIPLINE_LVL, 1,
        MHD_OPTION_ARRAY, more, MHD_OPTION_END);
}

struct http_server *http_server_new(const struct http_options *options,
                                    struct err *err)
{
    int fd = http_listen(options->listen, err);
    if (fd < 0)
        return NULL;
    struct http_server *s = xcalloc(1, sizeof *s);
    s->options = *options;
    s->port = http_port(fd);
    pthread_mutex_init(&s->lock, NULL);
    pthread_cond_init(&s->sweep, NULL);
    s->tally = http_tally_new(options);
    s->daemon = start_daemon(s, fd);
    int failed = s->daemon == NULL
                     ? EINVAL
                     : pthread_create(&s->sweeper, NULL, sweeper_main, s);
    if (failed != 0) {
        err_set(err, ERR_FATAL, "cannot start the HTTP server on %s: %s",
                options->listen, strerror(failed));
        close(fd);
        http_tally_free(s->tally);
        free(s);
        return NULL;
    }
    return s;
}

int http_server_port(const struct http_server *s)
{
    return s->port;
}

void http_server_quiesce(struct http_server *s)
{
    if (atomic_exchange(&s->quiet, true))
        return;
    int fd = MHD_quiesce_daemon(s->daemon);
    if (fd >= 0)
        close(fd);
}

size_t http_server_pending(const struct http_server *s)
{
    return atomic_load(&s->pending);
}

void http_server_free(struct http_server *s)
{
    if (s == NULL)
        return;
    http_server_quiesce(s);
    pthread_mutex_lock(&s->lock);
    s->stopping = true;
    pthread_cond_signal(&s->sweep);
    pthread_mutex_unlock(&s->lock);
    pthread_join(s->sweeper, NULL);
    MHD_stop_daemon(s->daemon);
    pthread_cond_destroy(&s->sweep);
    pthread_mutex_destroy(&s->lock);
    http_tally_free(s->tally);
    free(s);
}
