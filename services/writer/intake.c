/* SPDX-License-Identifier: Apache-2.0 */
#include "services/writer/intake.h"

#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>

#include "common/clock.h"
#include "common/member.h"
#include "common/pulse/topology.h"
#include "services/writer/pen.h"

enum { GAUGES_MS = 500 };
/* A batch that took longer than a statement may is read again half as large,
 * or it would never go in: at least one row in 65,536. */
enum { SHRINK_MAX = 16 };

/*
 * Two batches take turns: the loop fills one (open) while the pen writes the
 * other. The connection and the claims are the pen's while it has a batch; the
 * series cache is the loop's, and learns what a batch found out when the batch
 * is back. When a batch fails the one being filled is forgotten with it
 * (member_lost), since its offsets follow those that were not committed.
 */
struct intake {
    const struct writer_settings *set;
    struct service *service;
    struct stats stats;
    struct member *member;
    struct series *series;
    uint64_t series_of;         /* the pg_generation its numbers are of */
    struct batch *open, *spare; /* spare: NULL while the pen has it */
    struct store *store;
    struct pen *pen;
    struct loop_io *through; /* the pen is done with a batch */
    int64_t written_us;      /* when the last write of a batch began */
    int shrink;              /* batches are 2^shrink times smaller */
    struct loop_timer *age;  /* of the open batch */
    bool due;                /* that time is over */
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
    in->due = false;
    batch_reset(in->open);
}

static bool has_room(void *arg)
{
    const struct intake *in = arg;
    size_t rows = (size_t)in->set->batch_rows >> in->shrink;
    return batch_rows(in->open) < (rows > 0 ? rows : 1) &&
           batch_bytes(in->open) < (size_t)in->set->batch_bytes;
}

/* Hands the open batch to the pen, which must have none. */
static void hand_over(struct intake *in)
{
    struct batch *b = in->open;
    if (batch_empty(b) || !member_has_database(in->member)) {
        forget(in);
        return;
    }
    in->written_us = clock_mono_us();
    loop_timer_cancel(in->age);
    in->due = false;
    in->open = in->spare;
    in->spare = NULL;
    pen_write(in->pen, b);
}

/* Partitions others have claimed are given up. */
static void give_up_lost(struct intake *in, const struct batch *b)
{
    for (size_t i = 0; i < b->slice_count; i++) {
        const struct slice *s = &b->slices[i];
        if (!s->held)
            member_give_up(in->member, s->topic, s->part);
    }
}

/* Takes the batch back, waiting for it, as the spare one, not reset. If it
 * failed, what was read meanwhile is forgotten too. */
static struct batch *take_back(struct intake *in)
{
    struct err err;
    bool ok;
    struct batch *b = in->spare = pen_take(in->pen, &ok, &err);
    if (ok) {
        in->shrink -= in->shrink > 0;
        member_worked(in->member);
        give_up_lost(in, b);
    } else {
        if (strcmp(pg_sqlstate(member_pg(in->member)), "57014") == 0)
            in->shrink += in->shrink < SHRINK_MAX;
        member_lost(in->member, &err);
    }
    return b;
}

static void settle(void *arg)
{
    struct intake *in = arg;
    if (pen_has(in->pen))
        batch_reset(take_back(in));
}

static void flush(void *arg)
{
    settle(arg);
    hand_over(arg);
    settle(arg);
}

/* ---- the member's callbacks ---- */

/* Nothing is in flight. */
static bool on_connected(void *arg, struct pg *pg, struct err *err)
{
    struct intake *in = arg;
    (void)err;
    if (in->series_of != pg_generation(pg))
        series_forget(in->series);
    in->series_of = pg_generation(pg);
    return true;
}

static void on_gap(void *arg, const struct claim *c)
{
    struct intake *in = arg;
    counter_add(c->recreated       ? in->stats.gaps_recreated
                : c->truncated > 0 ? in->stats.gaps_truncated
                                   : in->stats.gaps_expired,
                1);
}

/* What the log no longer has is moved over, and counted, by the batch. */
static bool on_claimed(void *arg, struct member_part *p, const struct claim *c,
                       struct err *err)
{
    struct intake *in = arg;
    (void)err;
    if (c->gap == 0)
        return true;
    struct slice *s =
        batch_slice(in->open, p->topic, p->part, c->next, p->assignment);
    batch_gap(s, p->next);
    start_age(in);
    return true;
}

static void on_message(void *arg, const struct member_part *p,
                       const struct kafka_event *e)
{
    struct intake *in = arg;
    if (in->open->message_count == 0)
        start_age(in);
    struct slice *s =
        batch_slice(in->open, p->topic, p->part, p->next, p->assignment);
    batch_add(in->open, s, e);
}

static void on_polled(void *arg)
{
    struct intake *in = arg;
    if (has_room(in))
        return;
    if (pen_has(in->pen))
        store_sort(in->open); /* there is time for it now */
    else
        hand_over(in);
}

static const struct member_ops ops = {
    .connected = on_connected,
    .gap_found = on_gap,
    .claimed = on_claimed,
    .room = has_room,
    .message = on_message,
    .polled = on_polled,
    .flush = flush,
    .settle = settle,
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
    gauge_set(in->stats.on_hold, (double)member_on_hold(in->member));
}

/* ---- life ---- */

static void on_age(void *arg)
{
    struct intake *in = arg;
    in->due = true;
    if (!pen_has(in->pen))
        hand_over(in);
}

/* The next one may have waited for this, and goes first: PostgreSQL has
 * nothing to do meanwhile. So may Kafka's messages. */
static void on_through(void *arg, uint32_t events)
{
    struct intake *in = arg;
    (void)events;
    if (!pen_has(in->pen))
        return;
    struct batch *b = take_back(in);
    if (in->due || !has_room(in))
        hand_over(in);
    batch_reset(b);
    if (!in->drained)
        member_poll(in->member);
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
    struct member_options options =
        settings_member(&in->set->shared, &in->set->consumer);
    options.client_id = "pulse-writer";
    options.group = GROUP_WRITER;
    options.hold = strcmp(in->set->on_gap, "hold") == 0;
    options.topics = in->set->topics.names;
    options.topic_count = in->set->topics.count;
    in->member = member_new(&options, in->service, &ops, in, err);
    return in->member != NULL;
}

static bool make_parts(struct intake *in, struct err *err)
{
    const struct writer_settings *set = in->set;
    in->series = series_new((size_t)set->series_cache, &in->stats);
    const struct batch_options options = {.series = in->series,
                                          .topics = &set->topics,
                                          .raw_tenant = set->raw_tenant,
                                          .telemetry_series =
                                              set->telemetry_series};
    in->open = batch_new(&options, err);
    in->spare = in->open == NULL ? NULL : batch_new(&options, err);
    if (in->spare == NULL || !make_member(in, err))
        return false;
    in->store = store_new(
        &(struct store_options){.series_seen = (size_t)set->series_cache,
                                .devices_seen = (size_t)set->devices_seen},
        member_pg(in->member), member_claims(in->member), &in->stats);
    in->pen = pen_new(in->store);
    in->through = loop_io_new(service_loop(in->service), pen_fd(in->pen),
                              EPOLLIN, on_through, in);
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
    if (in->through != NULL)
        loop_io_free(in->through);
    if (in->pen != NULL)
        settle(in);
    pen_free(in->pen);
    store_free(in->store);
    member_free(in->member);
    batch_free(in->open);
    batch_free(in->spare);
    series_free(in->series);
    free(in);
}
