/* SPDX-License-Identifier: Apache-2.0 */
/* deadletter_plan.h - what redriving a letter would send, or why nothing. Pure:
 * no I/O. */
#ifndef TOOLS_PULSE_DEADLETTER_PLAN_H
#define TOOLS_PULSE_DEADLETTER_PLAN_H

#include "common/kafka_producer.h"
#include "common/map.h"
#include "common/pulse/check.h"
#include "common/pulse/record.h"
#include "tools/pulse/deadletter.h"

struct planner {
    struct arena *arena; /* plans live in it */
    struct record_codec *codec;
    struct check_rules rules; /* of tenants that are not in tenants */
    struct map *tenants;      /* tenant_id -> struct check_rules; or NULL */
    size_t message_bytes_max;
    int64_t now_us;
    int64_t oldest_us; /* the store takes nothing older */
};

struct plan {
    struct str topic;
    struct kafka_record *records; /* key and payload are set */
    size_t count;
    const char *code; /* refused: a stable code, as in docs/errors.md */
    struct str why; /* refused: a sentence; p == NULL: count records to send */
};

/* An ingest letter is judged as the edge does, on behalf of its tenant and key,
 * the time window at its received_at; a writer's is sent as it is. All of a
 * letter's records or none. False: plan->code and why. */
bool plan_make(const struct planner *p, const struct deadletter *l,
               struct plan *plan) MUST_USE;
/* The kind of record that topic carries; false: none Pulse knows as JSON. */
bool plan_kind(struct str topic, enum record_kind *kind);

#endif
