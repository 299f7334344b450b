/* SPDX-License-Identifier: Apache-2.0 */
#include "services/ingest/watch.h"

#include <stdlib.h>
#include <sys/epoll.h>

#include "common/backoff.h"
#include "common/clock.h"
#include "common/log.h"

enum {
    LOOK_MS = 200,
    DRAIN_LOOK_MS = 10,
    /* A shorter absence is a reconnect: requests wait it out. */
    AWAY_US = 1000000,
    /* Between rebuilds, where one breaks again and again: growing, but never
     * so long that a cure is not noticed within 5 s. */
    REBUILD_FIRST_MS = 500,
    REBUILD_MAX_MS = 3000,
    /* A producer that lives this long was a success. */
    SETTLED_US = 60000000,
    /* One that follows another that broke soon must first show that it does
     * not: Kafka may answer and yet not let it be a producer. */
    TRIAL_US = 600000,
};

struct watch {
    struct watch_options with;
    struct service_need *kafka;
    struct loop_io *reports;
    struct loop_timer *look, *drain;
    int64_t up_us; /* clock_mono_us when Kafka was last up; 0: never */
    enum kafka_verdict away; /* why; KAFKA_ACKED: it is not */
    struct backoff rebuilding;
    int64_t rebuilt_us, rebuild_us; /* the last, the next not before */
    struct counter *rebuilds;
};

static void away_set(struct watch *w, enum kafka_verdict why)
{
    if (w->away == why)
        return;
    w->away = why;
    edge_refuse(w->with.edge, why);
    service_need_set(w->kafka, why == KAFKA_ACKED);
    if (why == KAFKA_ACKED)
        log_info("kafka_here");
    else
        log_warn("kafka_away", LOG_S("why", kafka_verdict_name(why)));
}

static void producer_rebuild(struct watch *w, const struct err *cause)
{
    struct err err = {0};
    int64_t now_us = clock_mono_us();

    if (now_us < w->rebuild_us)
        return;
    if (now_us - w->rebuilt_us > SETTLED_US)
        backoff_reset(&w->rebuilding);
    w->rebuilt_us = now_us;
    w->rebuild_us = now_us + backoff_next_ms(&w->rebuilding) * INT64_C(1000);
    if (!kafka_producer_rebuild(w->with.producer, &err)) {
        log_error("kafka_producer_not_rebuilt", LOG_ERR(&err));
        return;
    }
    counter_add(w->rebuilds, 1);
    log_error("kafka_producer_rebuilt", LOG_ERR(cause));
}

/* True: the producer was or is broken. Nothing that it took is lost from
 * sight: each record has its report. */
static bool producer_mend(struct watch *w)
{
    struct err cause = {0};

    if (!kafka_producer_broken(w->with.producer, &cause))
        return false;
    enum kafka_verdict why = kafka_producer_outlook(w->with.producer);
    away_set(w, why == KAFKA_ACKED ? KAFKA_REFUSED : why);
    producer_rebuild(w, &cause);
    return true;
}

static void reports_serve(void *arg, uint32_t events)
{
    struct watch *w = arg;

    (void)events;
    edge_serve_reports(w->with.edge);
    producer_mend(w);
}

static bool on_trial(const struct watch *w, int64_t now_us)
{
    return w->rebuilding.attempt > 1 && now_us - w->rebuilt_us < TRIAL_US;
}

static void kafka_look(void *arg)
{
    struct watch *w = arg;
    int64_t now_us = clock_mono_us();

    edge_serve_reports(w->with.edge); /* what a rebuild left behind, too */
    if (producer_mend(w) || on_trial(w, now_us))
        return;
    enum kafka_verdict outlook = kafka_producer_outlook(w->with.producer);
    if (outlook == KAFKA_ACKED)
        w->up_us = now_us;
    if (outlook == KAFKA_ACKED || w->away != KAFKA_ACKED ||
        now_us - w->up_us > AWAY_US)
        away_set(w, outlook);
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
    w->away = KAFKA_REFUSED; /* until seen */
    edge_refuse(options->edge, w->away);
    w->rebuilding = (struct backoff){REBUILD_FIRST_MS, REBUILD_MAX_MS, 0};
    w->rebuilds =
        metrics_counter(service_metrics(options->service),
                        "pulse_ingest_producer_rebuilds_total",
                        "Kafka producers replaced after a fatal error.", NULL);
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
