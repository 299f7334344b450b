/* SPDX-License-Identifier: Apache-2.0 */
#include <stdlib.h>

#include "common/clock.h"
#include "common/log.h"
#include "common/pulse/topology.h"
#include "services/evaluator/intake_state.h"
#include "services/evaluator/recall.h"

/* ---- claims ---- */

static void retry_later(struct intake *in)
{
    loop_timer_set(in->retry, backoff_next_ms(&in->backoff), 0);
}

static void log_claim(const struct claim *c)
{
    const char *topic = topic_names[c->topic];
    log_info("claimed", LOG_S("topic", topic), LOG_I("part", c->part),
             LOG_I("next", c->next), LOG_I("replay_from", c->replay_from),
             LOG_I("epoch", c->epoch));
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

static struct partition *partition_of(struct intake *in, const struct claim *c)
{
    const struct evaluator_settings *set = in->set;
    int64_t next = c->next + c->gap;
    /* Below the log's start there is nothing to replay. */
    return partition_new(&(struct partition_options){
        .place = {c->topic, c->part},
        .next = next,
        .replay_from = c->gap > 0 ? next : c->replay_from,
        .kept_max = (size_t)set->history_max,
        .staleness_us = set->staleness_ms * 1000,
        .keep_us = set->replay_ms * 1000,
        .forget_us = set->forget_ms * 1000,
        .budget = &in->budget,
        .stats = &in->stats,
    });
}

static bool claim_one(struct intake *in, struct seat *s, struct err *err)
{
    struct claim c;
    if (!claims_take(in->claims, in->pg, in->admin, s->topic, s->part, &c, err))
        return false;
    log_claim(&c);
    AUTO(partition) p = partition_of(in, &c);
    if (!recall(in->pg, p, c.recreated || c.truncated > 0, err)) {
        claims_drop(in->claims, s->topic, s->part);
        return false;
    }
    partition_activate(p, rules_current(in->rules), &in->batch);
    s->state = MOVE(p);
    return true;
}

static struct kafka_partition kafka_of(const struct seat *s)
{
    int64_t at = s->state ? partition_next(s->state) : 0;
    return (struct kafka_partition){s->topic, s->part, at};
}

/* The consumer reads it already: from here on. */
static bool restart(struct intake *in, struct seat *s)
{
    struct kafka_partition at = kafka_of(s);
    struct err err;
    if (!intake_checked(in, kafka_consumer_seek(in->consumer, &at, 1, &err),
                        &err))
        return false;
    if (s->paused &&
        !intake_checked(in, kafka_consumer_resume(in->consumer, &at, 1, &err),
                        &err))
        return false;
    s->paused = false;
    return true;
}

static bool all_claimed(const struct intake *in)
{
    for (size_t i = 0; i < in->seat_count; i++) {
        if (!in->seats[i].answered && !in->seats[i].state)
            return false;
    }
    return true;
}

/* Answers the group once everything it gave is claimed. */
static bool answer(struct intake *in)
{
    struct kafka_partition *fresh = xcalloc(in->seat_count + 1, sizeof *fresh);
    size_t count = 0;
    for (size_t i = 0; i < in->seat_count; i++) {
        if (!in->seats[i].answered)
            fresh[count++] = kafka_of(&in->seats[i]);
    }
    struct err err;
    bool ok = intake_checked(
        in, kafka_consumer_assign(in->consumer, fresh, count, &err), &err);
    for (size_t i = 0; i < in->seat_count && ok; i++)
        in->seats[i].answered = true;
    in->answer_due = !ok;
    free(fresh);
    return ok;
}

/* False: stop, the rest later. */
static bool claim_next(struct intake *in, struct seat *s, bool *later)
{
    struct err err;
    if (s->not_before_us > clock_mono_us()) {
        *later = true;
        return true;
    }
    if (!claim_one(in, s, &err)) {
        log_warn("claim_failed", LOG_ERR(&err));
        if (!pg_connected(in->pg))
            holding_lost(in, &err);
        *later = in->database;
        return false;
    }
    if (s->answered && !restart(in, s)) {
        holding_drop(in, s);
        *later = true;
    }
    return true;
}

void holding_claim_all(struct intake *in)
{
    bool later = false;
    for (size_t i = 0; i < in->seat_count && in->database; i++) {
        if (!in->seats[i].state && !claim_next(in, &in->seats[i], &later))
            break;
    }
    if (in->answer_due && all_claimed(in) && !answer(in))
        later = true;
    if (later)
        retry_later(in);
    service_need_set(in->need_postgres, in->database && !later);
}

/* ---- losing them ---- */

void holding_drop(struct intake *in, struct seat *s)
{
    claims_drop(in->claims, s->topic, s->part);
    partition_free(s->state);
    s->state = NULL;
}

static void seat_pause(struct intake *in, struct seat *s)
{
    struct kafka_partition at = kafka_of(s);
    struct err err;
    if (!s->answered || s->paused || !in->consumer)
        return;
    s->paused = intake_checked(
        in, kafka_consumer_pause(in->consumer, &at, 1, &err), &err);
}

/* The group will take it from us; should it not, we claim it back after a
 * while. */
void holding_give_up(struct intake *in, struct seat *s)
{
    log_warn("partition_lost", LOG_S("topic", topic_names[s->topic]),
             LOG_I("part", s->part));
    counter_add(in->stats.slices_lost, 1);
    seat_pause(in, s);
    holding_drop(in, s);
    s->not_before_us = clock_mono_us() + 2 * in->set->session_timeout_ms * 1000;
    retry_later(in);
}

/* ---- the database comes and goes ---- */

void holding_lost(struct intake *in, const struct err *err)
{
    log_warn("database_lost", LOG_ERR(err));
    in->database = false;
    in->away_since_us = clock_mono_us();
    service_need_set(in->need_postgres, false);
    batch_reset(&in->batch);
    pg_disconnect(in->pg);
    for (size_t i = 0; i < in->seat_count; i++) {
        seat_pause(in, &in->seats[i]);
        holding_drop(in, &in->seats[i]);
    }
    retry_later(in);
}

static bool database_ready(struct intake *in, struct err *err)
{
    return pg_connect(in->pg, err) &&
           pg_do(in->pg, "LISTEN pulse_rules", NULL, NULL, err) &&
           rules_refresh(in->rules, in->pg, err);
}

static void database_back(struct intake *in)
{
    struct err err;
    log_info("database_connected", LOG_I("backend", pg_backend_pid(in->pg)));
    in->database = true;
    if (!in->consumer && !intake_join(in, &err)) {
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
    } else if (database_ready(in, &err)) {
        database_back(in);
    } else {
        log_warn("database_away", LOG_ERR(&err));
        pg_disconnect(in->pg);
        retry_later(in);
    }
}
