/* SPDX-License-Identifier: Apache-2.0 */
#include "services/ingest/edge.h"

#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/http.h"
#include "services/ingest/dialect.h"
#include "services/ingest/gate.h"
#include "services/ingest/influx_hello.h"
#include "services/ingest/letter.h"

/* One kind as this edge serves it: the argument of its route. */
struct endpoint {
    struct edge *edge;
    const struct endpoint_kind *kind;
    const struct dialect *dialect;
    struct counter *accepted;
    struct counter *rejected[FAULT_COUNT], *skipped[SKIP_COUNT];
};

struct edge {
    struct endpoint *endpoints; /* as endpoint_kinds */
    struct http_route *routes;
    struct http_server *server;
    struct kafka_producer *producer;
    struct gate *gate;
    struct pendings *pendings;
    struct letters *letters;
    struct stamp_clock stamps;
    struct intake_shared shared;
    _Atomic enum kafka_verdict refusing; /* KAFKA_ACKED: it is not */
    _Atomic bool closed;
};

/* --- the gate: headers only ---------------------------------------------- */

static bool refuse(struct http_request *r, int status, const char *code,
                   const char *message)
{
    http_reply_error(r, status, code, message);
    return false;
}

static bool refuse_closed(struct http_request *r)
{
    http_reply_header(r, "Connection", "close");
    answer_unavailable(r, "draining", "This server is stopping; send again.");
    return false;
}

static bool gate_key(struct http_request *r, const struct endpoint *endpoint)
{
    struct str key =
        key_from_headers(http_header(r, "Authorization"),
                         http_header(r, "X-API-Key"), http_arena(r));

    if (key.n == 0 && endpoint->dialect->key)
        key = endpoint->dialect->key(r);
    struct pass *pass = gate_enter(endpoint->edge->gate, r, key);
    http_set_data(r, pass);
    return pass;
}

static bool edge_gate(struct http_request *r, void *arg)
{
    struct endpoint *endpoint = arg;
    struct edge *e = endpoint->edge;

    if (atomic_load(&e->closed))
        return refuse_closed(r);
    return gate_key(r, endpoint) &&
           packed_gate(r, endpoint->dialect->codings) &&
           endpoint->dialect->media(r, endpoint->kind);
}

/* --- the request --------------------------------------------------------- */

static void rejects_count(const struct endpoint *endpoint,
                          const struct rejects *rejects)
{
    for (size_t i = 0; i < rejects->count; i++)
        counter_add(endpoint->rejected[rejects->items[i].fault.code], 1);
}

static void skipped_count(const struct endpoint *endpoint,
                          const struct intake *in)
{
    for (int i = 0; i < SKIP_COUNT; i++)
        counter_add(endpoint->skipped[i], in->skipped[i]);
}

static void letters_add(struct edge *e, const struct intake *in)
{
    struct letter_origin origin = {
        .caller = in->check.caller,
        .endpoint = str_of(in->kind->path),
        .content_type = in->type,
        .received_us = in->check.received_us,
    };

    letters_write(e->letters, &origin, &in->rejects, in->worker->codec,
                  &in->worker->parcels[AT_DEADLETTER]);
}

static void parcel_send(struct edge *e, enum topic topic, struct parcel *p,
                        struct pending *tag)
{
    if (p->count > 0)
        pending_send(tag, e->producer, topic, parcel_seal(p, tag), p->count);
}

static void intake_send(struct edge *e, const struct intake *in,
                        const struct answer *answer)
{
    struct worker *w = in->worker;
    struct pending *pending = NULL;

    switch (pending_admit(e->pendings, in->request, answer, worker_records(w),
                          worker_bytes(w), &pending)) {
    case ADMISSION_CLOSED:
        refuse_closed(in->request);
        return;
    case ADMISSION_FULL:
        answer_unavailable(in->request, "overloaded",
                           "Too much is waiting for Kafka; send again later.");
        return;
    case ADMITTED:
        break;
    }
    for (int topic = 0; topic < TOPIC_COUNT; topic++)
        parcel_send(e, (enum topic)topic, &w->parcels[topic], pending);
    pending_sent(pending);
}

/* False: the body goes beyond a limit as a whole; the reply is given. */
static bool intake_fits(const struct endpoint *endpoint,
                        const struct intake *in)
{
    if (in->too_large) {
        char text[96];
        snprintf(text, sizeof text, "At most %zu bytes in one body unpacked.",
                 in->shared->packed.bytes_max);
        return refuse(in->request, 413, "body_too_large", text);
    }
    if (in->too_heavy)
        return refuse(in->request, 413, "too_many_bytes",
                      "Its records take more bytes than may wait for Kafka at "
                      "once; send fewer at a time.");
    if (in->too_many)
        gate_too_many(endpoint->edge->gate, in->request,
                      http_data(in->request));
    return !in->too_many;
}

static void intake_finish(struct endpoint *endpoint, struct intake *in)
{
    if (!intake_fits(endpoint, in))
        return;
    rejects_count(endpoint, &in->rejects);
    skipped_count(endpoint, in);
    letters_add(endpoint->edge, in);
    struct answer answer = endpoint->dialect->answer(in);
    answer.accepted = in->records;
    answer.counter = endpoint->accepted;
    intake_send(endpoint->edge, in, &answer);
}

/* False: the parameter says neither yes nor no; the reply is given. */
static bool strict_read(struct http_request *r, bool *strict)
{
    struct str value = http_query(r, "strict");

    *strict = str_is(value, "1") || str_is(value, "true");
    return *strict || value.p == NULL || str_is(value, "0") ||
           str_is(value, "false") ||
           refuse(r, 400, "invalid_parameter", "strict is 1 or 0.");
}

static void edge_handle(struct http_request *r, void *arg)
{
    struct endpoint *endpoint = arg;
    struct edge *e = endpoint->edge;
    enum kafka_verdict refusing = atomic_load(&e->refusing);

    if (refusing != KAFKA_ACKED) {
        answer_kafka(r, refusing, "nothing was stored, send again later.");
        return;
    }
    bool strict;
    if (!strict_read(r, &strict))
        return;
    struct worker *w = worker_mine();
    const struct pass *pass = http_data(r);
    AUTO_RELEASE(intake)
    in = {
        .shared = &e->shared,
        .kind = endpoint->kind,
        .request = r,
        .worker = w,
        .check = {.arena = w->arena,
                  .rules = &pass->rules,
                  .caller = &pass->caller,
                  .received_us = http_received_us(r)},
        .records_max = pass->records_max,
        .strict = strict,
    };
    struct posted posted = {.content_type = http_content_type(r),
                            .strict = strict};
    if (endpoint->dialect->parameters)
        endpoint->dialect->parameters(r, &posted);
    intake_read(&in, &posted);
    gate_pay(pass, in.records > in.units ? in.records : in.units,
             http_body(r).n);
    intake_finish(endpoint, &in);
}

/* --- life ---------------------------------------------------------------- */

static void endpoint_init(struct endpoint *endpoint, struct edge *e,
                          const struct endpoint_kind *kind, struct metrics *m)
{
    endpoint->edge = e;
    endpoint->kind = kind;
    endpoint->dialect = dialect_of(kind->protocol);
    endpoint->accepted =
        metrics_counter(m, "pulse_ingest_records_accepted_total",
                        "Records acknowledged by Kafka and so by us.",
                        "endpoint", kind->path, NULL);
    for (int code = FAULT_NONE + 1; code < FAULT_COUNT; code++)
        endpoint->rejected[code] = metrics_counter(
            m, "pulse_ingest_records_rejected_total",
            "Records rejected, by the code the client got.", "endpoint",
            kind->path, "code", fault_name((enum fault_code)code), NULL);
    for (int i = 0; i < SKIP_COUNT; i++)
        endpoint->skipped[i] = metrics_counter(
            m, "pulse_ingest_skipped_total",
            "What senders may send and Pulse does not keep, by what it is.",
            "endpoint", kind->path, "what", skip_name((enum skip)i), NULL);
}

static struct http_server *server_new(struct edge *e,
                                      const struct edge_options *options,
                                      struct err *err)
{
    const struct ingest_settings *s = options->settings;

    size_t routes = endpoint_count + influx_hello_count;
    e->routes = xcalloc(routes, sizeof *e->routes);
    memcpy(&e->routes[endpoint_count], influx_hello_routes,
           influx_hello_count * sizeof *e->routes);
    for (size_t i = 0; i < endpoint_count; i++)
        e->routes[i] = (struct http_route){
            .method = "POST",
            .path = endpoint_kinds[i].path,
            .handle = edge_handle,
            .gate = edge_gate,
            .arg = &e->endpoints[i],
            .body_max = (size_t)record_limits.body_bytes_max,
            .error = e->endpoints[i].dialect->error,
        };
    return http_server_new(
        &(struct http_options){
            .listen = s->listen,
            .tls_certificate =
                s->tls_certificate[0] ? s->tls_certificate : NULL,
            .tls_key = s->tls_key,
            .trusted_proxies = s->trusted_proxies,
            .threads = (int)s->threads,
            .connections_max = (int)s->connections_max,
            .connections_per_address_max = (int)s->connections_per_address_max,
            .connection_bytes = (size_t)s->connection_bytes,
            .idle_timeout_s = (int)(s->idle_timeout_ms / 1000),
            .header_timeout_s = (int)(s->header_timeout_ms / 1000),
            .request_timeout_s = (int)(s->request_timeout_ms / 1000),
            .body_rate = s->body_rate,
            .body_bytes_max = (size_t)s->bodies_bytes_max,
            .routes = e->routes,
            .route_count = routes,
            .metrics = options->metrics,
            .metrics_prefix = "pulse_ingest",
        },
        err);
}

struct edge *edge_new(const struct edge_options *options, struct err *err)
{
    const struct ingest_settings *s = options->settings;
    AUTO(edge) e = xcalloc(1, sizeof *e);

    e->producer = options->producer;
    e->gate = gate_new(&(struct gate_options){
        .keys = options->keys,
        .failures_max = s->failures_max,
        .metrics = options->metrics,
    });
    e->pendings = options->pendings;
    e->letters = letters_new(&(struct letters_options){
        .rate_bytes = s->deadletter_rate_bytes,
        .burst_bytes = s->deadletter_burst_bytes,
        .metrics = options->metrics,
    });
    e->shared = (struct intake_shared){
        .message_bytes_max = (size_t)record_limits.message_bytes_max,
        .bytes_max = (size_t)s->inflight_bytes_max,
        .stamps = &e->stamps,
    };
    packed_init(&e->shared.packed, (size_t)s->unpacked_bytes_max,
                options->metrics);
    e->endpoints = xcalloc(endpoint_count, sizeof *e->endpoints);
    for (size_t i = 0; i < endpoint_count; i++)
        endpoint_init(&e->endpoints[i], e, &endpoint_kinds[i],
                      options->metrics);
    e->server = server_new(e, options, err);
    return e->server ? MOVE(e) : NULL;
}

void edge_free(struct edge *e)
{
    if (!e)
        return;
    http_server_free(e->server);
    letters_free(e->letters);
    gate_free(e->gate);
    free(e->routes);
    free(e->endpoints);
    free(e);
}

void edge_serve_reports(struct edge *e)
{
    http_hold();
    kafka_producer_serve(e->producer);
    http_release(e->server);
}

void edge_refuse(struct edge *e, enum kafka_verdict why)
{
    atomic_store(&e->refusing, why);
}

void edge_close(struct edge *e)
{
    if (atomic_exchange(&e->closed, true))
        return;
    pendings_close(e->pendings);
    http_server_quiesce(e->server);
}
