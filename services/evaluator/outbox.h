/* SPDX-License-Identifier: Apache-2.0 */
/* outbox.h - alert_notifications as a queue: claimed by lease, results written
 * under the attempt's number. Several notifiers may work on it. */
#ifndef EVALUATOR_OUTBOX_H
#define EVALUATOR_OUTBOX_H

#include "common/arena.h"
#include "common/pg.h"

enum { SECRETS_MAX = 2 };

/* A claimed notification and its channel as it is now. */
struct job {
    struct str id, tenant_id, channel, kind;
    int attempt;     /* from 1 */
    struct str body; /* the payload, the same bytes in every attempt */
    int64_t age_ms;  /* since it was decided */
    bool incident_open;
    bool channel_exists, channel_enabled;
    struct str channel_kind, url;
    struct str secrets[SECRETS_MAX];
    size_t secret_count;
};

/* What must not be claimed: attempts under way per channel. */
struct busy_channel {
    struct str tenant_id, channel;
    int64_t attempts;
};

struct outbox_limits {
    int64_t lease_ms; /* longer than an attempt can take */
    int64_t jobs;
    int64_t per_channel;
    const struct busy_channel *busy;
    size_t busy_count;
};

/* Claims what is due and records that an attempt begins. A resolve is not due
 * before the firing of its incident and channel is settled. Jobs live in a.
 * -1 and *err on failure. */
int outbox_claim(struct pg *pg, struct arena *a,
                 const struct outbox_limits *limits, struct job **jobs,
                 struct err *err) MUST_USE;

struct job_result {
    struct str id;
    int attempt;
    const char *status;  /* pending, delivered, failed, dead */
    int64_t wait_ms;     /* until the next attempt, for pending */
    int http_status;     /* 0: no answer */
    struct str error;    /* p == NULL: nothing failed */
    struct str response; /* p == NULL: none */
    int64_t duration_ms;
    struct str note; /* for the incident's timeline; empty: none */
    bool disable;    /* the channel too, with error as the reason */
    struct str tenant_id, channel; /* for that */
};
/* A result that comes after its lease was taken over changes only the record
 * of its own attempt. */
bool outbox_settle(struct pg *pg, const struct job_result *r, struct err *err)
    MUST_USE;

#endif
