/* SPDX-License-Identifier: Apache-2.0 */
#include "services/evaluator/settings.h"

#include "common/pulse/topology.h"

static struct evaluator_settings settings;

#define AT(field) offsetof(struct evaluator_settings, field)
#define DAY_MS 86400000.0

static const struct conf_item rule_items[] = {
    SETTINGS_ADMIN_ITEM("EVALUATOR", PORT_ADMIN_EVALUATOR,
                        struct evaluator_settings, admin_listen),
    {.name = "PULSE_ALERT_LATENESS",
     .type = CONF_DURATION,
     .offset = AT(lateness_ms),
     .fallback = "30s",
     .max = 3600000,
     .help = "A sample older than its series' newest by more than this is"
             " late: counted, never fired on; a rule may set less."},
    {.name = "PULSE_ALERT_STALENESS",
     .type = CONF_DURATION,
     .offset = AT(staleness_ms),
     .fallback = "5m",
     .min = 1000,
     .max = DAY_MS,
     .help = "A sample older than this when it was received does not fire;"
             " the series pages if it still holds when it has caught up."},
    {.name = "PULSE_EVALUATOR_REPLAY",
     .type = CONF_DURATION,
     .offset = AT(replay_ms),
     .fallback = "2m",
     .min = 1000,
     .max = DAY_MS,
     .help = "How much of the log a restart reads again for histories; at"
             " least PULSE_ALERT_LATENESS. A series silent for longer gets a"
             " row in rule_state instead."},
    {.name = "PULSE_EVALUATOR_FORGET",
     .type = CONF_DURATION,
     .offset = AT(forget_ms),
     .fallback = "8d",
     .min = 60000,
     .max = 366 * DAY_MS,
     .help = "A quiet series without an incident is forgotten after this;"
             " below the edge's oldest accepted time, late samples of it"
             " could pass as new."},
    {.name = "PULSE_EVALUATOR_INSTANCES",
     .type = CONF_INT,
     .offset = AT(instances_max),
     .fallback = "1000000",
     .min = 1,
     .max = 100000000,
     .help = "Rule instances in memory (one rule on one series), about 600"
             " bytes each; at the bound further series are not evaluated,"
             " counted as refused and logged."},
    {.name = "PULSE_EVALUATOR_HISTORY",
     .type = CONF_INT,
     .offset = AT(history_max),
     .fallback = "1024",
     .min = 2,
     .max = 1000000,
     .help = "Samples kept per instance for late ones and repeats; at the"
             " bound the oldest go, which shortens the lateness of a very"
             " fast series."},
    {.name = "PULSE_EVALUATOR_COMMIT_INTERVAL",
     .type = CONF_DURATION,
     .offset = AT(commit_interval_ms),
     .fallback = "500ms",
     .min = 10,
     .max = 60000,
     .help = "Positions are committed this often; a transition is at once."},
    {.name = "PULSE_EVALUATOR_RULES_INTERVAL",
     .type = CONF_DURATION,
     .offset = AT(rules_interval_ms),
     .fallback = "5s",
     .min = 100,
     .max = 600000,
     .help = "Rules are looked at this often, and on NOTIFY pulse_rules."},
};

static const struct conf_item webhook_items[] = {
    {.name = "PULSE_WEBHOOK_ALLOW",
     .type = CONF_TEXT,
     .offset = AT(webhook_allow),
     .fallback = "",
     .help = "Networks (127.0.0.0/8,::1,…) receivers may be in although they"
             " are private, and plain http is allowed to; empty: none."},
    {.name = "PULSE_WEBHOOK_SCHEDULE",
     .type = CONF_TEXT,
     .offset = AT(webhook_schedule),
     .fallback = "0s,5s,5m,30m,2h,5h,10h,14h,20h,24h",
     .help = "Waiting time before each attempt of a delivery, from the"
             " attempt before."},
    {.name = "PULSE_WEBHOOK_OPEN_GAP",
     .type = CONF_DURATION,
     .offset = AT(webhook_open_gap_ms),
     .fallback = "30m",
     .min = 10,
     .max = DAY_MS,
     .help = "While its incident is open a firing is tried again at least"
             " this often, for as long as it takes."},
    {.name = "PULSE_WEBHOOK_EXPIRY",
     .type = CONF_DURATION,
     .offset = AT(webhook_expiry_ms),
     .fallback = "1h",
     .min = 10,
     .max = 30 * DAY_MS,
     .help = "A firing undelivered for this long is given up once its"
             " incident is resolved."},
    {.name = "PULSE_WEBHOOK_CONNECT_TIMEOUT",
     .type = CONF_DURATION,
     .offset = AT(webhook_connect_timeout_ms),
     .fallback = "5s",
     .min = 10,
     .max = 60000,
     .help = "How long connecting to a receiver may take."},
    {.name = "PULSE_WEBHOOK_TIMEOUT",
     .type = CONF_DURATION,
     .offset = AT(webhook_timeout_ms),
     .fallback = "15s",
     .min = 10,
     .max = 60000,
     .help = "How long an attempt may take in all."},
    {.name = "PULSE_WEBHOOK_CONCURRENCY",
     .type = CONF_INT,
     .offset = AT(webhook_concurrency),
     .fallback = "64",
     .min = 1,
     .max = 1000,
     .help = "Attempts under way at once."},
    {.name = "PULSE_WEBHOOK_PER_CHANNEL",
     .type = CONF_INT,
     .offset = AT(webhook_per_channel),
     .fallback = "4",
     .min = 1,
     .max = 1000,
     .help = "Of these to one channel, so that a slow receiver delays no"
             " other."},
    {.name = "PULSE_WEBHOOK_CA_FILE",
     .type = CONF_TEXT,
     .offset = AT(webhook_ca_file),
     .fallback = "",
     .help = "Certificate authorities receivers are checked against; empty:"
             " the system's."},
};

static bool check(struct err *err)
{
    if (!settings_consumer_check(&settings.consumer, "EVALUATOR", err))
        return false;
    if (settings.replay_ms < settings.lateness_ms) {
        err_set(err, ERR_INPUT,
                "PULSE_EVALUATOR_REPLAY must be at least"
                " PULSE_ALERT_LATENESS");
        return false;
    }
    return guard_parse(&settings.guard, str_of(settings.webhook_allow), err) &&
           schedule_parse(&settings.schedule, str_of(settings.webhook_schedule),
                          err);
}

const struct conf_program *evaluator_program(void)
{
    static struct conf_group groups[4];
    static const struct conf_program program = {
        .name = "pulse-evaluator",
        .summary = "Evaluates alert rules in event time and delivers what "
                   "follows.",
        .groups = groups,
        .group_count = ARRAY_LEN(groups),
        .check = check,
    };
    groups[0] = settings_group(&settings.shared);
    groups[1] = (struct conf_group){.title = "Evaluator",
                                    .items = rule_items,
                                    .count = ARRAY_LEN(rule_items),
                                    .into = &settings};
    groups[2] = settings_consumer_group("EVALUATOR", &settings.consumer);
    groups[3] = (struct conf_group){.title = "Webhooks",
                                    .items = webhook_items,
                                    .count = ARRAY_LEN(webhook_items),
                                    .into = &settings};
    return &program;
}

const struct evaluator_settings *evaluator_settings(void)
{
    return &settings;
}
