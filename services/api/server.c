/* SPDX-License-Identifier: Apache-2.0 */
#include "services/api/server.h"

#include <stdlib.h>

#include "common/http.h"
#include "common/log.h"
#include "services/api/endpoints.h"
#include "services/api/pool.h"

enum {
    PROBE_MS = 1000,
    PROBE_TIMEOUT_MS = 1000,
    DRAIN_POLL_MS = 20,
    IDLE_TIMEOUT_S = 60,
    REQUEST_TIMEOUT_S = 10,
};

static const struct {
    const char *path;
    endpoint_fn *answer;
} paths[] = {
    {"/api/metrics", metrics_answer},
    {"/api/hosts", hosts_answer},
    {"/api/metrics/{name}/latest", latest_answer},
    {"/api/metrics/{name}", chart_answer},
    {"/api/v1/incidents", incidents_answer},
    {"/api/v1/incidents/{id}", incident_answer},
};

struct server {
    struct service *service;
    struct pool *pool;
    struct http_server *http;
    struct endpoint endpoints[ARRAY_LEN(paths)];
    struct http_route routes[ARRAY_LEN(paths)];
    struct pg *probe_pg;
    struct service_need *postgres;
    bool away_told; /* logged once, not each second */
    struct loop_timer *probe, *drain;
};

static void probe_tick(void *arg)
{
    struct server *s = arg;
    struct err err = {0};
    bool here = pg_connect(s->probe_pg, &err) &&
                pg_do(s->probe_pg, "select 1", NULL, NULL, &err);
    service_need_set(s->postgres, here);
    if (!here && !s->away_told)
        log_warn("database_away", LOG_ERR(&err));
    s->away_told = !here;
}

static void drain_tick(void *arg)
{
    struct server *s = arg;
    if (http_server_pending(s->http) > 0)
        return;
    loop_timer_cancel(s->drain);
    service_drained(s->service);
}

static bool http_open(struct server *s, const struct api_settings *settings,
                      struct err *err)
{
    for (size_t i = 0; i < ARRAY_LEN(paths); i++) {
        s->endpoints[i] = (struct endpoint){s->pool, paths[i].answer};
        s->routes[i] = (struct http_route){
            .method = "GET",
            .path = paths[i].path,
            .handle = pool_take,
            .arg = &s->endpoints[i],
        };
    }
    const struct http_options options = {
        .listen = settings->listen,
        .threads = (int)settings->http_threads,
        .connections_max = (int)settings->connections_max,
        .connections_per_address_max =
            (int)settings->connections_per_address_max,
        .idle_timeout_s = IDLE_TIMEOUT_S,
        .request_timeout_s = REQUEST_TIMEOUT_S,
        .routes = s->routes,
        .route_count = ARRAY_LEN(paths),
        .metrics = service_metrics(s->service),
        .metrics_prefix = "pulse_api",
    };
    s->http = http_server_new(&options, err);
    return s->http != NULL;
}

struct server *server_new(struct service *service,
                          const struct api_settings *settings, struct err *err)
{
    AUTO(server) s = xcalloc(1, sizeof *s);
    struct loop *loop = service_loop(service);
    const struct pg_options options = {
        .url = settings->shared.postgres_url,
        .application = "pulse-api-probe",
        .connect_timeout_ms = PROBE_TIMEOUT_MS,
        .statement_timeout_ms = PROBE_TIMEOUT_MS,
    };
    s->service = service;
    s->probe_pg = pg_new(&options);
    s->postgres = service_need(service, "postgres");
    s->probe = loop_timer_new(loop, probe_tick, s);
    s->drain = loop_timer_new(loop, drain_tick, s);
    s->pool = pool_new(settings, service_metrics(service));
    if (!http_open(s, settings, err))
        return NULL;
    loop_timer_set(s->probe, 0, PROBE_MS);
    return MOVE(s);
}

void server_free(struct server *s)
{
    if (!s)
        return;
    if (s->pool)
        pool_stop(s->pool); /* a passed deadline: answer what is left */
    http_server_free(s->http);
    pool_free(s->pool);
    loop_timer_free(s->probe);
    loop_timer_free(s->drain);
    pg_free(s->probe_pg);
    free(s);
}

void server_drain(void *arg)
{
    struct server *s = arg;
    loop_timer_cancel(s->probe);
    http_server_quiesce(s->http);
    loop_timer_set(s->drain, 0, DRAIN_POLL_MS);
}
