/* SPDX-License-Identifier: Apache-2.0 */
#include "services/ingest/watch.h"

#include <stdlib.h>
#include <sys/epoll.h>

#include "common/clock.h"
#include "common/log.h"

enum {
    LOOK_MS = 200,
    DRAIN_LOOK_MS = 10,
    /* A shorter absence is a reconnect: requests wait it out. */
    AWAY_US = 1000000,
};

struct watch {
    struct watch_options with;
    struct service_need *kafka;
    struct loop_io *reports;
    struct loop_timer *look, *drain;
    int64_t up_us; /* clock_mono_us when Kafka was last up; 0: never */
    bool away;
};

static void reports_serve(void *arg, uint32_t events)
{
    struct watch *w = arg;

    (void)events;
    edge_serve_reports(w->with.edge);
}

static void away_set(struct watch *w, bool away)
{
    if (w->away == away)
        return;
    w->away = away;
    edge_refuse(w->with.edge, away);
    service_need_set(w->kafka, !away);
    if (away)
        log_warn("kafka_away");
    else
        log_info("kafka_here");
}

static void kafka_look(void *arg)
{
    struct watch *w = arg;
    struct err err = {0};
    int64_t now_us = clock_mono_us();

    if (kafka_producer_broken(w->with.producer, &err)) {
        service_fail(w->with.service, &err);
        return;
    }
    bool up = kafka_producer_up(w->with.producer);
    if (up)
        w->up_us = now_us;
    if (up || now_us - w->up_us > AWAY_US)
        away_set(w, !up);
}

static void drain_look(void *arg)
{
    struct watch *w = arg;

    if (pendings_count(w->with.pendings) == 0)
        service_drained(w->with.service);
}

static void drain_begin(void *arg)
{
    struct watch *w = arg;

    edge_close(w->with.edge);
    kafka_producer_hurry(w->with.producer);
    loop_timer_set(w->drain, 0, DRAIN_LOOK_MS);
}

struct watch *watch_new(const struct watch_options *options)
{
    struct watch *w = xcalloc(1, sizeof *w);
    struct loop *loop = service_loop(options->service);

    w->with = *options;
    w->kafka = service_need(options->service, "kafka");
    w->away = true; /* until seen */
    edge_refuse(options->edge, true);
    w->reports = loop_io_new(loop, kafka_producer_fd(options->producer),
                             EPOLLIN, reports_serve, w);
    w->look = loop_timer_new(loop, kafka_look, w);
    loop_timer_set(w->look, 0, LOOK_MS);
    w->drain = loop_timer_new(loop, drain_look, w);
    service_on_drain(options->service, drain_begin, w);
    return w;
}

void watch_free(struct watch *w)
{
    if (!w)
        return;
    loop_timer_free(w->drain);
    loop_timer_free(w->look);
    loop_io_free(w->reports);
    free(w);
}
