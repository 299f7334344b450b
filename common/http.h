/* SPDX-License-Identifier: Apache-2.0 */
/* http.h - an HTTP/1.1 server on libmicrohttpd: a handler gets the whole body
 * and may answer at once or later, from any thread. */
#ifndef COMMON_HTTP_H
#define COMMON_HTTP_H

#include "common/arena.h"
#include "common/buf.h"
#include "common/err.h"
#include "common/metrics.h"
#include "common/str.h"

struct http_server;
struct http_request; /* lives from its first byte until its reply is sent */

/* Called in a server thread when the body is complete. Must call http_reply
 * exactly once, now or later. */
typedef void http_handler(struct http_request *r, void *arg);
/* Called when the headers are read, before the body: to refuse early
 * (http_reply and return false) or note something (http_set_data). */
typedef bool http_gate(struct http_request *r, void *arg);

/* Appends an error's body to out as the route's protocol has it, and may give
 * it another status. Returns its content type (a constant; NULL: no body). Any
 * thread. */
typedef const char *http_error_fn(const struct http_request *r, int *status,
                                  const char *code, const char *message,
                                  struct buf *out);

struct http_route {
    const char *method; /* "POST" */
    const char *path;   /* "/api/v1/events", or "/api/metrics/{name}/latest" */
    http_handler *handle;
    http_gate *gate; /* may be NULL */
    void *arg;
    size_t body_max;      /* bytes; 0: no body accepted */
    http_error_fn *error; /* NULL: the JSON of http_reply_error */
};

struct http_options {
    const char *listen; /* "127.0.0.1:8080", "[::1]:0", "0.0.0.0:8080" */
    /* PEM files, read again when they change; NULL: no TLS. */
    const char *tls_certificate, *tls_key;
    /* Who may say by X-Forwarded-For for whom it speaks, see http_proxies.h;
     * they may have any number of connections. NULL or "": nobody. */
    const char *trusted_proxies;
    int threads;
    int connections_max; /* beyond: 503, and room is made among the idle */
    int connections_per_address_max; /* of an IPv6 /64, too; 0: no limit */
    /* Memory of one connection, also of an idle one; the headers must fit, and
     * 64 bytes for each of them; 0: 8 KiB. */
    size_t connection_bytes;
    int idle_timeout_s;    /* nothing of a next request */
    int header_timeout_s;  /* first byte to end of headers; 0: as the next */
    int request_timeout_s; /* first byte to end of body; then 408 */
    int send_timeout_s;    /* for the peer to take an answer; 0: 120 */
    int64_t body_rate;     /* bytes/s a body must come at; 0: any */
    size_t body_bytes_max; /* of all bodies held at once, then 503; 0: none */
    const struct http_route *routes; /* must outlive the server */
    size_t route_count;
    struct metrics *metrics; /* counts answers by route and status; or NULL */
    const char *metrics_prefix; /* "pulse_ingest" */
};

struct http_server *http_server_new(const struct http_options *options,
                                    struct err *err) MUST_USE;
int http_server_port(const struct http_server *s);
/* New connections are refused, requests under way go on. */
void http_server_quiesce(struct http_server *s);
size_t http_server_pending(const struct http_server *s); /* unanswered */
/* Every request must have been answered. */
void http_server_free(struct http_server *s);
DEFINE_AUTO(http_server)

struct str http_method(const struct http_request *r);
struct str http_path(const struct http_request *r);
/* Value of {name} in the route's path, percent-decoded; empty if absent. */
struct str http_path_arg(const struct http_request *r, const char *name);
/* Empty slice with p == NULL where absent. */
struct str http_header(const struct http_request *r, const char *name);
struct str http_query(const struct http_request *r, const char *name);
struct str http_body(const struct http_request *r);
/* Media type of Content-Type without parameters, as sent; may be empty. */
struct str http_content_type(const struct http_request *r);
/* The peer's, or that of the client it speaks for, if it is trusted; 16 bytes,
 * IPv4 as ::ffff:a.b.c.d. Lives as long as r. */
struct str http_client_address(const struct http_request *r);
int64_t http_received_us(const struct http_request *r); /* wall clock */
/* Memory of this request, freed after the reply; one thread at a time. */
struct arena *http_arena(struct http_request *r);
void http_set_data(struct http_request *r, void *data);
void *http_data(const struct http_request *r);
/* From a gate: the body may have no more than bytes, because of why (a
 * constant, for people). False: it announces more, and has its answer. */
bool http_body_limit(struct http_request *r, size_t bytes, const char *why)
    MUST_USE;
/* The peer closed its side: nobody will read the answer. Any thread. */
bool http_peer_gone(const struct http_request *r);

/* Before http_reply, from the same thread. value is copied. */
void http_reply_header(struct http_request *r, const char *name,
                       const char *value);
/* Copies body. r must not be touched afterwards. */
void http_reply(struct http_request *r, int status, const char *content_type,
                struct str body);
/* Between the two, answers that the calling thread gives to s are only noted;
 * http_release lets them go, with one wake-up of each server thread. For who
 * answers many requests at a time. */
void http_hold(void);
void http_release(struct http_server *s);
/* {"error":{"code":…,"message":…,"doc":…}}, unless the route says otherwise;
 * doc is the code's anchor in docs/errors.md: HTTP_ERROR_DOC and the code. */
#define HTTP_ERROR_DOC "docs/errors.md#"
void http_reply_error(struct http_request *r, int status, const char *code,
                      const char *message);

#endif
