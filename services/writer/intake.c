/* SPDX-License-Identifier: Apache-2.0 */
#include "services/writer/intake.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <unistd.h>

#include "common/clock.h"
#include "common/log.h"
#include "common/pulse/topology.h"
#include "services/writer/intake_state.h"

enum { TICK_MS = 1000, ADMIN_TIMEOUT_MS = 5000, TOPICS_MS = 5000 };

bool intake_checked(struct intake *in, bool ok, struct err *err)
{
    if (!ok && err->kind == ERR_FATAL) {
        service_fail(in->service, err);
    } else if (!ok) {
        log_warn("kafka_refused", LOG_ERR(err));
    }
    return ok;
}

/* ---- the batch ---- */

/* Counted from the last write, not from the batch's first message: what came
 * while that write went on has waited already. */
void intake_age_start(struct intake *in)
{
    int64_t since_ms = (clock_mono_us() - in->written_us) / 1000;
    int64_t left_ms = in->set->batch_age_ms - since_ms;
    loop_timer_set(in->age, left_ms > 0 ? left_ms : 0, 0);
}

void intake_forget(struct intake *in)
{
    loop_timer_cancel(in->age);
    batch_reset(in->batch);
}

static void flush(struct intake *in)
{
    struct err err;
    if (batch_empty(in->batch) || !in->database) {
        intake_forget(in);
        return;
    }
    in->written_us = clock_mono_us();
    if (!store_write(in->store, in->batch, &err)) {
        counter_add(in->stats.failed, 1);
        holding_lost(in, &err);
        return;
    }
    backoff_reset(&in->backoff);
    for (size_t i = 0; i < in->batch->slice_count; i++)
        if (!in->batch->slices[i].held)
            holding_give_up(in, &in->batch->slices[i]);
    intake_forget(in);
}

static bool is_full(const struct intake *in)
{
    return batch_rows(in->batch) >= (size_t)in->set->batch_rows ||
           batch_bytes(in->batch) >= (size_t)in->set->batch_bytes;
}

/* ---- Kafka's events ---- */

static void on_message(struct intake *in, const struct kafka_event *e)
{
    struct partition *p = partitions_find(&in->parts, e->topic, e->part);
    if (p == NULL || !partition_runs(p) || e->offset < p->next)
        return; /* fetched before a pause or seek */
    if (e->offset > p->next)
        log_warn("offsets_missing", LOG_S("topic", topic_names[p->topic]),
                 LOG_I("part", p->part), LOG_I("next", p->next),
                 LOG_I("offset", e->offset));
    if (in->batch->message_count == 0)
        intake_age_start(in);
    struct slice *s =
        batch_slice(in->batch, p->topic, p->part, p->next, p->assignment);
    batch_add(in->batch, s, e);
    p->next = s->next;
}

static void on_assign(struct intake *in, const struct kafka_event *e)
{
    log_info("assigned", LOG_I("partitions", e->part_count));
    for (size_t i = 0; i < e->part_count; i++)
        partitions_add(&in->parts, e->parts[i].topic, e->parts[i].part);
    in->answer_due = true;
    holding_claim_all(in);
}

static void drop_claims(struct intake *in, const struct kafka_event *e)
{
    for (size_t i = 0; i < e->part_count; i++)
        claims_drop(in->claims, e->parts[i].topic, e->parts[i].part);
}

/* What was read goes into the database first, unless others have the partition
 * already: then its claim is dropped before, which keeps its slice out. */
static void on_revoke(struct intake *in, const struct kafka_event *e)
{
    log_info("revoked", LOG_I("partitions", e->part_count),
             LOG_I("lost", e->lost));
    if (e->lost)
        drop_claims(in, e);
    flush(in);
    drop_claims(in, e);
    for (size_t i = 0; i < e->part_count; i++)
        partitions_remove(&in->parts, e->parts[i].topic, e->parts[i].part);
    struct err err;
    bool ok =
        kafka_consumer_unassign(in->consumer, e->parts, e->part_count, &err);
    (void)intake_checked(in, ok, &err);
    in->answer_due = false;
    holding_claim_all(in);
}

/* The position is outside the log: the claim says how, see claim.h. */
static void on_gap(struct intake *in, const struct kafka_event *e)
{
    log_warn("position_outside_log",
             LOG_S("topic", topic_names[e->parts[0].topic]),
             LOG_I("part", e->parts[0].part), LOG_ERR(&e->err));
    flush(in);
    claims_drop(in->claims, e->parts[0].topic, e->parts[0].part);
    struct partition *p =
        partitions_find(&in->parts, e->parts[0].topic, e->parts[0].part);
    if (p != NULL)
        p->claimed = false;
    holding_claim_all(in);
}

static void on_fault(struct intake *in, const struct kafka_event *e)
{
    if (e->err.kind == ERR_FATAL)
        service_fail(in->service, &e->err);
    else
        log_warn("kafka_fault", LOG_ERR(&e->err));
}

static void on_event(struct intake *in, const struct kafka_event *e)
{
    switch (e->kind) {
    case KAFKA_MESSAGE:
        on_message(in, e);
        break;
    case KAFKA_ASSIGN:
        on_assign(in, e);
        break;
    case KAFKA_REVOKE:
        on_revoke(in, e);
        break;
    case KAFKA_GAP:
        on_gap(in, e);
        break;
    case KAFKA_FAULT:
        on_fault(in, e);
        break;
    }
}

/* One batch at most, so that timers and signals have their turn. */
static void poll_events(struct intake *in)
{
    struct kafka_event e;
    while (in->consumer != NULL && kafka_consumer_poll(in->consumer, &e)) {
        on_event(in, &e);
        if (is_full(in)) {
            flush(in);
            loop_timer_set(in->again, 0, 0);
            return;
        }
    }
}

/* ---- in and out of the group ---- */

static void on_readable(void *arg, uint32_t events)
{
    (void)events;
    poll_events(arg);
}

bool intake_join(struct intake *in, struct err *err)
{
    const struct kafka_consumer_options options = {
        .brokers = in->set->shared.kafka_brokers,
        .client_id = "pulse-writer",
        .group = GROUP_WRITER,
        .topics = topic_names,
        .topic_count = TOPIC_COUNT,
        .session_timeout_ms = in->set->session_timeout_ms,
        .max_poll_interval_ms = in->set->max_poll_interval_ms,
        .queue_bytes = in->set->queue_bytes,
    };
    in->consumer = kafka_consumer_new(&options, err);
    if (in->consumer == NULL)
        return false;
    in->readable =
        loop_io_new(service_loop(in->service), kafka_consumer_fd(in->consumer),
                    EPOLLIN, on_readable, in);
    log_info("joining", LOG_S("group", GROUP_WRITER));
    return true;
}

void intake_leave(struct intake *in)
{
    if (in->consumer == NULL)
        return;
    log_info("leaving", LOG_S("group", GROUP_WRITER));
    loop_io_free(in->readable);
    in->readable = NULL;
    kafka_consumer_leave(in->consumer);
    kafka_consumer_free(in->consumer);
    in->consumer = NULL;
    in->answer_due = false;
    in->parts.count = 0;
    claims_drop_all(in->claims);
    intake_forget(in);
}

/* ---- topics made anew ---- */

/* Claims of a topic that has another id now are given up. */
static bool drop_old(struct intake *in, size_t topic, const char *id)
{
    bool any = false;
    for (size_t i = 0; i < in->parts.count; i++) {
        struct partition *p = &in->parts.all[i];
        const struct claim *c = claims_get(in->claims, p->topic, p->part);
        if (p->topic != topic || c == NULL || strcmp(c->topic_id, id) == 0)
            continue;
        if (!any)
            flush(in);
        claims_drop(in->claims, p->topic, p->part);
        p->claimed = false;
        any = true;
    }
    return any;
}

/* A topic deleted and made anew under us may hold messages at our position
 * and before it: no offset is out of range, only its id tells. */
static void look_at_topics(struct intake *in)
{
    struct kafka_topic_info info;
    struct err err;
    int64_t now_us = clock_mono_us();
    if (!in->database || in->consumer == NULL ||
        !kafka_consumer_up(in->consumer) || now_us < in->topics_due_us)
        return;
    bool any = false;
    for (size_t t = 0; t < TOPIC_COUNT; t++) {
        if (!kafka_topic_describe(in->admin, topic_names[t], &info, &err))
            break; /* away, or just being made: the next time */
        any |= drop_old(in, t, info.id);
    }
    /* Brokers that hang are asked less often: nothing else goes on here. */
    int64_t end_us = clock_mono_us(), pause_us = 20 * (end_us - now_us);
    const int64_t least_us = TOPICS_MS * INT64_C(1000);
    in->topics_due_us = end_us + (pause_us > least_us ? pause_us : least_us);
    if (any)
        holding_claim_all(in);
}

/* ---- life ---- */

static void on_tick(void *arg)
{
    struct intake *in = arg;
    int64_t patience_us = in->set->max_poll_interval_ms * 1000 / 2;
    if (!in->database && in->consumer != NULL &&
        clock_mono_us() - in->away_since_us > patience_us)
        intake_leave(in);
    look_at_topics(in);
    poll_events(in); /* at least this often, or the group thinks us dead */
    service_need_set(in->need_kafka,
                     in->consumer != NULL && kafka_consumer_up(in->consumer));
}

static void on_again(void *arg)
{
    poll_events(arg);
}

static void on_age(void *arg)
{
    flush(arg);
}

void intake_drain(void *arg)
{
    struct intake *in = arg;
    if (in->drained)
        return;
    in->drained = true;
    flush(in);
    intake_leave(in);
    loop_timer_cancel(in->again);
    loop_timer_cancel(in->age);
    loop_timer_cancel(in->retry);
    loop_timer_cancel(in->tick);
    service_drained(in->service);
}

static struct claims *make_claims(const struct writer_settings *set)
{
    char owner[300], host[256] = "";
    (void)gethostname(host, sizeof host - 1);
    snprintf(owner, sizeof owner, "%s:%ld", host, (long)getpid());
    return claims_new(&(struct claims_options){
        .table = TABLE_CONSUMER_OFFSET,
        .consumer = GROUP_WRITER,
        .owner = set->owner[0] != '\0' ? set->owner : owner,
        .topics = topic_names});
}

static void make_timers(struct intake *in)
{
    struct loop *loop = service_loop(in->service);
    in->again = loop_timer_new(loop, on_again, in);
    in->age = loop_timer_new(loop, on_age, in);
    in->retry = loop_timer_new(loop, holding_retry, in);
    in->tick = loop_timer_new(loop, on_tick, in);
    loop_timer_set(in->retry, 0, 0);
    loop_timer_set(in->tick, TICK_MS, TICK_MS);
}

/* Everything that talks to the database, none of it connected yet. */
static bool make_parts(struct intake *in, struct err *err)
{
    const struct writer_settings *set = in->set;
    in->pg = pg_new(&(struct pg_options){
        .url = set->shared.postgres_url,
        .application = "pulse-writer",
        .connect_timeout_ms = set->connect_timeout_ms,
        .statement_timeout_ms = set->statement_timeout_ms});
    in->claims = make_claims(set);
    in->series = series_new((size_t)set->series_cache, &in->stats);
    in->batch = batch_new(
        &(struct batch_options){.series = in->series,
                                .telemetry_series = set->telemetry_series},
        err);
    in->store = store_new(
        &(struct store_options){.series_seen = (size_t)set->series_cache,
                                .devices_seen = (size_t)set->devices_seen},
        in->pg, in->claims, &in->stats);
    in->admin = kafka_admin_new(set->shared.kafka_brokers, "pulse-writer",
                                ADMIN_TIMEOUT_MS, err);
    return in->batch != NULL && in->admin != NULL;
}

struct intake *intake_new(const struct writer_settings *settings,
                          struct service *service, struct err *err)
{
    AUTO(intake) in = xcalloc(1, sizeof *in);
    in->set = settings;
    in->service = service;
    in->backoff = (struct backoff){.first_ms = 100, .max_ms = 5000};
    in->away_since_us = clock_mono_us();
    in->need_kafka = service_need(service, "kafka");
    in->need_postgres = service_need(service, "postgres");
    stats_init(&in->stats, service_metrics(service));
    if (!make_parts(in, err))
        return NULL;
    make_timers(in);
    return MOVE(in);
}

void intake_free(struct intake *in)
{
    if (in == NULL)
        return;
    intake_leave(in);
    kafka_admin_free(in->admin);
    partitions_release(&in->parts);
    store_free(in->store);
    batch_free(in->batch);
    series_free(in->series);
    claims_free(in->claims);
    pg_free(in->pg);
    free(in);
}
