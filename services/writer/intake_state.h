/* SPDX-License-Identifier: Apache-2.0 */
/*
 * intake_state.h - what intake.c (events, batches) and holding.c (claims, the
 * database) share; nobody else includes it.
 *
 * How a partition gets read. The group assigns it (answered only when all of
 * an assignment is claimed; polling goes on meanwhile), its row in
 * consumer_offset is claimed, and reading starts where that row says. When the
 * database fails in whatever way, the open batch is forgotten, all claims are
 * given up and all partitions paused; once it answers again they are claimed
 * anew, the row says what was committed, and the consumer seeks there. So an
 * unknown outcome of a COMMIT needs no case of its own.
 */
#ifndef WRITER_INTAKE_STATE_H
#define WRITER_INTAKE_STATE_H

#include "common/backoff.h"
#include "services/writer/intake.h"
#include "services/writer/partitions.h"
#include "services/writer/store.h"

struct intake {
    const struct writer_settings *set;
    struct service *service;
    struct service_need *need_kafka, *need_postgres;
    struct stats stats;

    struct kafka_consumer *consumer; /* NULL: not in the group */
    struct loop_io *readable;
    struct kafka_admin *admin;
    struct partitions parts;
    uint32_t assignments; /* counts claims */
    bool answer_due;      /* an assignment of the group waits for its answer */

    struct pg *pg;
    bool database; /* connected and, as far as we know, working */
    int64_t away_since_us;
    int64_t topics_due_us; /* when their ids are looked at (monotonic) */
    struct claims *claims;
    struct series *series;
    struct batch *batch;
    int64_t written_us; /* when the last write of a batch began */
    struct store *store;

    struct loop_timer *again; /* events are left to be polled */
    struct loop_timer *age;   /* of the open batch */
    struct loop_timer *retry; /* connecting, claiming */
    struct loop_timer *tick;
    struct backoff backoff;
    bool drained;
};

/* intake.c */
/* ok, with what librdkafka says of an assignment logged; ERR_FATAL fails the
 * service. */
bool intake_checked(struct intake *in, bool ok, struct err *err);
bool intake_join(struct intake *in, struct err *err) MUST_USE;
void intake_leave(struct intake *in);
void intake_age_start(struct intake *in); /* the open batch has something */
void intake_forget(struct intake *in);    /* the open batch */

/* holding.c */
/* Claims what is not claimed and starts reading it; what fails, later. */
void holding_claim_all(struct intake *in);
/* Another writer has claimed it. */
void holding_give_up(struct intake *in, const struct slice *s);
/* Nothing is held any more, until the database answers. */
void holding_lost(struct intake *in, const struct err *err);
void holding_retry(void *arg); /* the retry timer's */

#endif
