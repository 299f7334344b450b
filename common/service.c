/* SPDX-License-Identifier: Apache-2.0 */
#include "common/service.h"

#include <assert.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/clock.h"
#include "common/http.h"
#include "common/log.h"
#include "common/version.h"

enum { NEEDS_MAX = 8, DRAINS_MAX = 8, ADMIN_ROUTES = 4, ALIVE_MS = 30000 };
enum { GUARD_EVERY_MS = 100, GUARD_GRACE_MS = 1000 };

struct service_need {
    struct service *service;
    const char *name;
    _Atomic bool here;
};

struct drain {
    void (*fn)(void *arg);
    void *arg;
};

struct service {
    const char *name;
    int64_t drain_timeout_ms;
    struct loop *loop;
    struct metrics *metrics;
    struct http_route routes[ADMIN_ROUTES];
    struct http_server *admin;
    struct service_need needs[NEEDS_MAX];
    _Atomic int need_count;
    struct drain drains[DRAINS_MAX];
    int drain_count, drained_count;
    _Atomic bool draining, was_ready, stopped;
    struct loop_timer *deadline;
};

/* ---- the admin port ---- */

static void on_metrics(struct http_request *r, void *arg)
{
    struct service *s = arg;
    AUTO_RELEASE(buf) text = {0};
    metrics_write(s->metrics, &text);
    http_reply(r, 200, "text/plain; version=0.0.4; charset=utf-8",
               buf_str(&text));
}

static void on_healthz(struct http_request *r, void *arg)
{
    struct service *s = arg;
    if (loop_idle_ms(s->loop) < ALIVE_MS)
        http_reply(r, 200, "text/plain", STR("ok\n"));
    else
        http_reply(r, 503, "text/plain", STR("the event loop is stuck\n"));
}

static void on_readyz(struct http_request *r, void *arg)
{
    struct service *s = arg;
    AUTO_RELEASE(buf) text = {0};
    if (atomic_load(&s->draining))
        buf_add_text(&text, "draining\n");
    int count = atomic_load(&s->need_count);
    for (int i = 0; i < count; i++)
        if (!atomic_load(&s->needs[i].here))
            buf_addf(&text, "waiting for %s\n", s->needs[i].name);
    if (text.n == 0)
        http_reply(r, 200, "text/plain", STR("ready\n"));
    else
        http_reply(r, 503, "text/plain", buf_str(&text));
}

static void on_version(struct http_request *r, void *arg)
{
    struct service *s = arg;
    AUTO_RELEASE(buf) text = {0};
    buf_addf(&text,
             "{\"service\":\"%s\",\"version\":\"%s\",\"commit\":\"%s\"}\n",
             s->name, version, version_commit);
    http_reply(r, 200, "application/json", buf_str(&text));
}

static struct http_server *admin_new(struct service *s, const char *listen_at,
                                     struct err *err)
{
    const struct http_route routes[ADMIN_ROUTES] = {
        {.method = "GET", .path = "/metrics", .handle = on_metrics, .arg = s},
        {.method = "GET", .path = "/healthz", .handle = on_healthz, .arg = s},
        {.method = "GET", .path = "/readyz", .handle = on_readyz, .arg = s},
        {.method = "GET", .path = "/version", .handle = on_version, .arg = s},
    };
    memcpy(s->routes, routes, sizeof routes);
    struct http_options options = {
        .listen = listen_at,
        .threads = 1,
        .connections_max = 64,
        .idle_timeout_s = 60,
        .request_timeout_s = 10,
        .routes = s->routes,
        .route_count = ADMIN_ROUTES,
    };
    return http_server_new(&options, err);
}

/* ---- readiness ---- */

bool service_ready(const struct service *s)
{
    if (atomic_load(&s->draining))
        return false;
    int count = atomic_load(&s->need_count);
    for (int i = 0; i < count; i++)
        if (!atomic_load(&s->needs[i].here))
            return false;
    return true;
}

bool service_draining(const struct service *s)
{
    return atomic_load(&s->draining);
}

static void tell_ready(struct service *s)
{
    bool ready = service_ready(s);
    if (atomic_exchange(&s->was_ready, ready) == ready)
        return;
    if (ready)
        log_info("ready");
    else if (!service_draining(s))
        log_warn("not_ready");
}

struct service_need *service_need(struct service *s, const char *name)
{
    int i = atomic_load(&s->need_count);
    assert(i < NEEDS_MAX);
    struct service_need *need = &s->needs[i];
    need->service = s;
    need->name = name;
    atomic_store(&s->need_count, i + 1);
    return need;
}

void service_need_set(struct service_need *n, bool here)
{
    if (atomic_exchange(&n->here, here) == here)
        return;
    if (!here)
        log_warn("dependency_away", LOG_S("name", n->name));
    tell_ready(n->service);
}

static double ready_now(void *arg)
{
    return service_ready(arg) ? 1 : 0;
}

/* ---- drain ---- */

/* What is said first counts: a failure is not undone by a drain ending. */
static void stop(struct service *s, int status)
{
    if (!atomic_exchange(&s->stopped, true))
        loop_stop(s->loop, status);
}

static void on_deadline(void *arg)
{
    struct service *s = arg;
    log_error("drain_timeout", LOG_I("timeout_ms", s->drain_timeout_ms));
    stop(s, 1);
}

static void on_terminate(void *arg)
{
    struct service *s = arg;
    if (atomic_exchange(&s->draining, true)) {
        log_warn("second_signal");
        stop(s, 1);
        return;
    }
    log_info("draining");
    tell_ready(s);
    loop_timer_set(s->deadline, s->drain_timeout_ms, 0);
    if (s->drain_count == 0)
        stop(s, 0);
    for (int i = 0; i < s->drain_count; i++)
        s->drains[i].fn(s->drains[i].arg);
}

void service_on_drain(struct service *s, void (*fn)(void *arg), void *arg)
{
    assert(s->drain_count < DRAINS_MAX);
    s->drains[s->drain_count++] = (struct drain){fn, arg};
}

void service_drained(struct service *s)
{
    if (++s->drained_count >= s->drain_count)
        stop(s, 0);
}

void service_fail(struct service *s, const struct err *err)
{
    log_error("failed", LOG_ERR(err));
    stop(s, 1);
}

/* ---- the loop may be stuck ---- */

static bool is_told_to_end(const struct service *s)
{
    sigset_t pending; /* taken by the loop, if it turns */
    sigemptyset(&pending);
    (void)sigpending(&pending);
    return atomic_load(&s->draining) || sigismember(&pending, SIGTERM) == 1 ||
           sigismember(&pending, SIGINT) == 1;
}

/* A server that hangs holds the loop in a call, and so the signal and its
 * deadline. All that matters is a transaction: leaving is safe. */
static void *guard(void *arg)
{
    struct service *s = arg;
    int64_t since_us = clock_mono_us();
    int64_t patience_us =
        (s->drain_timeout_ms + GUARD_GRACE_MS) * INT64_C(1000);
    while (!atomic_load(&s->stopped)) {
        usleep(GUARD_EVERY_MS * 1000);
        if (!is_told_to_end(s)) {
            since_us = clock_mono_us();
        } else if (clock_mono_us() - since_us > patience_us) {
            log_error("stuck", LOG_I("timeout_ms", s->drain_timeout_ms));
            _exit(1);
        }
    }
    return NULL;
}

/* ---- life ---- */

struct service *service_new(const struct service_options *options,
                            struct err *err)
{
    AUTO(service) s = xcalloc(1, sizeof *s);
    s->name = options->name;
    s->drain_timeout_ms = options->drain_timeout_ms;
    s->loop = loop_new();
    s->metrics = metrics_new();
    s->deadline = loop_timer_new(s->loop, on_deadline, s);
    signal(SIGPIPE, SIG_IGN);
    loop_on_signal(s->loop, SIGTERM, on_terminate, s);
    loop_on_signal(s->loop, SIGINT, on_terminate, s);
    gauge_set(metrics_gauge(s->metrics, "pulse_build_info",
                            "Always 1; the labels tell.", "service",
                            options->name, "version", version, "commit",
                            version_commit, NULL),
              1);
    metrics_gauge_fn(s->metrics, "pulse_ready",
                     "1 while /readyz answers 200, else 0.", ready_now, s);
    /* The admin port answers before the parts have told their needs. */
    service_need(s, "start");
    s->admin = admin_new(s, options->admin_listen, err);
    if (s->admin == NULL) {
        err_in(err, "admin port");
        return NULL;
    }
    log_info("started", LOG_S("version", version),
             LOG_I("admin_port", http_server_port(s->admin)));
    return MOVE(s);
}

void service_free(struct service *s)
{
    if (s == NULL)
        return;
    http_server_free(s->admin);
    metrics_free(s->metrics);
    loop_free(s->loop);
    free(s);
}

struct loop *service_loop(struct service *s)
{
    return s->loop;
}

int service_admin_port(const struct service *s)
{
    return http_server_port(s->admin);
}

struct metrics *service_metrics(struct service *s)
{
    return s->metrics;
}

int service_run(struct service *s)
{
    service_need_set(&s->needs[0], true);
    pthread_t guarding;
    int failed = pthread_create(&guarding, NULL, guard, s);
    assert(failed == 0);
    int status = loop_run(s->loop);
    atomic_store(&s->stopped, true);
    failed = pthread_join(guarding, NULL);
    assert(failed == 0);
    /* From here on parts are freed that gauges may still ask. */
    http_server_free(s->admin);
    s->admin = NULL;
    log_info("stopped", LOG_I("status", status));
    return status;
}
