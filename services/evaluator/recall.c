/* SPDX-License-Identifier: Apache-2.0 */
#include "services/evaluator/recall.h"

#include "common/log.h"
#include "common/pulse/topology.h"

static const char sql_states[] =
    "SELECT rule_id::text, tenant_id, fingerprint, version, phase, since,"
    " event_max, last_received, cause_off FROM store.rule_state"
    " WHERE topic = $1 AND part = $2";

static const char sql_activations[] =
    "SELECT rule_id::text, version, off FROM store.rule_activations"
    " WHERE topic = $1 AND part = $2";

static void bind_place(struct pg_params *p, struct place place)
{
    pg_text(p, str_of(topic_names[place.topic]));
    pg_i32(p, place.part);
}

static void load_state(struct partition *p, const struct pg_result *r, int row)
{
    struct sleeper s = {
        .rule_id = pg_get_str(r, row, 0),
        .tenant_id = pg_get_str(r, row, 1),
        .fingerprint = pg_get_str(r, row, 2),
        .version = pg_get_i64(r, row, 3),
        .state = {.since_us = pg_get_time(r, row, 5),
                  .event_max_us = pg_get_time(r, row, 6),
                  .last_received_us = pg_get_time(r, row, 7),
                  .cause_offset = pg_get_i64(r, row, 8)},
    };
    s.written_max_us = s.state.event_max_us;
    if (!instance_phase_parse(pg_get_str(r, row, 4), &s.state.phase)) {
        log_warn("phase_unknown", LOG_STR("rule", s.rule_id),
                 LOG_STR("phase", pg_get_str(r, row, 4)));
        return;
    }
    partition_load_state(p, &s);
}

static bool load_states(struct pg *pg, struct partition *p, struct err *err)
{
    struct pg_params params = {.count = 0};
    bind_place(&params, partition_place(p));
    AUTO(pg_result) r = pg_run(pg, sql_states, &params, err);
    for (int i = 0; r && i < pg_rows(r); i++)
        load_state(p, r, i);
    return r != NULL;
}

static bool load_activations(struct pg *pg, struct partition *p,
                             struct err *err)
{
    struct pg_params params = {.count = 0};
    bind_place(&params, partition_place(p));
    AUTO(pg_result) r = pg_run(pg, sql_activations, &params, err);
    for (int i = 0; r && i < pg_rows(r); i++)
        partition_load_activation(p, pg_get_str(r, i, 0), pg_get_i64(r, i, 1),
                                  pg_get_i64(r, i, 2));
    return r != NULL;
}

bool recall(struct pg *pg, struct partition *p, bool fresh, struct err *err)
{
    return load_states(pg, p, err) && (fresh || load_activations(pg, p, err));
}
