/* SPDX-License-Identifier: Apache-2.0 */
#include "common/member.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <unistd.h>

#include "common/clock.h"
#include "common/log.h"
#include "common/member_state.h"

enum { TICK_MS = 1000, TOPICS_MS = 5000, ADMIN_TIMEOUT_MS = 5000 };
/* Silent for longer, it was frozen or blocked. */
enum { SILENT_MS = 3 * TICK_MS };
/* Events handled before timers and signals have their turn. */
enum { EVENTS_MAX = 2000 };

bool member_checked(struct member *m, bool ok, const struct err *err)
{
    if (!ok && err->kind == ERR_FATAL)
        service_fail(m->service, err);
    else if (!ok)
        log_warn("kafka_refused", LOG_ERR(err));
    return ok;
}

/* ---- partitions ---- */

struct member_part *member_find(struct member *m, size_t topic, int32_t part)
{
    for (size_t n = 0; n < m->count; n++) {
        size_t i = (m->hint + n) % m->count; /* mostly the first */
        if (m->parts[i].topic == topic && m->parts[i].part == part) {
            m->hint = i;
            return &m->parts[i];
        }
    }
    return NULL;
}

static void part_add(struct member *m, size_t topic, int32_t part)
{
    if (member_find(m, topic, part) != NULL)
        return;
    if (m->count == m->room) {
        m->room = m->room == 0 ? 32 : m->room * 2;
        m->parts = xreallocarray(m->parts, m->room, sizeof *m->parts);
    }
    m->parts[m->count++] = (struct member_part){.topic = topic, .part = part};
}

static void part_remove(struct member *m, size_t topic, int32_t part)
{
    struct member_part *p = member_find(m, topic, part);
    if (p == NULL)
        return;
    member_drop(m, p);
    *p = m->parts[--m->count];
    m->hint = m->turn = 0;
}

size_t member_count(const struct member *m)
{
    return m->count;
}

size_t member_held(const struct member *m)
{
    size_t n = 0;
    for (size_t i = 0; i < m->count; i++)
        n += m->parts[i].claimed;
    return n;
}

int64_t member_behind(const struct member *m, const struct member_part *p)
{
    int64_t end = -1;
    if (m->consumer != NULL && p->claimed)
        end = kafka_consumer_end(m->consumer, p->topic, p->part);
    return end > p->next ? end - p->next : 0;
}

size_t member_on_hold(const struct member *m)
{
    size_t n = 0;
    for (size_t i = 0; i < m->count; i++)
        n += m->parts[i].on_hold;
    return n;
}

struct member_part *member_at(struct member *m, size_t i)
{
    return &m->parts[i];
}

struct pg *member_pg(struct member *m)
{
    return m->pg;
}

struct claims *member_claims(struct member *m)
{
    return m->claims;
}

bool member_has_database(const struct member *m)
{
    return m->database;
}

/* ---- Kafka's events ---- */

static void on_message(struct member *m, const struct kafka_event *e)
{
    struct member_part *p = member_find(m, e->topic, e->part);
    if (p == NULL || !p->answered || !p->claimed || p->paused ||
        e->offset < p->next)
        return; /* fetched before a pause or seek */
    if (e->offset > p->next)
        log_warn("offsets_missing", LOG_S("topic", m->o.topics[p->topic]),
                 LOG_I("part", p->part), LOG_I("next", p->next),
                 LOG_I("offset", e->offset));
    m->ops->message(m->arg, p, e);
    p->next = e->offset + 1;
}

static void on_assign(struct member *m, const struct kafka_event *e)
{
    log_info("assigned", LOG_I("partitions", e->part_count));
    for (size_t i = 0; i < e->part_count; i++)
        part_add(m, e->parts[i].topic, e->parts[i].part);
    m->answer_due = true;
    member_claim_all(m);
}

static void settle(struct member *m)
{
    if (m->ops->settle != NULL)
        m->ops->settle(m->arg);
}

/* Others have the partitions already: dropped before the rest is written,
 * which keeps what was read of them out. */
static void drop_lost(struct member *m, const struct kafka_event *e)
{
    settle(m);
    for (size_t i = 0; i < e->part_count; i++) {
        struct member_part *p =
            member_find(m, e->parts[i].topic, e->parts[i].part);
        if (p != NULL)
            member_drop(m, p);
    }
}

/* What was read goes into the database first. */
static void on_revoke(struct member *m, const struct kafka_event *e)
{
    log_info("revoked", LOG_I("partitions", e->part_count),
             LOG_I("lost", e->lost));
    if (e->lost)
        drop_lost(m, e);
    m->ops->flush(m->arg);
    for (size_t i = 0; i < e->part_count; i++)
        part_remove(m, e->parts[i].topic, e->parts[i].part);
    struct err err;
    bool ok =
        kafka_consumer_unassign(m->consumer, e->parts, e->part_count, &err);
    (void)member_checked(m, ok, &err);
    m->answer_due = false;
    member_claim_all(m);
}

/* The service may know how to go on where the log begins later. */
static bool skip(struct member *m, struct member_part *p)
{
    struct kafka_log_range range = {.topic = m->o.topics[p->topic],
                                    .part = p->part};
    struct err err;
    if (m->ops->skip == NULL || !p->claimed ||
        !kafka_log_ranges(m->admin, &range, 1, &err) ||
        range.first <= p->next || !m->ops->skip(m->arg, p, range.first))
        return false;
    struct kafka_partition at = {p->topic, p->part, range.first};
    p->next = range.first;
    return member_checked(m, kafka_consumer_seek(m->consumer, &at, 1, &err),
                          &err);
}

/* The position is outside the log: the claim says how, see claim.h. */
static void on_gap(struct member *m, const struct kafka_event *e)
{
    size_t topic = e->parts[0].topic;
    int32_t part = e->parts[0].part;
    struct member_part *p = member_find(m, topic, part);
    log_warn("position_outside_log", LOG_S("topic", m->o.topics[topic]),
             LOG_I("part", part), LOG_I("next", p != NULL ? p->next : -1),
             LOG_ERR(&e->err));
    if (p == NULL || skip(m, p))
        return;
    m->ops->flush(m->arg);
    member_drop(m, p);
    member_claim_all(m);
}

static void on_fault(struct member *m, const struct kafka_event *e)
{
    if (e->err.kind == ERR_FATAL)
        service_fail(m->service, &e->err);
    else
        log_warn("kafka_fault", LOG_ERR(&e->err));
}

static void on_event(struct member *m, const struct kafka_event *e)
{
    switch (e->kind) {
    case KAFKA_MESSAGE:
        on_message(m, e);
        break;
    case KAFKA_ASSIGN:
        on_assign(m, e);
        break;
    case KAFKA_REVOKE:
        on_revoke(m, e);
        break;
    case KAFKA_GAP:
        on_gap(m, e);
        break;
    case KAFKA_FAULT:
        on_fault(m, e);
        break;
    }
}

/* ---- topics made anew ---- */

/* Claims of a topic that has another id now are given up. */
static bool drop_old(struct member *m, size_t topic, const char *id)
{
    bool any = false;
    for (size_t i = 0; i < m->count; i++) {
        struct member_part *p = &m->parts[i];
        if (p->topic != topic || !p->claimed || strcmp(p->topic_id, id) == 0)
            continue;
        if (!any)
            m->ops->flush(m->arg);
        member_drop(m, p);
        any = true;
    }
    return any;
}

/* A topic deleted and made anew under us may hold messages at our position
 * and before it: no offset is out of range, only its id tells. Until then (a
 * few seconds) such messages count as the old one's, and are read again. */
static void look_at_topics(struct member *m)
{
    struct kafka_topic_info info;
    struct err err;
    int64_t now_us = clock_mono_us();
    if (!m->database || m->consumer == NULL ||
        !kafka_consumer_up(m->consumer) || now_us < m->topics_due_us)
        return;
    bool any = false;
    for (size_t t = 0; t < m->o.topic_count; t++) {
        if (kafka_topic_describe(m->admin, m->o.topics[t], &info, &err))
            any |= drop_old(m, t, info.id);
        else if (clock_mono_us() - now_us > TICK_MS * INT64_C(1000))
            break; /* brokers are away; else it alone is: the next time */
    }
    /* Brokers that hang are asked less often: nothing else goes on here. */
    int64_t end_us = clock_mono_us(), pause_us = 20 * (end_us - now_us);
    const int64_t least_us = TOPICS_MS * INT64_C(1000);
    m->topics_due_us = end_us + (pause_us > least_us ? pause_us : least_us);
    if (any)
        member_claim_all(m);
}

/* What happened meanwhile comes before what was read meanwhile. */
static void look_after_silence(struct member *m)
{
    int64_t now_us = clock_mono_us();
    if (now_us - m->polled_us > SILENT_MS * INT64_C(1000)) {
        m->topics_due_us = 0;
        look_at_topics(m);
    }
    m->polled_us = now_us;
}

/* ---- polling ---- */

static bool has_room(const struct member *m)
{
    return m->ops->room == NULL || m->ops->room(m->arg);
}

/* Events nobody takes would wake the loop again and again. */
static void hear(struct member *m, bool events)
{
    if (m->readable == NULL || m->deaf == !events)
        return;
    loop_io_set(m->readable, events ? EPOLLIN : 0);
    m->deaf = !events;
}

void member_poll(struct member *m)
{
    struct kafka_event e;
    int n = 0;
    look_after_silence(m);
    while (m->consumer != NULL && n < EVENTS_MAX && has_room(m) &&
           kafka_consumer_poll(m->consumer, &e)) {
        on_event(m, &e);
        n++;
    }
    bool left = n == EVENTS_MAX || !has_room(m);
    m->ops->polled(m->arg);
    if (left && has_room(m))
        loop_timer_set(m->again, 0, 0);
    hear(m, has_room(m));
}

/* ---- in and out of the group ---- */

static void on_readable(void *arg, uint32_t events)
{
    (void)events;
    member_poll(arg);
}

bool member_join(struct member *m, struct err *err)
{
    const struct kafka_consumer_options options = {
        .brokers = m->o.brokers,
        .client_id = m->o.client_id,
        .group = m->o.group,
        .topics = m->o.topics,
        .topic_count = m->o.topic_count,
        .session_timeout_ms = m->o.session_timeout_ms,
        .max_poll_interval_ms = m->o.max_poll_interval_ms,
        .queue_bytes = m->o.queue_bytes,
    };
    m->consumer = kafka_consumer_new(&options, err);
    if (m->consumer == NULL)
        return false;
    m->readable =
        loop_io_new(service_loop(m->service), kafka_consumer_fd(m->consumer),
                    EPOLLIN, on_readable, m);
    m->deaf = false;
    log_info("joining", LOG_S("group", m->o.group));
    return true;
}

void member_leave(struct member *m)
{
    if (m->consumer == NULL)
        return;
    log_info("leaving", LOG_S("group", m->o.group));
    loop_io_free(m->readable);
    m->readable = NULL;
    kafka_consumer_leave(m->consumer);
    kafka_consumer_free(m->consumer);
    m->consumer = NULL;
    m->answer_due = false;
    m->ops->forget(m->arg);
    for (size_t i = 0; i < m->count; i++)
        member_drop(m, &m->parts[i]);
    m->count = m->hint = m->turn = 0;
}

/* ---- life ---- */

static void on_tick(void *arg)
{
    struct member *m = arg;
    int64_t patience_us = m->o.max_poll_interval_ms * 1000 / 2;
    if (!m->database && m->consumer != NULL &&
        clock_mono_us() - m->away_since_us > patience_us)
        member_leave(m);
    look_at_topics(m);
    member_poll(m); /* at least this often, or the group thinks us dead */
    service_need_set(m->need_kafka,
                     m->consumer != NULL && kafka_consumer_up(m->consumer));
}

static void on_again(void *arg)
{
    member_poll(arg);
}

void member_stop(struct member *m)
{
    if (m->stopped)
        return;
    m->stopped = true;
    m->ops->flush(m->arg);
    member_leave(m);
    loop_timer_cancel(m->again);
    loop_timer_cancel(m->retry);
    loop_timer_cancel(m->tick);
}

static struct claims *make_claims(const struct member_options *o)
{
    char owner[300], host[256] = "";
    (void)gethostname(host, sizeof host - 1);
    snprintf(owner, sizeof owner, "%s:%ld", host, (long)getpid());
    return claims_new(&(struct claims_options){
        .table = o->offsets,
        .gaps = o->gaps,
        .hold = o->hold,
        .consumer = o->group,
        .owner = o->owner[0] != '\0' ? o->owner : owner,
        .topics = o->topics});
}

static void make_timers(struct member *m)
{
    struct loop *loop = service_loop(m->service);
    m->again = loop_timer_new(loop, on_again, m);
    m->retry = loop_timer_new(loop, member_retry, m);
    m->tick = loop_timer_new(loop, on_tick, m);
    loop_timer_set(m->retry, 0, 0);
    loop_timer_set(m->tick, TICK_MS, TICK_MS);
}

struct member *member_new(const struct member_options *options,
                          struct service *service, const struct member_ops *ops,
                          void *arg, struct err *err)
{
    AUTO(member) m = xcalloc(1, sizeof *m);
    m->o = *options;
    m->ops = ops;
    m->arg = arg;
    m->service = service;
    m->backoff = (struct backoff){.first_ms = 100, .max_ms = 5000};
    m->claims_backoff = m->backoff;
    m->away_since_us = clock_mono_us();
    m->need_kafka = service_need(service, "kafka");
    m->need_postgres = service_need(service, "postgres");
    m->pg = pg_new(
        &(struct pg_options){.url = m->o.postgres_url,
                             .application = m->o.client_id,
                             .connect_timeout_ms = m->o.connect_timeout_ms,
                             .statement_timeout_ms = m->o.statement_timeout_ms,
                             .writes = true});
    m->claims = make_claims(&m->o);
    m->admin =
        kafka_admin_new(m->o.brokers, m->o.client_id, ADMIN_TIMEOUT_MS, err);
    if (m->admin == NULL)
        return NULL;
    make_timers(m);
    return MOVE(m);
}

void member_free(struct member *m)
{
    if (m == NULL)
        return;
    member_leave(m);
    kafka_admin_free(m->admin);
    claims_free(m->claims);
    pg_free(m->pg);
    free(m->parts);
    free(m);
}
