/* SPDX-License-Identifier: Apache-2.0 */
#include "services/writer/settings.h"

#include "common/pulse/topology.h"

static struct writer_settings settings;

#define AT(field) offsetof(struct writer_settings, field)

static const struct conf_item items[] = {
    SETTINGS_ADMIN_ITEM("WRITER", PORT_ADMIN_WRITER, struct writer_settings,
                        admin_listen),
    {.name = "PULSE_WRITER_OWNER",
     .type = CONF_TEXT,
     .offset = AT(owner),
     .fallback = "",
     .help = "Name of this process in store.consumer_offset, for people;"
             " empty: host and process id."},
    {.name = "PULSE_WRITER_BATCH_ROWS",
     .type = CONF_INT,
     .offset = AT(batch_rows),
     .fallback = "50000",
     .min = 1,
     .max = 1000000,
     .help = "A batch is written when it has this many messages and samples."},
    {.name = "PULSE_WRITER_BATCH_BYTES",
     .type = CONF_BYTES,
     .offset = AT(batch_bytes),
     .fallback = "16m",
     .min = 65536,
     .max = 1073741824,
     .help = "A batch is written when it takes this much memory, in bytes."},
    {.name = "PULSE_WRITER_BATCH_AGE",
     .type = CONF_DURATION,
     .offset = AT(batch_age_ms),
     .fallback = "100ms",
     .min = 1,
     .max = 60000,
     .help = "A batch is written this long after the last one began to be, or"
             " at once where that is over: the longest a message waits."},
    {.name = "PULSE_WRITER_SESSION_TIMEOUT",
     .type = CONF_DURATION,
     .offset = AT(session_timeout_ms),
     .fallback = "10s",
     .min = 1000,
     .max = 300000,
     .help = "A writer silent for this long loses its partitions to others;"
             " the brokers bound it (group.min.session.timeout.ms)."},
    {.name = "PULSE_WRITER_MAX_POLL_INTERVAL",
     .type = CONF_DURATION,
     .offset = AT(max_poll_interval_ms),
     .fallback = "5m",
     .min = 2000,
     .max = 86400000,
     .help = "Longest time one batch may take; without a database for half"
             " of it the writer leaves its group."},
    {.name = "PULSE_WRITER_QUEUE_BYTES",
     .type = CONF_BYTES,
     .offset = AT(queue_bytes),
     .fallback = "16m",
     .min = 1048576,
     .max = 1073741824,
     .help = "Messages fetched ahead of the batch, in bytes."},
    {.name = "PULSE_WRITER_CONNECT_TIMEOUT",
     .type = CONF_DURATION,
     .offset = AT(connect_timeout_ms),
     .fallback = "5s",
     .min = 100,
     .max = 60000,
     .help = "How long connecting to PostgreSQL may take."},
    {.name = "PULSE_WRITER_STATEMENT_TIMEOUT",
     .type = CONF_DURATION,
     .offset = AT(statement_timeout_ms),
     .fallback = "30s",
     .min = 1000,
     .max = 600000,
     .help = "How long one statement of a batch may take."},
    {.name = "PULSE_WRITER_SERIES_CACHE",
     .type = CONF_INT,
     .offset = AT(series_cache),
     .fallback = "500000",
     .min = 1000,
     .max = 100000000,
     .help = "Series whose numbers and last times are remembered; should"
             " exceed those active, about 250 bytes each."},
    {.name = "PULSE_WRITER_DEVICES_SEEN",
     .type = CONF_INT,
     .offset = AT(devices_seen),
     .fallback = "200000",
     .min = 1000,
     .max = 100000000,
     .help = "Devices whose last times are remembered, 24 bytes each."},
    {.name = "PULSE_TELEMETRY_SERIES",
     .type = CONF_BOOL,
     .offset = AT(telemetry_series),
     .fallback = "on",
     .help = "Whether numeric fields of telemetry are stored as samples too."},
};

static bool check(struct err *err)
{
    if (settings.session_timeout_ms <= settings.max_poll_interval_ms)
        return true;
    err_set(err, ERR_INPUT,
            "PULSE_WRITER_SESSION_TIMEOUT must not exceed"
            " PULSE_WRITER_MAX_POLL_INTERVAL");
    return false;
}

const struct conf_program *writer_program(void)
{
    static struct conf_group groups[2];
    static const struct conf_program program = {
        .name = "pulse-writer",
        .summary = "Stores what Kafka holds in TimescaleDB, every record once.",
        .groups = groups,
        .group_count = ARRAY_LEN(groups),
        .check = check,
    };
    groups[0] = settings_group(&settings.shared);
    groups[1] = (struct conf_group){.title = "Writer",
                                    .items = items,
                                    .count = ARRAY_LEN(items),
                                    .into = &settings};
    return &program;
}

const struct writer_settings *writer_settings(void)
{
    return &settings;
}
