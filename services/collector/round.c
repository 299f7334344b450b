/* SPDX-License-Identifier: Apache-2.0 */
#include "services/collector/round.h"

#include <stdlib.h>

#include "common/clock.h"
#include "common/log.h"
#include "services/collector/brokers.h"
#include "services/collector/database.h"
#include "services/collector/host.h"
#include "services/collector/publish.h"
#include "services/collector/scrape.h"

/* Series beside the targets': Kafka's, PostgreSQL's, the host's. */
enum { OWN_SERIES_MAX = 500 };
/* Sizes change slowly, and take a look at every chunk. */
enum { SIZES_EVERY_MS = 300000 };

struct rounds {
    struct service *service;
    const struct collector_settings *settings;
    struct service_need *postgres_need, *kafka_need;
    struct loop_timer *timer;
    struct pg *pg;
    struct pgcopy copy;
    uint64_t leading; /* the connection that holds the lock; 0: none */
    struct samples samples;
    struct scraper *scraper;
    struct brokers *brokers;
    struct host host;
    struct publisher *publisher; /* NULL: switched off */
    struct counter *written, *failed, *dropped;
    struct gauge *leader;
    struct histogram *took;
    uint64_t dropped_before;
    int64_t sizes_due_us;
};

static void fault_log(const char *event, const struct err *err)
{
    log_warn(event, LOG_S("kind", err_kind_name(err->kind)), LOG_ERR(err));
}

static void sizes_measure(struct rounds *r)
{
    struct err err = {0};
    if (clock_mono_us() < r->sizes_due_us)
        return;
    if (!database_measure_sizes(r->pg, &r->samples, &err))
        fault_log("sizes_unmeasured", &err);
    r->sizes_due_us = clock_mono_us() + SIZES_EVERY_MS * INT64_C(1000);
}

/* Everything but PostgreSQL's own answer is optional: what is away is told by
 * up = 0 and by its missing readings. */
static bool round_measure(struct rounds *r, struct err *err)
{
    struct err kafka = {0};
    samples_reset(&r->samples);
    scraper_run(r->scraper, &r->samples);
    host_measure(&r->host, &r->samples);
    if (!database_measure(r->pg, &r->samples, err))
        return false;
    sizes_measure(r);
    bool known = brokers_measure(r->brokers, r->pg, &r->samples, &kafka);
    service_need_set(r->kafka_need, known);
    if (!known)
        fault_log("kafka_unmeasured", &kafka);
    return true;
}

static void round_count(struct rounds *r)
{
    uint64_t dropped = r->samples.dropped + scraper_dropped(r->scraper);
    counter_add(r->written, r->samples.count);
    counter_add(r->dropped, dropped - r->dropped_before);
    r->dropped_before = dropped;
}

/* False without an error: another collector leads. */
static bool round_run(struct rounds *r, struct err *err)
{
    int64_t time_us = clock_wall_us();
    if (!leader_take(r->pg, LEADER_ROUNDS, &r->leading, err) ||
        !round_measure(r, err) ||
        !database_write(r->pg, &r->copy, &r->samples, time_us, err))
        return false;
    if (r->publisher)
        publisher_send(r->publisher, &r->samples, time_us);
    round_count(r);
    return true;
}

/* A collector that only stands by is as ready as the leader. */
static void standby_probe(struct rounds *r)
{
    service_need_set(r->kafka_need, true);
}

static void round_tick(void *arg)
{
    struct rounds *r = arg;
    struct err err = {0};
    int64_t from_us = clock_mono_us();
    bool led = r->leading != 0;
    bool good = round_run(r, &err);
    if (err.kind != ERR_NONE) {
        fault_log("round_failed", &err);
        counter_add(r->failed, 1);
    } else if (!good) {
        standby_probe(r);
    }
    service_need_set(r->postgres_need, err.kind == ERR_NONE);
    if (led != (r->leading != 0))
        log_info("leader_changed", LOG_S("leads", led ? "no" : "yes"));
    gauge_set(r->leader, r->leading != 0);
    histogram_observe(r->took, (double)(clock_mono_us() - from_us) / 1e6);
}

static void metrics_register(struct rounds *r, struct metrics *m)
{
    r->written = metrics_counter(m, "pulse_collector_samples_total",
                                 "Readings written to system_metrics.", NULL);
    r->failed = metrics_counter(m, "pulse_collector_rounds_failed_total",
                                "Rounds that wrote nothing.", NULL);
    r->dropped = metrics_counter(
        m, "pulse_collector_samples_dropped_total",
        "Readings beyond PULSE_COLLECTOR_SERIES_MAX, or unreadable.", NULL);
    r->leader = metrics_gauge(m, "pulse_collector_leader",
                              "1: this collector measures and writes.", NULL);
    r->took = metrics_histogram(m, "pulse_collector_round_seconds",
                                "Time one round took.", 0.001, 100, NULL);
}

static bool parts_open(struct rounds *r, struct err *err)
{
    const struct collector_settings *s = r->settings;
    const char *kafka = s->shared.kafka_brokers;
    size_t series_max = (size_t)s->series_max * s->targets.count;
    struct metrics *metrics = service_metrics(r->service);
    const struct pg_options options = {
        .url = s->shared.postgres_url,
        .application = "pulse-collector",
        .connect_timeout_ms = s->timeout_ms,
        .statement_timeout_ms = s->timeout_ms,
        .writes = true,
    };
    r->pg = pg_new(&options);
    samples_init(&r->samples, series_max + OWN_SERIES_MAX);
    r->scraper = scraper_new(&s->targets, s->timeout_ms, (size_t)s->series_max);
    host_init(&r->host, s->disks);
    metrics_register(r, metrics);
    r->brokers = brokers_new(kafka, s->timeout_ms, err);
    if (!r->brokers)
        return false;
    if (s->publish)
        r->publisher = publisher_new(kafka, r->samples.max * 2,
                                     service_loop(r->service), metrics, err);
    return r->publisher || !s->publish;
}

struct rounds *rounds_new(struct service *service,
                          const struct collector_settings *settings,
                          struct err *err)
{
    AUTO(rounds) r = xcalloc(1, sizeof *r);
    r->service = service;
    r->settings = settings;
    if (!parts_open(r, err))
        return NULL;
    r->postgres_need = service_need(service, "postgres");
    r->kafka_need = service_need(service, "kafka");
    r->timer = loop_timer_new(service_loop(service), round_tick, r);
    loop_timer_set(r->timer, 0, settings->interval_ms);
    return MOVE(r);
}

void rounds_free(struct rounds *r)
{
    if (!r)
        return;
    if (r->timer)
        loop_timer_free(r->timer);
    publisher_free(r->publisher);
    brokers_free(r->brokers);
    scraper_free(r->scraper);
    samples_release(&r->samples);
    pgcopy_release(&r->copy);
    pg_free(r->pg);
    free(r);
}

static void flushed(void *arg)
{
    struct rounds *r = arg;
    service_drained(r->service);
}

void rounds_drain(void *arg)
{
    struct rounds *r = arg;
    loop_timer_cancel(r->timer);
    pg_disconnect(r->pg); /* another collector may lead at once */
    if (r->publisher)
        publisher_drain(r->publisher, flushed, r);
    else
        service_drained(r->service);
}
