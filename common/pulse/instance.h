/* SPDX-License-Identifier: Apache-2.0 */
/* instance.h - one rule on one series: samples in, transitions out. Pure: no
 * clock, no I/O. Everything runs on the series' own event time. */
#ifndef COMMON_PULSE_INSTANCE_H
#define COMMON_PULSE_INSTANCE_H

#include "common/pulse/rule.h"

struct sample {
    int64_t time_us;        /* the sender's clock */
    int64_t received_at_us; /* the edge's clock */
    int64_t offset;         /* in its partition */
    double value;
};

/* min(time, received_at + 5 s): a clock that runs ahead cannot pull its series
 * into the future. */
int64_t sample_rule_time_us(const struct sample *s);

enum instance_phase {
    INSTANCE_OK,
    INSTANCE_PENDING,  /* violated since since_us, not yet for `for` */
    INSTANCE_FIRING,   /* its incident is open */
    INSTANCE_CLEARING, /* open, and clear since since_us */
};
const char *instance_phase_text(enum instance_phase phase);
bool instance_phase_parse(struct str text, enum instance_phase *out) MUST_USE;

/* What survives a restart as a row of rule_state. */
struct instance_state {
    enum instance_phase phase;
    int64_t since_us;         /* rule time of the first sample of the phase */
    int64_t event_max_us;     /* newest rule time; INT64_MIN: no sample yet */
    int64_t last_received_us; /* received_at of the last sample taken */
    int64_t cause_offset;     /* the sample that began the phase */
};

struct kept_sample {
    int64_t at_us; /* rule time; kept samples are sorted by it, then time */
    struct sample sample;
};

/* A sample whose clock ran ahead: a repeat of it comes with another rule time
 * and is recognised by its own time, until that has passed. Sorted by it. */
struct ahead_sample {
    int64_t time_us, offset;
};

struct instance {
    struct instance_state state;
    struct kept_sample *kept; /* of the last `lateness`, derived from Kafka */
    size_t count, capacity;
    struct ahead_sample *ahead;
    size_t ahead_count, ahead_capacity;
    int64_t oldest_offset; /* of kept and ahead; INT64_MAX: none */
    int64_t floor_us;      /* history up to it was given up: as old is late */
};

void instance_init(struct instance *i);
void instance_release(struct instance *i);
size_t instance_bytes(const struct instance *i); /* memory held */

struct instance_limits {
    size_t kept_max;      /* samples kept per instance */
    int64_t staleness_us; /* older on arrival: may not fire */
    int64_t replay_from;  /* samples below this offset have left */
};

enum sample_fate {
    SAMPLE_TAKEN,
    SAMPLE_STALE, /* taken, but too old on arrival to fire */
    SAMPLE_REPEATED,
    SAMPLE_LATE, /* older than the newest by more than the lateness */
};

enum transition_kind { TRANSITION_NONE, TRANSITION_FIRE, TRANSITION_RESOLVE };

struct transition {
    enum transition_kind kind;
    int64_t started_at_us; /* rule time where the violation (FIRE) or the
                              clearing (RESOLVE) began */
    int64_t at_us;         /* rule time at which it was decided */
    int64_t cause_offset;  /* of the sample that began it */
    struct sample sample;  /* that decided it */
};

/* Takes one sample; *t is what follows from it. limits->replay_from is that of
 * the partition. */
enum sample_fate instance_feed(struct instance *i, const struct rule *r,
                               const struct instance_limits *limits,
                               const struct sample *s, struct transition *t);

/* The same sample again after a restart: history, maximum and repeats only,
 * since i->state already knows what followed from it. */
void instance_replay(struct instance *i, const struct rule *r,
                     const struct instance_limits *limits,
                     const struct sample *s);

/* A new version of the rule begins: an open incident stays open, a pending
 * state and the history are forgotten. True if i->state changed. */
bool instance_adopt(struct instance *i);

#endif
