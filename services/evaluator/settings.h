/* SPDX-License-Identifier: Apache-2.0 */
/* settings.h - what an operator can set of the evaluator. */
#ifndef EVALUATOR_SETTINGS_H
#define EVALUATOR_SETTINGS_H

#include "common/pulse/settings.h"
#include "services/evaluator/guard.h"
#include "services/evaluator/schedule.h"

struct evaluator_settings {
    struct settings shared;
    struct settings_consumer consumer;
    const char *admin_listen;
    int64_t lateness_ms, staleness_ms, replay_ms, forget_ms;
    int64_t instances_max, history_max;
    int64_t commit_interval_ms, rules_interval_ms;
    const char *webhook_allow, *webhook_schedule, *webhook_ca_file;
    int64_t webhook_connect_timeout_ms, webhook_timeout_ms;
    int64_t webhook_open_gap_ms, webhook_expiry_ms;
    int64_t webhook_concurrency, webhook_per_channel;
    struct guard guard;       /* of webhook_allow */
    struct schedule schedule; /* of webhook_schedule */
};

const struct conf_program *evaluator_program(void);
/* After conf_main returned -1. */
const struct evaluator_settings *evaluator_settings(void);

#endif
