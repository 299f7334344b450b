/* SPDX-License-Identifier: Apache-2.0 */
#include "services/collector/settings.h"

struct collector_settings collector_settings;

#define AT(field) offsetof(struct collector_settings, field)

static const struct conf_item items[] = {
    SETTINGS_ADMIN_ITEM("COLLECTOR", PORT_ADMIN_COLLECTOR,
                        struct collector_settings, admin_listen),
    {.name = "PULSE_TARGETS",
     .type = CONF_TEXT,
     .offset = AT(targets_text),
     .fallback = TARGETS_LOCAL,
     .help = "Services to watch: service=host:port of the admin port, joined "
             "by commas; replicas repeat the service."},
    {.name = "PULSE_COLLECTOR_INTERVAL",
     .type = CONF_DURATION,
     .offset = AT(interval_ms),
     .fallback = "10s",
     .min = 1000,
     .max = 3600000,
     .help = "Time between two rounds of measuring."},
    {.name = "PULSE_COLLECTOR_TIMEOUT",
     .type = CONF_DURATION,
     .offset = AT(timeout_ms),
     .fallback = "3s",
     .min = 100,
     .max = 60000,
     .help = "Longest wait for one answer: of all targets together, of Kafka, "
             "of PostgreSQL."},
    {.name = "PULSE_COLLECTOR_SERIES_MAX",
     .type = CONF_INT,
     .offset = AT(series_max),
     .fallback = "500",
     .min = 10,
     .max = 10000,
     .help = "Most series taken from one target; the rest is counted as "
             "dropped."},
    {.name = "PULSE_COLLECTOR_DISKS",
     .type = CONF_TEXT,
     .offset = AT(disks),
     .fallback = "/",
     .help = "Paths whose file systems are measured, joined by commas."},
    {.name = "PULSE_COLLECTOR_PUBLISH",
     .type = CONF_BOOL,
     .offset = AT(publish),
     .fallback = "on",
     .help = "Also produce the readings to pulse.metrics for tenant pulse, so "
             "that alert rules can watch Pulse itself."},
    {.name = "PULSE_COLLECTOR_MAINTENANCE",
     .type = CONF_BOOL,
     .offset = AT(maintenance),
     .fallback = "on",
     .help = "Run the maintenance jobs: rollups, retention, old "
             "notifications. Of several collectors one does; without any the "
             "store grows for ever."},
    {.name = "PULSE_COLLECTOR_ROLLUP_INTERVAL",
     .type = CONF_DURATION,
     .offset = AT(rollup_interval_ms),
     .fallback = "1m",
     .min = 1000,
     .max = 3600000,
     .help = "Time between two runs of the job that fills the rollups "
             "(apache edition of TimescaleDB; the other has policies)."},
    {.name = "PULSE_COLLECTOR_RETENTION_INTERVAL",
     .type = CONF_DURATION,
     .offset = AT(retention_interval_ms),
     .fallback = "1h",
     .min = 1000,
     .max = 86400000,
     .help = "Time between two runs of the jobs that delete what is past its "
             "retention."},
    {.name = "PULSE_COLLECTOR_OUTBOX_RETENTION",
     .type = CONF_DURATION,
     .offset = AT(outbox_retention_ms),
     .fallback = "90d",
     .min = 86400000,
     .max = 315360000000,
     .help = "Age at which finished notifications and their attempts are "
             "deleted, unless their incident is still open."},
    {.name = "PULSE_COLLECTOR_JOB_TIMEOUT",
     .type = CONF_DURATION,
     .offset = AT(job_timeout_ms),
     .fallback = "10m",
     .min = 1000,
     .max = 86400000,
     .help = "Longest time one statement of a maintenance job may take."},
};

static bool check(struct err *err)
{
    if (targets_parse(str_of(collector_settings.targets_text),
                      &collector_settings.targets, err))
        return true;
    err_in(err, "PULSE_TARGETS");
    return false;
}

const struct conf_program *collector_program(void)
{
    static struct conf_group groups[2];
    groups[0] = settings_group(&collector_settings.shared);
    groups[1] = (struct conf_group){.title = "collector",
                                    .items = items,
                                    .count = ARRAY_LEN(items),
                                    .into = &collector_settings};
    static const struct conf_program program = {
        .name = "pulse-collector",
        .summary = "Watches the services, Kafka, PostgreSQL and the host, and "
                   "writes what it sees to system_metrics.",
        .groups = groups,
        .group_count = ARRAY_LEN(groups),
        .check = check,
    };
    return &program;
}
