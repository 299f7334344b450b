/* SPDX-License-Identifier: Apache-2.0 */
/* settings.h - the collector's settings. */
#ifndef SERVICES_COLLECTOR_SETTINGS_H
#define SERVICES_COLLECTOR_SETTINGS_H

#include "common/pulse/settings.h"
#include "common/pulse/target.h"

struct collector_settings {
    struct settings shared;
    const char *admin_listen;
    const char *targets_text;
    struct targets targets; /* parsed from it */
    const char *disks;      /* paths, joined by commas */
    int64_t interval_ms;
    int64_t timeout_ms; /* of each question asked */
    int64_t series_max; /* per target */
    bool publish;       /* to Kafka too */
    bool maintenance;   /* run the jobs */
    int64_t rollup_interval_ms;
    int64_t retention_interval_ms; /* of outbox too */
    int64_t outbox_retention_ms;
    int64_t job_timeout_ms; /* of one statement of a job */
};

/* Filled by conf_main. */
extern struct collector_settings collector_settings;
const struct conf_program *collector_program(void);

#endif
