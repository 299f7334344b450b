/* SPDX-License-Identifier: Apache-2.0 */
#include <assert.h>
#include <errno.h>
#include <string.h>
#include <sys/socket.h>

#include "common/http_inside.h"
#include "common/json.h"

/* --- what a handler may ask ---------------------------------------------- */

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

/* The header may come several times; it is one list. */
static enum MHD_Result add_forwarded(void *cls, enum MHD_ValueKind kind,
                                     const char *name, const char *value)
{
    struct buf *list = cls;
    (void)kind;
    if (str_eq_nocase(str_of(name), STR("X-Forwarded-For")))
        buf_addf(list, "%s%s", list->n > 0 ? "," : "", value);
    return MHD_YES;
}

struct str http_client_address(const struct http_request *r)
{
    const struct http_proxies *proxies = r->server->proxies;
    const struct in6_addr *peer = &r->conn->address;
    if (!http_proxies_trust(proxies, peer))
        return (struct str){(const char *)peer, sizeof *peer};
    AUTO_RELEASE(buf) list = {0};
    MHD_get_connection_values(r->connection, MHD_HEADER_KIND, add_forwarded,
                              &list);
    struct in6_addr client = http_proxies_client(proxies, peer, buf_str(&list));
    return arena_str(r->arena,
                     (struct str){(const char *)&client, sizeof client});
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

bool http_peer_gone(const struct http_request *r)
{
    char byte;
    ssize_t n = recv(r->conn->fd, &byte, 1, MSG_PEEK | MSG_DONTWAIT);
    return n == 0 || (n < 0 && errno != EAGAIN && errno != EINTR);
}

/* --- answering ----------------------------------------------------------- */

static const char *keep(struct http_request *r, const char *text)
{
    return arena_str(r->arena, str_of(text)).p;
}

void http_reply_header(struct http_request *r, const char *name,
                       const char *value)
{
    bool one_line = strchr(value, '\n') == NULL && strchr(value, '\r') == NULL;
    assert(one_line && r->field_count < HTTP_HEADERS_MAX);
    r->fields[r->field_count++] = (struct http_field){name, keep(r, value)};
}

void http_reply(struct http_request *r, int status, const char *content_type,
                struct str body)
{
    struct http_server *s = r->server;
    assert(!r->answered && status >= HTTP_STATUS_MIN &&
           status <= HTTP_STATUS_MAX);
    r->answered = true;
    r->status = status;
    if (content_type != NULL)
        r->content_type = keep(r, content_type);
    r->answer = arena_str(r->arena, body);
    http_stats_count(s->stats, http_stats_route(r), status, r->started_us);
    atomic_fetch_add(&s->unsent, 1);
    atomic_fetch_sub(&s->pending, 1);
    if (atomic_exchange(&r->met, true)) /* it is suspended */
        http_thread_answered(r);
}

void http_error_body(struct buf *out, const char *code, const char *message)
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
    const char *type = "application/json";
    if (r->route != NULL && r->route->error != NULL)
        type = r->route->error(r, &status, code, message, &body);
    else
        http_error_body(&body, code, message);
    http_reply(r, status, type, buf_str(&body));
}

/* --- the answer on its way ----------------------------------------------- */

static struct MHD_Response *response_new(const struct http_request *r)
{
    struct MHD_Response *response =
        MHD_create_response_from_buffer_static(r->answer.n, r->answer.p);
    assert(response != NULL);
    if (r->content_type != NULL)
        MHD_add_response_header(response, MHD_HTTP_HEADER_CONTENT_TYPE,
                                r->content_type);
    for (int i = 0; i < r->field_count; i++)
        MHD_add_response_header(response, r->fields[i].name,
                                r->fields[i].value);
    if (atomic_load(&r->server->quiet))
        MHD_add_response_header(response, MHD_HTTP_HEADER_CONNECTION, "close");
    return response;
}

enum MHD_Result http_request_queue(struct http_request *r)
{
    struct MHD_Response *response = NULL;
    unsigned status = (unsigned)r->status;
    if (r->content_type != NULL && r->field_count == 0 &&
        !atomic_load(&r->server->quiet))
        response = http_kept_response(&r->conn->thread->kept, r->content_type,
                                      r->answer);
    if (response != NULL)
        return MHD_queue_response(r->connection, status, response);
    response = response_new(r);
    enum MHD_Result queued =
        MHD_queue_response(r->connection, status, response);
    MHD_destroy_response(response); /* the connection has its own hold */
    return queued;
}

void http_request_raw(const struct http_request *r, struct buf *out)
{
    buf_addf(out, "HTTP/1.1 %d %s\r\nConnection: close\r\n", r->status,
             MHD_get_reason_phrase_for((unsigned)r->status));
    if (r->content_type != NULL)
        buf_addf(out, "Content-Type: %s\r\n", r->content_type);
    for (int i = 0; i < r->field_count; i++)
        buf_addf(out, "%s: %s\r\n", r->fields[i].name, r->fields[i].value);
    buf_addf(out, "Content-Length: %zu\r\n\r\n", r->answer.n);
    buf_add_str(out, r->answer);
}

void http_send_last(const struct http_server *s, int fd, struct str bytes)
{
    if (s->tls != NULL)
        return;
    ssize_t sent = send(fd, bytes.p, bytes.n, MSG_DONTWAIT | MSG_NOSIGNAL);
    (void)sent; /* it is the peer's fault, and loss, if it does not fit */
}

void http_send_last_error(const struct http_server *s, int fd, int status,
                          int retry_s, const char *code, const char *message)
{
    AUTO_RELEASE(buf) body = {0}, text = {0};
    http_error_body(&body, code, message);
    buf_addf(&text, "HTTP/1.1 %d %s\r\nConnection: close\r\n", status,
             MHD_get_reason_phrase_for((unsigned)status));
    if (retry_s > 0)
        buf_addf(&text, "Retry-After: %d\r\n", retry_s);
    buf_addf(&text,
             "Content-Type: application/json\r\nContent-Length: %zu\r\n\r\n",
             body.n);
    buf_add_str(&text, buf_str(&body));
    http_send_last(s, fd, buf_str(&text));
}
