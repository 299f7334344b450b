/* SPDX-License-Identifier: Apache-2.0 */
#include "common/http_tally.h"

#include <assert.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>

enum { STATUS_MIN = 100, STATUS_MAX = 599, NAME_MAX_BYTES = 64 };

struct answers { /* of one route; counters are made when first needed */
    struct counter *_Atomic by_status[STATUS_MAX - STATUS_MIN + 1];
    struct histogram *seconds;
};

struct http_tally {
    struct metrics *metrics;
    const struct http_route *routes;
    size_t route_count;
    char requests_name[NAME_MAX_BYTES];
    struct gauge *pending;
    struct answers answers[]; /* route_count + 1; the last: no route */
};

static const char *route_label(const struct http_tally *t, size_t route)
{
    return route == t->route_count ? "none" : t->routes[route].path;
}

static void metric_name(const struct http_options *options, const char *what,
                        char name[NAME_MAX_BYTES])
{
    snprintf(name, NAME_MAX_BYTES, "%s_http_%s", options->metrics_prefix, what);
}

struct http_tally *http_tally_new(const struct http_options *options)
{
    if (options->metrics == NULL)
        return NULL;
    size_t count = options->route_count + 1;
    struct http_tally *t = xcalloc(1, sizeof *t + count * sizeof t->answers[0]);
    t->metrics = options->metrics;
    t->routes = options->routes;
    t->route_count = options->route_count;
    char name[NAME_MAX_BYTES];
    metric_name(options, "requests_total", t->requests_name);
    metric_name(options, "pending", name);
    t->pending = metrics_gauge(
        t->metrics, name, "Requests under way, suspended ones included.", NULL);
    metric_name(options, "request_seconds", name);
    for (size_t i = 0; i < count; i++)
        t->answers[i].seconds = metrics_histogram(
            t->metrics, name, "From request line to answer, seconds.", 1e-4, 10,
            "route", route_label(t, i), NULL);
    return t;
}

void http_tally_free(struct http_tally *t)
{
    free(t);
}

static struct counter *counter_of(struct http_tally *t, size_t route,
                                  int status)
{
    struct counter *_Atomic *slot =
        &t->answers[route].by_status[status - STATUS_MIN];
    struct counter *counter = atomic_load(slot);
    if (counter == NULL) { /* two threads get the same one */
        char text[8];
        snprintf(text, sizeof text, "%d", status);
        counter = metrics_counter(t->metrics, t->requests_name,
                                  "HTTP requests answered.", "route",
                                  route_label(t, route), "status", text, NULL);
        atomic_store(slot, counter);
    }
    return counter;
}

void http_tally_answer(struct http_tally *t, size_t route, int status,
                       double seconds)
{
    if (t == NULL)
        return;
    assert(route <= t->route_count && status >= STATUS_MIN &&
           status <= STATUS_MAX);
    counter_add(counter_of(t, route, status), 1);
    histogram_observe(t->answers[route].seconds, seconds);
}

void http_tally_pending(struct http_tally *t, int delta)
{
    if (t != NULL)
        gauge_add(t->pending, delta);
}
