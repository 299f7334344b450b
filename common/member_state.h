/* SPDX-License-Identifier: Apache-2.0 */
/* member_state.h - what member.c (the group's events) and member_claims.c
 * (claims, the database) share; nobody else includes it. */
#ifndef COMMON_MEMBER_STATE_H
#define COMMON_MEMBER_STATE_H

#include "common/backoff.h"
#include "common/member.h"

struct member {
    struct member_options o;
    const struct member_ops *ops;
    void *arg;
    struct service *service;
    struct service_need *need_kafka, *need_postgres;

    struct kafka_consumer *consumer; /* NULL: not in the group */
    struct loop_io *readable;
    bool deaf; /* it is not listened to: no room */
    struct kafka_admin *admin;
    struct member_part *parts;
    size_t count, room;
    size_t hint;          /* index of the part found last */
    size_t turn;          /* index of the part claimed first in the next pass */
    uint32_t assignments; /* counts claims */
    bool answer_due;      /* an assignment of the group waits for its answer */

    struct pg *pg;
    struct claims *claims;
    bool database; /* connected and, as far as we know, working */
    int64_t away_since_us;
    int64_t topics_due_us; /* when their ids are looked at (monotonic) */
    int64_t polled_us;     /* last (monotonic) */

    struct loop_timer *again; /* events are left to be polled */
    struct loop_timer *retry; /* connecting, claiming */
    struct loop_timer *tick;
    struct backoff backoff;        /* of the database */
    struct backoff claims_backoff; /* of claims that cannot be had */
    bool stopped;
};

/* member.c */
/* ok, with what librdkafka says of an assignment logged; ERR_FATAL fails the
 * service. */
bool member_checked(struct member *m, bool ok, const struct err *err);
bool member_join(struct member *m, struct err *err) MUST_USE;
void member_leave(struct member *m);
struct member_part *member_find(struct member *m, size_t topic, int32_t part);

/* member_claims.c */
/* Claims what is not claimed and starts reading it; what fails, later. */
void member_claim_all(struct member *m);
/* Nothing is in flight. */
void member_drop(struct member *m, struct member_part *p);
void member_retry(void *arg); /* the retry timer's */

#endif
