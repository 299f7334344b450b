/* SPDX-License-Identifier: Apache-2.0 */
/* status.h - one look at the whole of Pulse. */
#ifndef TOOLS_PULSE_STATUS_H
#define TOOLS_PULSE_STATUS_H

#include "common/fetch.h"
#include "tools/pulse/ledger.h"

enum { STATUS_COUNTS_MAX = 8, STATUS_TEXT_MAX = 96, STATUS_INCIDENTS_MAX = 5 };

struct status_service {
    const struct target *target;
    bool ready;
    char detail[STATUS_TEXT_MAX]; /* why not */
};

struct status_flow {                   /* of one topic */
    int64_t stored_per_s;              /* messages the writer took in */
    int64_t writer_lag, evaluator_lag; /* messages; -1: unknown */
};

struct status_count {
    char name[STATUS_TEXT_MAX];
    int64_t count;
};
struct status_counts {
    struct status_count at[STATUS_COUNTS_MAX];
    size_t count;
};

/* A maintenance job of the collector, or a policy of TimescaleDB. */
enum { STATUS_JOBS_MAX = 32 };
struct status_job {
    char name[STATUS_TEXT_MAX];
    char outcome[16]; /* running, done or failed */
    int64_t late_s, failures;
    char detail[2 * STATUS_TEXT_MAX];
};

struct status {
    struct status_service services[TARGETS_MAX];
    size_t service_count;
    struct err postgres, kafka; /* ERR_NONE: here */
    struct status_flow flows[TOPIC_COUNT];
    int64_t incidents_open;
    struct status_count
        incidents[STATUS_INCIDENTS_MAX]; /* newest; seconds open */
    size_t incident_count;
    struct status_counts dead_letters; /* new in 24 h, by reason, most first */
    int64_t dead_letters_sum;
    struct status_counts deliveries; /* last 24 h, by status */
    struct status_job jobs[STATUS_JOBS_MAX];
    size_t job_count;
    char compression[STATUS_TEXT_MAX]; /* available, or why not */
    double compression_ratio;          /* 0: nothing is compressed yet */
    int64_t gaps_open;                 /* of offsets, not accepted */
};

bool status_good(const struct status *s); /* nothing is down */
void status_text(const struct status *s, struct buf *out);
void status_json(const struct status *s, struct buf *out);

bool status_jobs_read(struct status *s, struct pg *pg, struct err *err)
    MUST_USE;
void status_jobs_text(const struct status *s, struct buf *out);
void status_jobs_json(const struct status *s, struct buf *out);

#endif
