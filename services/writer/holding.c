/* SPDX-License-Identifier: Apache-2.0 */
#include <stdlib.h>

#include "common/clock.h"
#include "common/log.h"
#include "common/pulse/topology.h"
#include "services/writer/intake_state.h"

/* ---- claims ---- */

static void retry_later(struct intake *in)
{
    loop_timer_set(in->retry, backoff_next_ms(&in->backoff), 0);
}

static void log_claim(const struct claim *c)
{
    const char *topic = topic_names[c->topic];
    log_info("claimed", LOG_S("topic", topic), LOG_I("part", c->part),
             LOG_I("next", c->next), LOG_I("epoch", c->epoch));
    if (c->recreated)
        log_warn("topic_recreated", LOG_S("topic", topic),
                 LOG_I("part", c->part), LOG_I("next", c->next));
    if (c->truncated > 0)
        log_warn("log_truncated", LOG_S("topic", topic), LOG_I("part", c->part),
                 LOG_I("messages", c->truncated));
    if (c->gap > 0)
        log_warn("log_gap", LOG_S("topic", topic), LOG_I("part", c->part),
                 LOG_I("next", c->next), LOG_I("messages", c->gap));
}

/* What the log no longer has is moved over, and counted, by the batch. */
static bool claim_one(struct intake *in, struct partition *p, struct err *err)
{
    struct claim c;
    if (!claims_take(in->claims, in->pg, in->admin, p->topic, p->part, &c, err))
        return false;
    log_claim(&c);
    p->claimed = true;
    p->assignment = ++in->assignments;
    p->next = c.next;
    if (c.gap > 0) {
        struct slice *s =
            batch_slice(in->batch, p->topic, p->part, p->next, p->assignment);
        batch_gap(s, p->next + c.gap);
        p->next = s->next;
        intake_age_start(in);
    }
    return true;
}

static struct kafka_partition kafka_of(const struct partition *p)
{
    return (struct kafka_partition){p->topic, p->part, p->next};
}

/* The consumer reads it already: from here on. */
static bool restart(struct intake *in, struct partition *p)
{
    struct kafka_partition at = kafka_of(p);
    struct err err;
    if (!intake_checked(in, kafka_consumer_seek(in->consumer, &at, 1, &err),
                        &err))
        return false;
    if (p->paused &&
        !intake_checked(in, kafka_consumer_resume(in->consumer, &at, 1, &err),
                        &err))
        return false;
    p->paused = false;
    return true;
}

static bool all_claimed(const struct intake *in)
{
    for (size_t i = 0; i < in->parts.count; i++)
        if (!in->parts.all[i].answered && !in->parts.all[i].claimed)
            return false;
    return true;
}

/* Answers the group once everything it gave is claimed. */
static bool answer(struct intake *in)
{
    struct kafka_partition *fresh = xcalloc(in->parts.count, sizeof *fresh);
    size_t count = 0;
    for (size_t i = 0; i < in->parts.count; i++)
        if (!in->parts.all[i].answered)
            fresh[count++] = kafka_of(&in->parts.all[i]);
    struct err err;
    bool ok = intake_checked(
        in, kafka_consumer_assign(in->consumer, fresh, count, &err), &err);
    for (size_t i = 0; i < in->parts.count && ok; i++)
        in->parts.all[i].answered = true;
    in->answer_due = !ok;
    free(fresh);
    return ok;
}

/* False: stop, the rest later. */
static bool claim_next(struct intake *in, struct partition *p, bool *later)
{
    struct err err;
    if (p->not_before_us > clock_mono_us()) {
        *later = true;
        return true;
    }
    if (!claim_one(in, p, &err)) {
        log_warn("claim_failed", LOG_ERR(&err));
        if (!pg_connected(in->pg))
            holding_lost(in, &err);
        *later = in->database;
        return false;
    }
    if (p->answered && !restart(in, p)) {
        p->claimed = false;
        claims_drop(in->claims, p->topic, p->part);
        *later = true;
    }
    return true;
}

void holding_claim_all(struct intake *in)
{
    bool later = false;
    for (size_t i = 0; i < in->parts.count && in->database; i++)
        if (!in->parts.all[i].claimed &&
            !claim_next(in, &in->parts.all[i], &later))
            break;
    if (in->answer_due && all_claimed(in) && !answer(in))
        later = true;
    if (later)
        retry_later(in);
    service_need_set(in->need_postgres, in->database && !later);
    gauge_set(in->stats.assigned, (double)in->parts.count);
    gauge_set(in->stats.held, (double)claims_count(in->claims));
}

/* ---- losing them ---- */

static void partition_pause(struct intake *in, struct partition *p)
{
    struct kafka_partition at = kafka_of(p);
    struct err err;
    if (!p->answered || p->paused || in->consumer == NULL)
        return;
    p->paused = intake_checked(
        in, kafka_consumer_pause(in->consumer, &at, 1, &err), &err);
}

/* Another writer has claimed it. The group will take it from us; should it
 * not, we claim it back after a while. */
void holding_give_up(struct intake *in, const struct slice *s)
{
    struct partition *p = partitions_find(&in->parts, s->topic, s->part);
    if (p == NULL)
        return;
    p->claimed = false;
    p->not_before_us = clock_mono_us() + 2 * in->set->session_timeout_ms * 1000;
    partition_pause(in, p);
    retry_later(in);
}

/* ---- the database comes and goes ---- */

void holding_lost(struct intake *in, const struct err *err)
{
    log_warn("database_lost", LOG_ERR(err));
    in->database = false;
    in->away_since_us = clock_mono_us();
    service_need_set(in->need_postgres, false);
    intake_forget(in);
    claims_drop_all(in->claims);
    pg_disconnect(in->pg);
    for (size_t i = 0; i < in->parts.count; i++) {
        in->parts.all[i].claimed = false;
        partition_pause(in, &in->parts.all[i]);
    }
    retry_later(in);
}

static void database_back(struct intake *in)
{
    struct err err;
    log_info("database_connected", LOG_I("backend", pg_backend_pid(in->pg)));
    in->database = true;
    if (in->consumer == NULL && !intake_join(in, &err)) {
        service_fail(in->service, &err);
        return;
    }
    holding_claim_all(in);
}

void holding_retry(void *arg)
{
    struct intake *in = arg;
    struct err err;
    if (in->database) {
        holding_claim_all(in);
    } else if (pg_connect(in->pg, &err)) {
        database_back(in);
    } else {
        log_warn("database_away", LOG_ERR(&err));
        retry_later(in);
    }
}
