/* SPDX-License-Identifier: Apache-2.0 */
/* settings.h - the writer's settings, from the environment. */
#ifndef WRITER_SETTINGS_H
#define WRITER_SETTINGS_H

#include "common/pulse/settings.h"
#include "services/writer/topics.h"

struct writer_settings {
    struct settings shared;
    struct settings_consumer consumer;
    const char *admin_listen;
    int64_t batch_rows, batch_bytes, batch_age_ms;
    int64_t series_cache, devices_seen;
    bool telemetry_series;
    const char *raw_topics, *raw_tenant;
    struct topics topics; /* of raw_topics */
    const char *on_gap;   /* "count" or "hold" */
};

/* Its settings are the process's one. */
const struct conf_program *writer_program(void);
const struct writer_settings *writer_settings(void);

#endif
