/* SPDX-License-Identifier: Apache-2.0 */
#include "services/writer/intake.h"

#include <stdlib.h>
#include <string.h>

#include "common/clock.h"
#include "common/member.h"
#include "common/pulse/topology.h"
#include "services/writer/store.h"

enum { GAUGES_MS = 500 };
/* A batch that took longer than a statement may is read again half as large,
 * or it would never go in: at least one row in 65,536. */
enum { SHRINK_MAX = 16 };

struct intake {
    const struct writer_settings *set;
    struct service *service;
    struct stats stats;
    struct member *member;
    struct series *series;
    struct batch *batch;
    struct store *store;
    int64_t written_us;     /* when the last write of a batch began */
    int shrink;             /* batches are 2^shrink times smaller */
    struct loop_timer *age; /* of the open batch */
    struct loop_timer *gauges;
    bool drained;
};

/* ---- the batch ---- */

/* Counted from the last write, not from the batch's first message: what came
 * while that write went on has waited already. */
static void start_age(struct intake *in)
{
    int64_t since_ms = (clock_mono_us() - in->written_us) / 1000;
    int64_t left_ms = in->set->batch_age_ms - since_ms;
    loop_timer_set(in->age, left_ms > 0 ? left_ms : 0, 0);
}

static void forget(void *arg)
{
    struct intake *in = arg;
    loop_timer_cancel(in->age);
    batch_reset(in->batch);
}

static void flush(void *arg)
{
    struct intake *in = arg;
    struct err err;
    if (batch_empty(in->batch) || !member_has_database(in->member)) {
        forget(in);
        return;
    }
    in->written_us = clock_mono_us();
    if (!store_write(in->store, in->batch, &err)) {
        if (strcmp(pg_sqlstate(member_pg(in->member)), "57014") == 0)
            in->shrink += in->shrink < SHRINK_MAX;
        member_lost(in->member, &err);
        return;
    }
    in->shrink -= in->shrink > 0;
    member_worked(in->member);
    for (size_t i = 0; i < in->batch->slice_count; i++) {
        const struct slice *s = &in->batch->slices[i];
        if (!s->held)
            member_give_up(in->member, s->topic, s->part);
    }
    forget(in);
}

static bool has_room(void *arg)
{
    const struct intake *in = arg;
    size_t rows = (size_t)in->set->batch_rows >> in->shrink;
    return batch_rows(in->batch) < (rows > 0 ? rows : 1) &&
           batch_bytes(in->batch) < (size_t)in->set->batch_bytes;
}

/* ---- the member's callbacks ---- */

/* What the log no longer has is moved over, and counted, by the batch. */
static bool on_claimed(void *arg, struct member_part *p, const struct claim *c,
                       struct err *err)
{
    struct intake *in = arg;
    (void)err;
    if (c->gap == 0)
        return true;
    struct slice *s =
        batch_slice(in->batch, p->topic, p->part, c->next, p->assignment);
    batch_gap(s, p->next);
    start_age(in);
    return true;
}

static void on_message(void *arg, const struct member_part *p,
                       const struct kafka_event *e)
{
    struct intake *in = arg;
    if (in->batch->message_count == 0)
        start_age(in);
    struct slice *s =
        batch_slice(in->batch, p->topic, p->part, p->next, p->assignment);
    batch_add(in->batch, s, e);
}

static void on_polled(void *arg)
{
    struct intake *in = arg;
    if (!has_room(in))
        flush(in);
}

static const struct member_ops ops = {
    .claimed = on_claimed,
    .room = has_room,
    .message = on_message,
    .polled = on_polled,
    .flush = flush,
    .forget = forget,
};

/* ---- how far it is ---- */

static void on_gauges(void *arg)
{
    struct intake *in = arg;
    int64_t behind[TOPICS_MAX] = {0};
    for (size_t i = 0; i < member_count(in->member); i++) {
        const struct member_part *p = member_at(in->member, i);
        behind[p->topic] += member_behind(in->member, p);
    }
    for (size_t t = 0; t < in->stats.topics; t++)
        gauge_set(in->stats.lag_messages[t], (double)behind[t]);
    gauge_set(in->stats.assigned, (double)member_count(in->member));
    gauge_set(in->stats.held, (double)member_held(in->member));
}

/* ---- life ---- */

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
    member_stop(in->member);
    loop_timer_cancel(in->age);
    loop_timer_cancel(in->gauges);
    service_drained(in->service);
}

static bool make_member(struct intake *in, struct err *err)
{
    const struct settings *shared = &in->set->shared;
    const struct settings_consumer *set = &in->set->consumer;
    in->member = member_new(
        &(struct member_options){
            .brokers = shared->kafka_brokers,
            .postgres_url = shared->postgres_url,
            .client_id = "pulse-writer",
            .group = GROUP_WRITER,
            .offsets = TABLE_CONSUMER_OFFSET,
            .owner = set->owner,
            .topics = in->set->topics.names,
            .topic_count = in->set->topics.count,
            .session_timeout_ms = set->session_timeout_ms,
            .max_poll_interval_ms = set->max_poll_interval_ms,
            .queue_bytes = set->queue_bytes,
            .connect_timeout_ms = set->connect_timeout_ms,
            .statement_timeout_ms = set->statement_timeout_ms},
        in->service, &ops, in, err);
    return in->member != NULL;
}

static bool make_parts(struct intake *in, struct err *err)
{
    const struct writer_settings *set = in->set;
    in->series = series_new((size_t)set->series_cache, &in->stats);
    in->batch = batch_new(
        &(struct batch_options){.series = in->series,
                                .topics = &set->topics,
                                .raw_tenant = set->raw_tenant,
                                .telemetry_series = set->telemetry_series},
        err);
    if (in->batch == NULL || !make_member(in, err))
        return false;
    in->store = store_new(
        &(struct store_options){.series_seen = (size_t)set->series_cache,
                                .devices_seen = (size_t)set->devices_seen},
        member_pg(in->member), member_claims(in->member), &in->stats);
    in->age = loop_timer_new(service_loop(in->service), on_age, in);
    in->gauges = loop_timer_new(service_loop(in->service), on_gauges, in);
    loop_timer_set(in->gauges, GAUGES_MS, GAUGES_MS);
    return true;
}

struct intake *intake_new(const struct writer_settings *settings,
                          struct service *service, struct err *err)
{
    AUTO(intake) in = xcalloc(1, sizeof *in);
    in->set = settings;
    in->service = service;
    stats_init(&in->stats, service_metrics(service), &settings->topics);
    if (!make_parts(in, err))
        return NULL;
    return MOVE(in);
}

void intake_free(struct intake *in)
{
    if (in == NULL)
        return;
    store_free(in->store);
    member_free(in->member);
    batch_free(in->batch);
    series_free(in->series);
    free(in);
}
