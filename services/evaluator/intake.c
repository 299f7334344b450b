/* SPDX-License-Identifier: Apache-2.0 */
#include "services/evaluator/intake.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <unistd.h>

#include "common/clock.h"
#include "common/log.h"
#include "common/pulse/topology.h"
#include "services/evaluator/effects.h"
#include "services/evaluator/intake_state.h"

enum {
    TICK_MS = 100,
    TOPICS_MS = 5000,
    ADMIN_TIMEOUT_MS = 5000,
    RECORD_BLOCK = 64 * 1024,
};
/* Events handled before timers and signals have their turn. */
enum { EVENTS_MAX = 2000 };
/* 9999-12-31: beyond it nothing can be written as RFC 3339. */
static const int64_t time_max_us = INT64_C(253402300799999999);

bool intake_checked(struct intake *in, bool ok, const struct err *err)
{
    if (!ok && err->kind == ERR_FATAL)
        service_fail(in->service, err);
    else if (!ok)
        log_warn("kafka_refused", LOG_ERR(err));
    return ok;
}

struct seat *intake_seat(struct intake *in, size_t topic, int32_t part)
{
    for (size_t i = 0; i < in->seat_count; i++) {
        if (in->seats[i].topic == topic && in->seats[i].part == part)
            return &in->seats[i];
    }
    return NULL;
}

/* ---- committing ---- */

static bool has_moved(const struct intake *in)
{
    for (size_t i = 0; i < in->batch.move_count; i++) {
        const struct claim_move *m = &in->batch.moves[i];
        const struct claim *c = claims_get(in->claims, m->topic, m->part);
        if (c && (c->next != m->next || c->replay_from != m->replay_from))
            return true;
    }
    return false;
}

static void give_up_lost(struct intake *in)
{
    for (size_t i = 0; i < in->batch.move_count; i++) {
        const struct claim_move *m = &in->batch.moves[i];
        struct seat *s = intake_seat(in, m->topic, m->part);
        if (!m->held && s && s->state)
            holding_give_up(in, s);
    }
}

static bool write_batch(struct intake *in)
{
    int64_t began_us = clock_mono_us();
    bool told = in->batch.transition_count > 0;
    struct err err;
    if (!effects_commit(&in->batch, in->pg, in->claims, &err)) {
        counter_add(in->stats.batches_failed, 1);
        holding_lost(in, &err);
        return false;
    }
    backoff_reset(&in->backoff);
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
    if (!in->database)
        return false;
    for (size_t i = 0; i < in->seat_count; i++) {
        if (in->seats[i].state)
            partition_close(in->seats[i].state, &in->batch);
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
    for (size_t i = 0; i < in->seat_count; i++) {
        struct partition *p = in->seats[i].state;
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

static void on_message(struct intake *in, const struct kafka_event *e)
{
    struct seat *s = intake_seat(in, e->topic, e->part);
    if (!s || !s->state || s->paused || e->offset < partition_next(s->state))
        return; /* fetched before a pause or seek */
    if (e->offset > partition_next(s->state))
        log_warn("offsets_missing", LOG_S("topic", topic_names[s->topic]),
                 LOG_I("part", s->part),
                 LOG_I("next", partition_next(s->state)),
                 LOG_I("offset", e->offset));
    bool live = partition_live(s->state);
    int64_t received_us = take_record(in, s->state, e);
    partition_message(s->state, e->offset, received_us);
    counter_add(live ? in->stats.messages : in->stats.replayed, 1);
    if (received_us == INT64_MIN)
        counter_add(in->stats.undecodable, 1);
    else
        gauge_set(in->stats.lag_seconds,
                  (double)(clock_wall_us() - received_us) / 1e6);
}

/* ---- Kafka's other events ---- */

static void seat_add(struct intake *in, size_t topic, int32_t part)
{
    if (intake_seat(in, topic, part))
        return;
    if (in->seat_count == in->seat_room) {
        in->seat_room = in->seat_room ? in->seat_room * 2 : 32;
        in->seats = xreallocarray(in->seats, in->seat_room, sizeof *in->seats);
    }
    in->seats[in->seat_count++] = (struct seat){.topic = topic, .part = part};
}

static void on_assign(struct intake *in, const struct kafka_event *e)
{
    log_info("assigned", LOG_I("partitions", e->part_count));
    for (size_t i = 0; i < e->part_count; i++)
        seat_add(in, e->parts[i].topic, e->parts[i].part);
    in->answer_due = true;
    holding_claim_all(in);
}

static void drop_all(struct intake *in, const struct kafka_event *e,
                     bool seats_too)
{
    for (size_t i = 0; i < e->part_count; i++) {
        struct seat *s = intake_seat(in, e->parts[i].topic, e->parts[i].part);
        if (!s)
            continue;
        holding_drop(in, s);
        if (seats_too)
            *s = in->seats[--in->seat_count];
    }
}

/* What was read goes into the database first, unless others have the partition
 * already: then it is dropped before, which keeps its effects out. */
static void on_revoke(struct intake *in, const struct kafka_event *e)
{
    log_info("revoked", LOG_I("partitions", e->part_count),
             LOG_I("lost", e->lost));
    if (e->lost)
        drop_all(in, e, false);
    (void)commit(in);
    drop_all(in, e, true);
    struct err err;
    bool ok =
        kafka_consumer_unassign(in->consumer, e->parts, e->part_count, &err);
    (void)intake_checked(in, ok, &err);
    in->answer_due = false;
    holding_claim_all(in);
}

/* The position is outside the log. Where the log begins later, reading goes on
 * there; everything else is for the claim to judge, see claim.h. */
static void on_gap(struct intake *in, const struct kafka_event *e)
{
    struct seat *s = intake_seat(in, e->parts[0].topic, e->parts[0].part);
    if (!s || !s->state)
        return;
    struct kafka_log_range range = {.topic = topic_names[s->topic],
                                    .part = s->part};
    struct kafka_partition at = {s->topic, s->part, 0};
    struct err err;
    int64_t next = partition_next(s->state);
    bool known = kafka_log_ranges(in->admin, &range, 1, &err);
    log_warn("position_outside_log", LOG_S("topic", range.topic),
             LOG_I("part", s->part), LOG_I("next", next),
             LOG_I("log_first", known ? range.first : -1), LOG_ERR(&e->err));
    if (known && range.first > next) {
        partition_skip(s->state, range.first);
        at.offset = range.first;
        if (intake_checked(in, kafka_consumer_seek(in->consumer, &at, 1, &err),
                           &err))
            return;
    }
    (void)commit(in);
    holding_drop(in, s);
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

static void poll_events(struct intake *in)
{
    struct kafka_event e;
    int n = 0;
    while (in->consumer && n < EVENTS_MAX &&
           kafka_consumer_poll(in->consumer, &e)) {
        on_event(in, &e);
        n++;
    }
    if (n == EVENTS_MAX)
        loop_timer_set(in->again, 0, 0);
    commit_if_due(in);
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
        .client_id = "pulse-evaluator",
        .group = GROUP_EVALUATOR,
        .topics = topic_names,
        .topic_count = EVALUATOR_TOPICS,
        .session_timeout_ms = in->set->session_timeout_ms,
        .max_poll_interval_ms = in->set->max_poll_interval_ms,
        .queue_bytes = in->set->queue_bytes,
    };
    in->consumer = kafka_consumer_new(&options, err);
    if (!in->consumer)
        return false;
    in->readable =
        loop_io_new(service_loop(in->service), kafka_consumer_fd(in->consumer),
                    EPOLLIN, on_readable, in);
    log_info("joining", LOG_S("group", GROUP_EVALUATOR));
    return true;
}

void intake_leave(struct intake *in)
{
    for (size_t i = 0; i < in->seat_count; i++)
        holding_drop(in, &in->seats[i]);
    in->seat_count = 0;
    in->answer_due = false;
    batch_reset(&in->batch);
    if (!in->consumer)
        return;
    log_info("leaving", LOG_S("group", GROUP_EVALUATOR));
    loop_io_free(in->readable);
    in->readable = NULL;
    kafka_consumer_leave(in->consumer);
    kafka_consumer_free(in->consumer);
    in->consumer = NULL;
}

/* ---- life ---- */

static void look_at_rules(struct intake *in)
{
    int64_t now_us = clock_mono_us();
    bool told = false;
    while (pg_notified(in->pg, NULL))
        told = true;
    if (!told && now_us - in->rules_seen_us < in->set->rules_interval_ms * 1000)
        return;
    in->rules_seen_us = now_us;
    struct err err;
    if (!rules_refresh(in->rules, in->pg, &err)) {
        holding_lost(in, &err);
        return;
    }
    bool stale = false;
    for (size_t i = 0; i < in->seat_count; i++) {
        const struct partition *p = in->seats[i].state;
        stale |= p && partition_rules(p) != rules_current(in->rules);
    }
    if (stale && commit(in))
        activate_rules(in);
}

/* Claims of a topic that has another id now are given up. */
static bool drop_old(struct intake *in, size_t topic, const char *id)
{
    bool any = false;
    for (size_t i = 0; i < in->seat_count; i++) {
        struct seat *s = &in->seats[i];
        const struct claim *c = claims_get(in->claims, s->topic, s->part);
        if (s->topic != topic || !c || strcmp(c->topic_id, id) == 0)
            continue;
        if (!any && !commit(in))
            return false;
        holding_drop(in, s);
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
    if (!in->database || !in->consumer || !kafka_consumer_up(in->consumer) ||
        now_us < in->topics_due_us)
        return;
    bool any = false;
    for (size_t t = 0; t < EVALUATOR_TOPICS; t++) {
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

static void show(struct intake *in)
{
    size_t sleeping = 0;
    for (size_t i = 0; i < in->seat_count; i++) {
        if (in->seats[i].state)
            sleeping += partition_sleeping(in->seats[i].state);
    }
    gauge_set(in->stats.sleeping, (double)sleeping);
    gauge_set(in->stats.instances, (double)in->budget.used - (double)sleeping);
    service_need_set(in->need_kafka,
                     in->consumer && kafka_consumer_up(in->consumer));
}

static void on_tick(void *arg)
{
    struct intake *in = arg;
    int64_t patience_us = in->set->max_poll_interval_ms * 1000 / 2;
    if (!in->database && in->consumer &&
        clock_mono_us() - in->away_since_us > patience_us)
        intake_leave(in);
    if (in->database)
        look_at_rules(in);
    look_at_topics(in);
    poll_events(in); /* at least this often, or the group thinks us dead */
    show(in);
}

static void on_again(void *arg)
{
    poll_events(arg);
}

void intake_stop(struct intake *in)
{
    if (in->stopped)
        return;
    in->stopped = true;
    (void)commit(in);
    intake_leave(in);
    loop_timer_cancel(in->again);
    loop_timer_cancel(in->retry);
    loop_timer_cancel(in->tick);
}

static struct claims *make_claims(const struct evaluator_settings *set)
{
    char owner[300], host[256] = "";
    (void)gethostname(host, sizeof host - 1);
    snprintf(owner, sizeof owner, "%s:%ld", host, (long)getpid());
    return claims_new(
        &(struct claims_options){.table = TABLE_CONSUMER_OFFSET,
                                 .consumer = GROUP_EVALUATOR,
                                 .owner = set->owner[0] ? set->owner : owner,
                                 .topics = topic_names});
}

static void make_timers(struct intake *in)
{
    struct loop *loop = service_loop(in->service);
    in->again = loop_timer_new(loop, on_again, in);
    in->retry = loop_timer_new(loop, holding_retry, in);
    in->tick = loop_timer_new(loop, on_tick, in);
    loop_timer_set(in->retry, 0, 0);
    loop_timer_set(in->tick, TICK_MS, TICK_MS);
}

/* Everything that talks to the world, none of it connected yet. */
static bool make_parts(struct intake *in, struct err *err)
{
    const struct evaluator_settings *set = in->set;
    in->pg = pg_new(&(struct pg_options){
        .url = set->shared.postgres_url,
        .application = "pulse-evaluator",
        .connect_timeout_ms = set->connect_timeout_ms,
        .statement_timeout_ms = set->statement_timeout_ms});
    in->claims = make_claims(set);
    in->rules = rules_new(set->lateness_ms * 1000, &in->stats);
    batch_init(&in->batch);
    in->record_memory = arena_new(RECORD_BLOCK);
    in->codec = record_codec_new(err);
    in->admin = kafka_admin_new(set->shared.kafka_brokers, "pulse-evaluator",
                                ADMIN_TIMEOUT_MS, err);
    return in->codec && in->admin;
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
    if (!in)
        return;
    intake_leave(in);
    free(in->seats);
    kafka_admin_free(in->admin);
    record_codec_free(in->codec);
    arena_free(in->record_memory);
    batch_release(&in->batch);
    rules_free(in->rules);
    claims_free(in->claims);
    pg_free(in->pg);
    free(in);
}
