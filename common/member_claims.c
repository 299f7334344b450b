/* SPDX-License-Identifier: Apache-2.0 */
#include <stdlib.h>
#include <string.h>

#include "common/clock.h"
#include "common/log.h"
#include "common/member_state.h"

/* How often a partition on hold is looked at. */
enum { HOLD_LOOK_MS = 2000 };

static void retry_in(struct member *m, int64_t delay_ms)
{
    if (!m->stopped)
        loop_timer_set(m->retry, delay_ms, 0);
}

/* ---- claims ---- */

static void log_claim(const struct member *m, const struct claim *c)
{
    log_info("claimed", LOG_S("topic", m->o.topics[c->topic]),
             LOG_I("part", c->part), LOG_I("next", c->next),
             LOG_I("replay_from", c->replay_from), LOG_I("epoch", c->epoch));
}

static void tell_gap(struct member *m, const struct claim *c)
{
    const char *topic = m->o.topics[c->topic];
    if (c->recreated)
        log_warn("topic_recreated", LOG_S("topic", topic),
                 LOG_I("part", c->part), LOG_I("next", c->next));
    if (c->truncated > 0)
        log_warn("log_truncated", LOG_S("topic", topic), LOG_I("part", c->part),
                 LOG_I("messages", c->truncated));
    if (c->gap > 0)
        log_warn("log_gap", LOG_S("topic", topic), LOG_I("part", c->part),
                 LOG_I("next", c->next), LOG_I("messages", c->gap));
    if (m->ops->gap_found != NULL &&
        (c->recreated || c->truncated > 0 || c->gap > 0))
        m->ops->gap_found(m->arg, c);
}

static struct kafka_partition kafka_of(const struct member_part *p)
{
    return (struct kafka_partition){p->topic, p->part, p->next};
}

static void part_pause(struct member *m, struct member_part *p)
{
    struct kafka_partition at = kafka_of(p);
    struct err err;
    if (!p->answered || p->paused || m->consumer == NULL)
        return;
    p->paused = member_checked(
        m, kafka_consumer_pause(m->consumer, &at, 1, &err), &err);
}

/* Looked at again and again, told once. */
static void hold(struct member *m, struct member_part *p, const struct claim *c)
{
    if (!p->on_hold) {
        tell_gap(m, c);
        log_warn("partition_on_hold", LOG_S("topic", m->o.topics[p->topic]),
                 LOG_I("part", p->part),
                 LOG_S("until", "its gaps are accepted"));
    }
    part_pause(m, p);
    p->on_hold = true;
    p->not_before_us = clock_mono_us() + HOLD_LOOK_MS * INT64_C(1000);
}

static bool claim_one(struct member *m, struct member_part *p, struct err *err)
{
    struct claim c;
    if (!claims_take(m->claims, m->pg, m->admin, p->topic, p->part, &c, err))
        return false;
    if (c.on_hold) {
        hold(m, p, &c);
        return true;
    }
    log_claim(m, &c);
    if (!p->on_hold)
        tell_gap(m, &c);
    p->on_hold = false;
    p->assignment = ++m->assignments;
    p->next = c.next + c.gap;
    memcpy(p->topic_id, c.topic_id, sizeof p->topic_id);
    if (!m->ops->claimed(m->arg, p, &c, err)) {
        claims_drop(m->claims, p->topic, p->part);
        return false;
    }
    p->claimed = true;
    return true;
}

void member_drop(struct member *m, struct member_part *p)
{
    claims_drop(m->claims, p->topic, p->part);
    if (p->claimed && m->ops->dropped != NULL)
        m->ops->dropped(m->arg, p);
    p->claimed = false;
    p->state = NULL;
}

/* The consumer reads it already: from here on. */
static bool restart(struct member *m, struct member_part *p)
{
    struct kafka_partition at = kafka_of(p);
    struct err err;
    if (!member_checked(m, kafka_consumer_seek(m->consumer, &at, 1, &err),
                        &err))
        return false;
    if (p->paused &&
        !member_checked(m, kafka_consumer_resume(m->consumer, &at, 1, &err),
                        &err))
        return false;
    p->paused = false;
    return true;
}

static bool claim_next(struct member *m, struct member_part *p)
{
    struct err err;
    if (!claim_one(m, p, &err)) {
        log_warn("claim_failed", LOG_ERR(&err));
        if (!pg_connected(m->pg))
            member_lost(m, &err);
        return false;
    }
    if (!p->claimed || !p->answered || restart(m, p))
        return true;
    member_drop(m, p);
    return false;
}

/* False: one failed, and the next pass begins behind it. A failure may have
 * taken seconds, so the pass ends there. */
static bool claim_pass(struct member *m)
{
    int64_t now_us = clock_mono_us();
    size_t turn = m->turn;
    for (size_t n = 0; n < m->count && m->database; n++) {
        size_t i = (turn + n) % m->count;
        struct member_part *p = &m->parts[i];
        if (p->claimed || p->not_before_us > now_us)
            continue;
        m->turn = i + 1;
        if (!claim_next(m, p))
            return false;
    }
    return true;
}

/* Tells the consumer to read what is claimed. The first call after an ASSIGN
 * answers the group, be it with nothing; what is claimed later is added then
 * (librdkafka allows that for what the group has granted, see
 * kafka_consumer.c), so that one claim that cannot be had keeps neither the
 * other partitions nor the rest of the group waiting. */
static bool start_reading(struct member *m)
{
    struct kafka_partition *fresh = xcalloc(m->count + 1, sizeof *fresh);
    size_t count = 0;
    for (size_t i = 0; i < m->count; i++)
        if (m->parts[i].claimed && !m->parts[i].answered)
            fresh[count++] = kafka_of(&m->parts[i]);
    struct err err;
    bool ok = true;
    if (m->consumer != NULL && (count > 0 || m->answer_due)) {
        ok = member_checked(
            m, kafka_consumer_assign(m->consumer, fresh, count, &err), &err);
        m->answer_due = m->answer_due && !ok;
    }
    for (size_t i = 0; i < m->count && ok; i++)
        m->parts[i].answered |= m->parts[i].claimed;
    free(fresh);
    return ok;
}

/* Nothing is claimed less than it could be. */
static bool is_complete(const struct member *m)
{
    for (size_t i = 0; i < m->count; i++)
        if (!m->parts[i].claimed && !m->parts[i].on_hold)
            return false;
    return true;
}

/* When the first of the unclaimed may be claimed; INT64_MAX: none is. */
static int64_t due_us(const struct member *m)
{
    int64_t due = INT64_MAX;
    for (size_t i = 0; i < m->count; i++)
        if (!m->parts[i].claimed && m->parts[i].not_before_us < due)
            due = m->parts[i].not_before_us;
    return due;
}

static void plan_retry(struct member *m, bool ok)
{
    int64_t due = due_us(m), now_us = clock_mono_us();
    if (!ok) {
        retry_in(m, backoff_next_ms(&m->claims_backoff));
        return;
    }
    backoff_reset(&m->claims_backoff);
    if (due < INT64_MAX)
        retry_in(m, due > now_us ? (due - now_us) / 1000 + 1 : 0);
}

void member_claim_all(struct member *m)
{
    if (m->database && due_us(m) <= clock_mono_us())
        m->ops->flush(m->arg);
    bool ok = claim_pass(m);
    ok = start_reading(m) && ok;
    if (m->database)
        plan_retry(m, ok);
    service_need_set(m->need_postgres, m->database && is_complete(m));
}

/* ---- losing them ---- */

void member_give_up(struct member *m, size_t topic, int32_t part)
{
    struct member_part *p = member_find(m, topic, part);
    if (p == NULL)
        return;
    part_pause(m, p);
    member_drop(m, p);
    p->not_before_us = clock_mono_us() + 2 * m->o.session_timeout_ms * 1000;
    plan_retry(m, true);
}

void member_worked(struct member *m)
{
    backoff_reset(&m->backoff);
}

/* ---- the database comes and goes ---- */

void member_lost(struct member *m, const struct err *err)
{
    log_warn("database_lost", LOG_ERR(err));
    m->database = false;
    m->away_since_us = clock_mono_us();
    service_need_set(m->need_postgres, false);
    m->ops->forget(m->arg);
    pg_disconnect(m->pg);
    for (size_t i = 0; i < m->count; i++) {
        part_pause(m, &m->parts[i]);
        member_drop(m, &m->parts[i]);
    }
    retry_in(m, backoff_next_ms(&m->backoff));
}

static bool database_ready(struct member *m, struct err *err)
{
    return pg_connect(m->pg, err) &&
           (m->ops->connected == NULL || m->ops->connected(m->arg, m->pg, err));
}

static void database_back(struct member *m)
{
    struct err err;
    log_info("database_connected", LOG_I("backend", pg_backend_pid(m->pg)));
    m->database = true;
    if (m->consumer == NULL && !member_join(m, &err)) {
        service_fail(m->service, &err);
        return;
    }
    member_claim_all(m);
}

void member_retry(void *arg)
{
    struct member *m = arg;
    struct err err;
    if (m->database) {
        member_claim_all(m);
    } else if (database_ready(m, &err)) {
        database_back(m);
    } else {
        log_warn("database_away", LOG_ERR(&err));
        pg_disconnect(m->pg);
        retry_in(m, backoff_next_ms(&m->backoff));
    }
}
