/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A partition just claimed has its states loaded, and reading starts at
 * replay_from: below next messages only rebuild histories. When the database
 * fails everything in memory is given up and replayed later: see member.h.
 */
#include "services/evaluator/intake.h"

#include <stdlib.h>

#include "common/clock.h"
#include "common/log.h"
#include "common/member.h"
#include "common/pulse/topology.h"
#include "services/evaluator/effects.h"
#include "services/evaluator/partition.h"
#include "services/evaluator/recall.h"
#include "services/evaluator/rules.h"

enum { TICK_MS = 100, RECORD_BLOCK = 64 * 1024 };
/* 9999-12-31: beyond it nothing can be written as RFC 3339. */
static const int64_t time_max_us = INT64_C(253402300799999999);

struct intake {
    const struct evaluator_settings *set;
    struct service *service;
    struct stats stats;
    void (*on_commit)(void *arg);
    void *on_commit_arg;

    struct member *member; /* its parts' states are struct partition */
    struct rules *rules;
    int64_t rules_seen_us;
    struct batch batch;
    struct budget budget;
    struct record_codec *codec;
    struct arena *record_memory;
    int64_t committed_us; /* monotonic */
    struct loop_timer *tick;
    bool stopped;
};

/* NULL: not claimed. */
static struct partition *partition_at(const struct intake *in, size_t i)
{
    return member_at(in->member, i)->state;
}

/* ---- committing ---- */

static bool has_moved(const struct intake *in)
{
    const struct claims *claims = member_claims(in->member);
    for (size_t i = 0; i < in->batch.move_count; i++) {
        const struct claim_move *m = &in->batch.moves[i];
        const struct claim *c = claims_get(claims, m->topic, m->part);
        if (c && (c->next != m->next || c->replay_from != m->replay_from))
            return true;
    }
    return false;
}

static void give_up_lost(struct intake *in)
{
    const struct claims *claims = member_claims(in->member);
    for (size_t i = 0; i < in->batch.move_count; i++) {
        const struct claim_move *m = &in->batch.moves[i];
        if (m->held || !claims_get(claims, m->topic, m->part))
            continue;
        log_warn("partition_lost", LOG_S("topic", topic_names[m->topic]),
                 LOG_I("part", m->part));
        counter_add(in->stats.slices_lost, 1);
        member_give_up(in->member, m->topic, m->part);
    }
}

static bool write_batch(struct intake *in)
{
    int64_t began_us = clock_mono_us();
    bool told = in->batch.transition_count > 0;
    struct err err;
    if (!effects_commit(&in->batch, member_pg(in->member),
                        member_claims(in->member), &err)) {
        counter_add(in->stats.batches_failed, 1);
        member_lost(in->member, &err);
        return false;
    }
    member_worked(in->member);
    counter_add(in->stats.batches, 1);
    in->committed_us = clock_mono_us();
    histogram_observe(in->stats.batch_seconds,
                      (double)(in->committed_us - began_us) / 1e6);
    give_up_lost(in);
    if (told)
        in->on_commit(in->on_commit_arg);
    return true;
}

static bool commit(struct intake *in)
{
    if (!member_has_database(in->member))
        return false;
    for (size_t i = 0; i < member_count(in->member); i++) {
        if (partition_at(in, i))
            partition_close(partition_at(in, i), &in->batch);
    }
    bool ok = true;
    if (has_moved(in) || batch_has_effects(&in->batch))
        ok = write_batch(in);
    batch_reset(&in->batch);
    return ok;
}

/* A boundary between batches: changed rules begin here. */
static void activate_rules(struct intake *in)
{
    struct ruleset *rules = rules_current(in->rules);
    for (size_t i = 0; i < member_count(in->member); i++) {
        struct partition *p = partition_at(in, i);
        if (p && partition_live(p) && partition_rules(p) != rules)
            partition_activate(p, rules, &in->batch);
    }
    if (batch_has_effects(&in->batch))
        (void)commit(in);
    else
        batch_reset(&in->batch);
}

static void commit_if_due(struct intake *in)
{
    bool urgent = batch_has_effects(&in->batch);
    int64_t age_us = clock_mono_us() - in->committed_us;
    if (!urgent && age_us < in->set->commit_interval_ms * 1000)
        return;
    if (commit(in))
        activate_rules(in);
}

/* ---- messages ---- */

static bool time_ok(int64_t us)
{
    return us >= 0 && us <= time_max_us;
}

static void take_metric(struct intake *in, struct partition *p, int64_t offset,
                        const struct metric_record *m)
{
    const struct series_id id = {m->tenant_id, m->name, m->labels,
                                 m->label_count};
    const struct sample s = {m->time_us, m->received_at_us, offset, m->value};
    partition_sample(p, &id, &s, &in->batch);
}

/* Numeric fields are samples, as in the store. */
static void take_telemetry(struct intake *in, struct partition *p,
                           int64_t offset, const struct telemetry_record *t)
{
    const struct label labels[] = {{STR("device_id"), t->device_id},
                                   {STR("site_id"), t->site_id}};
    for (size_t i = 0; i < t->metric_count; i++) {
        const struct field *f = &t->metrics[i];
        if (f->type != FIELD_REAL && f->type != FIELD_INTEGER)
            continue;
        const struct series_id id = {t->tenant_id, f->name, labels,
                                     t->site_id.p ? 2 : 1};
        const struct sample s = {t->time_us, t->received_at_us, offset,
                                 f->type == FIELD_REAL ? f->real
                                                       : (double)f->integer};
        partition_sample(p, &id, &s, &in->batch);
    }
}

/* INT64_MIN: the message could not be read, or is none of its topic: the writer
 * stores no such message, so none may page. */
static int64_t take_record(struct intake *in, struct partition *p,
                           const struct kafka_event *e)
{
    struct record r;
    struct err err;
    int64_t received_us = INT64_MIN;
    if (record_decode(in->codec, e->payload, in->record_memory, &r, &err)) {
        bool metric = r.kind == RECORD_METRIC && e->topic == AT_METRICS;
        bool telemetry = r.kind == RECORD_TELEMETRY && e->topic == AT_TELEMETRY;
        if (metric && time_ok(r.metric.time_us) &&
            time_ok(r.metric.received_at_us)) {
            received_us = r.metric.received_at_us;
            take_metric(in, p, e->offset, &r.metric);
        } else if (telemetry && time_ok(r.telemetry.time_us) &&
                   time_ok(r.telemetry.received_at_us)) {
            received_us = r.telemetry.received_at_us;
            take_telemetry(in, p, e->offset, &r.telemetry);
        }
    }
    arena_reset(in->record_memory);
    return received_us;
}

/* ---- the member's callbacks ---- */

static bool on_connected(void *arg, struct pg *pg, struct err *err)
{
    struct intake *in = arg;
    return pg_do(pg, "LISTEN pulse_rules", NULL, NULL, err) &&
           rules_refresh(in->rules, pg, err);
}

static struct partition *partition_of(struct intake *in,
                                      const struct member_part *at,
                                      const struct claim *c)
{
    const struct evaluator_settings *set = in->set;
    return partition_new(&(struct partition_options){
        .place = {c->topic, c->part},
        .next = at->next,
        /* Below the log's start there is nothing to replay. */
        .replay_from = c->gap > 0 ? at->next : c->replay_from,
        .kept_max = (size_t)set->history_max,
        .staleness_us = set->staleness_ms * 1000,
        .keep_us = set->replay_ms * 1000,
        .forget_us = set->forget_ms * 1000,
        .budget = &in->budget,
        .stats = &in->stats,
    });
}

static bool on_claimed(void *arg, struct member_part *at, const struct claim *c,
                       struct err *err)
{
    struct intake *in = arg;
    AUTO(partition) p = partition_of(in, at, c);
    if (!recall(member_pg(in->member), p, c->recreated || c->truncated > 0,
                err))
        return false;
    partition_activate(p, rules_current(in->rules), &in->batch);
    at->next = partition_next(p);
    at->state = MOVE(p);
    return true;
}

static void on_dropped(void *arg, struct member_part *at)
{
    (void)arg;
    partition_free(at->state);
}

static void on_gap(void *arg, const struct claim *c)
{
    struct intake *in = arg;
    counter_add(c->recreated       ? in->stats.gaps_recreated
                : c->truncated > 0 ? in->stats.gaps_truncated
                                   : in->stats.gaps_expired,
                1);
}

static bool on_skip(void *arg, struct member_part *at, int64_t first)
{
    struct intake *in = arg;
    size_t before = in->batch.gap_count;
    partition_skip(at->state, first, &in->batch);
    counter_add(in->stats.gaps_expired, in->batch.gap_count - before);
    return true;
}

static void on_message(void *arg, const struct member_part *at,
                       const struct kafka_event *e)
{
    struct intake *in = arg;
    struct partition *p = at->state;
    bool live = partition_live(p);
    int64_t received_us = take_record(in, p, e);
    partition_message(p, e->offset, received_us);
    counter_add(live ? in->stats.messages : in->stats.replayed, 1);
    if (received_us == INT64_MIN)
        counter_add(in->stats.undecodable, 1);
    else
        gauge_set(in->stats.lag_seconds,
                  (double)(clock_wall_us() - received_us) / 1e6);
}

static void on_polled(void *arg)
{
    commit_if_due(arg);
}

static void on_flush(void *arg)
{
    (void)commit(arg);
}

static void on_forget(void *arg)
{
    struct intake *in = arg;
    batch_reset(&in->batch);
}

static const struct member_ops ops = {
    .connected = on_connected,
    .gap_found = on_gap,
    .claimed = on_claimed,
    .dropped = on_dropped,
    .skip = on_skip,
    .message = on_message,
    .polled = on_polled,
    .flush = on_flush,
    .forget = on_forget,
};

/* ---- life ---- */

static void look_at_rules(struct intake *in)
{
    int64_t now_us = clock_mono_us();
    struct pg *pg = member_pg(in->member);
    bool told = false;
    while (pg_notified(pg, NULL))
        told = true;
    if (!told && now_us - in->rules_seen_us < in->set->rules_interval_ms * 1000)
        return;
    in->rules_seen_us = now_us;
    struct err err;
    if (!rules_refresh(in->rules, pg, &err)) {
        member_lost(in->member, &err);
        return;
    }
    bool stale = false;
    for (size_t i = 0; i < member_count(in->member); i++) {
        const struct partition *p = partition_at(in, i);
        stale |= p && partition_rules(p) != rules_current(in->rules);
    }
    if (stale && commit(in))
        activate_rules(in);
}

static void show(struct intake *in)
{
    size_t sleeping = 0;
    for (size_t i = 0; i < member_count(in->member); i++) {
        if (partition_at(in, i))
            sleeping += partition_sleeping(partition_at(in, i));
    }
    gauge_set(in->stats.sleeping, (double)sleeping);
    gauge_set(in->stats.instances, (double)in->budget.used - (double)sleeping);
}

static void on_tick(void *arg)
{
    struct intake *in = arg;
    if (member_has_database(in->member))
        look_at_rules(in);
    commit_if_due(in);
    show(in);
}

void intake_stop(struct intake *in)
{
    if (in->stopped)
        return;
    in->stopped = true;
    member_stop(in->member);
    loop_timer_cancel(in->tick);
}

static bool make_member(struct intake *in, struct err *err)
{
    struct member_options options =
        settings_member(&in->set->shared, &in->set->consumer);
    options.client_id = "pulse-evaluator";
    options.group = GROUP_EVALUATOR;
    options.topics = topic_names;
    options.topic_count = EVALUATOR_TOPICS;
    in->member = member_new(&options, in->service, &ops, in, err);
    return in->member != NULL;
}

/* Everything that talks to the world, none of it connected yet. */
static bool make_parts(struct intake *in, struct err *err)
{
    in->rules = rules_new(in->set->lateness_ms * 1000, &in->stats);
    batch_init(&in->batch);
    in->record_memory = arena_new(RECORD_BLOCK);
    in->codec = record_codec_new(err);
    return in->codec && make_member(in, err);
}

struct intake *intake_new(const struct evaluator_settings *settings,
                          struct service *service, void (*on_commit)(void *arg),
                          void *arg, struct err *err)
{
    AUTO(intake) in = xcalloc(1, sizeof *in);
    in->set = settings;
    in->service = service;
    in->on_commit = on_commit;
    in->on_commit_arg = arg;
    in->budget.max = settings->instances_max;
    stats_init(&in->stats, service_metrics(service));
    if (!make_parts(in, err))
        return NULL;
    in->tick = loop_timer_new(service_loop(service), on_tick, in);
    loop_timer_set(in->tick, TICK_MS, TICK_MS);
    return MOVE(in);
}

void intake_free(struct intake *in)
{
    if (!in)
        return;
    member_free(in->member);
    record_codec_free(in->codec);
    arena_free(in->record_memory);
    batch_release(&in->batch);
    rules_free(in->rules);
    free(in);
}
