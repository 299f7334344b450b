/* SPDX-License-Identifier: Apache-2.0 */
#include <stdio.h>
#include <stdlib.h>

#include "common/clock.h"
#include "common/http_inside.h"

struct of_route {
    struct counter *_Atomic by_status[HTTP_STATUS_MAX - HTTP_STATUS_MIN + 1];
    struct histogram *seconds;
};

enum { NAME_MAX_BYTES = 96 };

struct http_stats {
    struct http_server *server;
    struct metrics *metrics;
    char requests[NAME_MAX_BYTES];
    size_t route_count;
    struct of_route *routes; /* route_count + 1; the last: no route */
    struct counter *cuts[HTTP_CUT_COUNT];
    struct counter *refusals[HTTP_REFUSAL_COUNT];
};

static double ask_pending(void *arg)
{
    struct http_stats *stats = arg;
    return (double)atomic_load(&stats->server->pending);
}

static double ask_connections(void *arg)
{
    struct http_stats *stats = arg;
    return (double)atomic_load(&stats->server->conn_count);
}

static double ask_body_bytes(void *arg)
{
    struct http_stats *stats = arg;
    return (double)atomic_load(&stats->server->body_bytes);
}

static void name(const struct http_stats *stats, const char *what,
                 char out[NAME_MAX_BYTES])
{
    snprintf(out, NAME_MAX_BYTES, "%s_http_%s",
             stats->server->options.metrics_prefix, what);
}

static void add_gauge(struct http_stats *stats, const char *what,
                      const char *help, double (*ask)(void *arg))
{
    char text[NAME_MAX_BYTES];
    name(stats, what, text);
    metrics_gauge_fn(stats->metrics, text, help, ask, stats);
}

/* One counter per reason. */
static void add_reasons(struct http_stats *stats, const char *what,
                        const char *help, const char *const reasons[],
                        size_t count, struct counter *counters[])
{
    char text[NAME_MAX_BYTES];
    name(stats, what, text);
    for (size_t i = 0; i < count; i++)
        counters[i] = metrics_counter(stats->metrics, text, help, "reason",
                                      reasons[i], NULL);
}

static void add_ends(struct http_stats *stats)
{
    static const char *const cuts[HTTP_CUT_COUNT] = {
        [HTTP_CUT_IDLE] = "idle",       [HTTP_CUT_GONE] = "gone",
        [HTTP_CUT_CROWDED] = "crowded", [HTTP_CUT_HEADER] = "header",
        [HTTP_CUT_REQUEST] = "request", [HTTP_CUT_RATE] = "body_rate",
        [HTTP_CUT_SEND] = "send",
    };
    static const char *const refusals[HTTP_REFUSAL_COUNT] = {
        [HTTP_REFUSED_ADDRESS] = "address",
        [HTTP_REFUSED_TOTAL] = "total",
        [HTTP_REFUSED_DESCRIPTORS] = "descriptors",
    };
    add_reasons(stats, "connections_cut_total",
                "Connections the server ended, by reason.", cuts,
                HTTP_CUT_COUNT, stats->cuts);
    add_reasons(stats, "connections_refused_total",
                "Connections not taken, by what there were too many of.",
                refusals, HTTP_REFUSAL_COUNT, stats->refusals);
}

static const char *label_of(const struct http_stats *stats, size_t route)
{
    return route == stats->route_count
               ? "none"
               : stats->server->options.routes[route].path;
}

static double ask_expiry(void *arg)
{
    const struct http_stats *stats = arg;
    return (double)(http_tls_expires_us(stats->server->tls) - clock_wall_us()) /
           1e6;
}

struct http_stats *http_stats_new(struct http_server *s)
{
    if (s->options.metrics == NULL)
        return NULL;
    struct http_stats *stats = xcalloc(1, sizeof *stats);
    stats->server = s;
    stats->metrics = s->options.metrics;
    stats->route_count = s->options.route_count;
    stats->routes = xcalloc(stats->route_count + 1, sizeof *stats->routes);
    name(stats, "requests_total", stats->requests);
    char text[NAME_MAX_BYTES];
    name(stats, "request_seconds", text);
    for (size_t i = 0; i <= stats->route_count; i++)
        stats->routes[i].seconds = metrics_histogram(
            stats->metrics, text, "From request line to answer, in seconds.",
            1e-4, 10, "route", label_of(stats, i), NULL);
    add_gauge(stats, "pending", "Requests not yet answered.", ask_pending);
    add_gauge(stats, "connections", "Open connections.", ask_connections);
    add_gauge(stats, "body_bytes", "Bytes of request bodies held.",
              ask_body_bytes);
    if (s->tls != NULL)
        add_gauge(stats, "tls_certificate_expires_seconds",
                  "Until the certificate expires; negative: it has.",
                  ask_expiry);
    add_ends(stats);
    return stats;
}

void http_stats_free(struct http_stats *stats)
{
    if (stats == NULL)
        return;
    metrics_gauge_fn_end(stats->metrics, stats);
    free(stats->routes);
    free(stats);
}

size_t http_stats_route(const struct http_request *r)
{
    const struct http_options *options = &r->server->options;
    return r->route == NULL ? options->route_count
                            : (size_t)(r->route - options->routes);
}

void http_stats_count(struct http_stats *stats, size_t route, int status,
                      int64_t started_us)
{
    if (stats == NULL)
        return;
    struct counter *_Atomic *slot =
        &stats->routes[route].by_status[status - HTTP_STATUS_MIN];
    struct counter *counter = atomic_load(slot);
    if (counter == NULL) {
        char text[8];
        snprintf(text, sizeof text, "%d", status);
        counter = metrics_counter(stats->metrics, stats->requests,
                                  "HTTP requests answered.", "route",
                                  label_of(stats, route), "status", text, NULL);
        atomic_store(slot, counter);
    }
    counter_add(counter, 1);
    histogram_observe(stats->routes[route].seconds,
                      (double)(clock_mono_us() - started_us) / 1e6);
}

void http_stats_cut(struct http_stats *stats, enum http_cut why)
{
    if (stats != NULL)
        counter_add(stats->cuts[why], 1);
}

void http_stats_refuse(struct http_stats *stats, enum http_refusal why)
{
    if (stats != NULL)
        counter_add(stats->refusals[why], 1);
}
