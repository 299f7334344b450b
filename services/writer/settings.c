/* SPDX-License-Identifier: Apache-2.0 */
#include "services/writer/settings.h"

#include <string.h>

#include "common/pulse/topology.h"

static struct writer_settings settings;

#define AT(field) offsetof(struct writer_settings, field)

static const struct conf_item items[] = {
    SETTINGS_ADMIN_ITEM("WRITER", PORT_ADMIN_WRITER, struct writer_settings,
                        admin_listen),
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
     .help = "A batch is written when it takes this much memory, in bytes;"
             " while it is written the next is filled."},
    {.name = "PULSE_WRITER_BATCH_AGE",
     .type = CONF_DURATION,
     .offset = AT(batch_age_ms),
     .fallback = "100ms",
     .min = 1,
     .max = 60000,
     .help = "A batch is written this long after the last one began to be, or"
             " at once where that is over: the longest a message waits."},
    {.name = "PULSE_WRITER_SERIES_CACHE",
     .type = CONF_INT,
     .offset = AT(series_cache),
     .fallback = "500000",
     .min = 1000,
     .max = 100000000,
     .help = "Series whose numbers and last times are remembered; should"
             " exceed those active, about 250 bytes each. Fewer where tenant,"
             " name and labels take more than 256 bytes on average."},
    {.name = "PULSE_WRITER_DEVICES_SEEN",
     .type = CONF_INT,
     .offset = AT(devices_seen),
     .fallback = "200000",
     .min = 1000,
     .max = 100000000,
     .help = "Devices whose last times are remembered, 24 bytes each."},
    {.name = "PULSE_WRITER_ON_GAP",
     .type = CONF_CHOICE,
     .offset = AT(on_gap),
     .fallback = "count",
     .choices = "count|hold",
     .help = "Where the log no longer has what is to be read next: count it and"
             " go on, or hold the partition until pulse offsets accept."},
    {.name = "PULSE_TELEMETRY_SERIES",
     .type = CONF_BOOL,
     .offset = AT(telemetry_series),
     .fallback = "on",
     .help = "Whether numeric fields of telemetry are stored as samples too."},
    {.name = "PULSE_RAW_TOPICS",
     .type = CONF_TEXT,
     .offset = AT(raw_topics),
     .fallback = "",
     .help = "Further topics, separated by commas (at most 16), whose messages"
             " are archived in raw_events as they are; the same for all"
             " writers."},
    {.name = "PULSE_RAW_TENANT",
     .type = CONF_TEXT,
     .offset = AT(raw_tenant),
     .fallback = "",
     .help = "Tenant who owns the messages of PULSE_RAW_TOPICS."},
};

static bool check_raw(struct err *err)
{
    topics_release(&settings.topics);
    if (!topics_init(&settings.topics, settings.raw_topics, err)) {
        err_in(err, "PULSE_RAW_TOPICS");
        return false;
    }
    size_t n = strlen(settings.raw_tenant);
    if (settings.topics.count == TOPIC_COUNT || (n > 0 && n < 64))
        return true;
    err_set(err, ERR_INPUT,
            "PULSE_RAW_TENANT must name the tenant of PULSE_RAW_TOPICS");
    return false;
}

static bool check(struct err *err)
{
    return check_raw(err) &&
           settings_consumer_check(&settings.consumer, "WRITER", err);
}

const struct conf_program *writer_program(void)
{
    static struct conf_group groups[3];
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
    groups[2] = settings_consumer_group("WRITER", &settings.consumer);
    return &program;
}

const struct writer_settings *writer_settings(void)
{
    return &settings;
}
