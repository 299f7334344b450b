/* SPDX-License-Identifier: Apache-2.0 */
/*
 * intake_state.h - what intake.c (events, commits) and holding.c (claims, the
 * database) share; nobody else includes it.
 *
 * How a partition gets evaluated. The group assigns it (answered only when all
 * of an assignment is claimed; polling goes on meanwhile), its row in
 * consumer_offset is claimed, its states are loaded, and reading starts at
 * replay_from: below next messages only rebuild histories. When the database
 * fails in whatever way, the open batch and everything in memory is given up
 * and all partitions are paused; once it answers again they are claimed and
 * replayed anew. So an unknown outcome of a COMMIT needs no case of its own.
 */
#ifndef EVALUATOR_INTAKE_STATE_H
#define EVALUATOR_INTAKE_STATE_H

#include "common/backoff.h"
#include "common/kafka_admin.h"
#include "services/evaluator/intake.h"
#include "services/evaluator/partition.h"
#include "services/evaluator/rules.h"

/* A partition the group gave us. */
struct seat {
    size_t topic;
    int32_t part;
    bool answered; /* the consumer reads it, or did until a pause */
    bool paused;
    int64_t not_before_us;   /* claim no earlier (monotonic) */
    struct partition *state; /* NULL: not claimed */
};

struct intake {
    const struct evaluator_settings *set;
    struct service *service;
    struct service_need *need_kafka, *need_postgres;
    struct stats stats;
    void (*on_commit)(void *arg);
    void *on_commit_arg;

    struct kafka_consumer *consumer; /* NULL: not in the group */
    struct loop_io *readable;
    struct kafka_admin *admin;
    struct seat *seats;
    size_t seat_count, seat_room;
    bool answer_due; /* an assignment of the group waits for its answer */

    struct pg *pg;
    bool database; /* connected and, as far as we know, working */
    int64_t away_since_us;
    int64_t topics_due_us; /* when their ids are looked at (monotonic) */
    struct claims *claims;
    struct rules *rules;
    int64_t rules_seen_us;
    struct batch batch;
    struct budget budget;
    struct record_codec *codec;
    struct arena *record_memory;
    int64_t committed_us; /* monotonic */

    struct loop_timer *again; /* events are left to be polled */
    struct loop_timer *retry; /* connecting, claiming */
    struct loop_timer *tick;
    struct backoff backoff;
    bool stopped;
};

/* intake.c */
/* ok, with what librdkafka says of an assignment logged; ERR_FATAL fails the
 * service. */
bool intake_checked(struct intake *in, bool ok, const struct err *err);
bool intake_join(struct intake *in, struct err *err) MUST_USE;
void intake_leave(struct intake *in);
struct seat *intake_seat(struct intake *in, size_t topic, int32_t part);

/* holding.c */
/* Claims what is not claimed and starts reading it; what fails, later. */
void holding_claim_all(struct intake *in);
/* Its state and claim are given up. */
void holding_drop(struct intake *in, struct seat *s);
/* Another evaluator has claimed it. */
void holding_give_up(struct intake *in, struct seat *s);
/* Nothing is held any more, until the database answers. */
void holding_lost(struct intake *in, const struct err *err);
void holding_retry(void *arg); /* the retry timer's */

#endif
