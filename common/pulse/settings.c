/* SPDX-License-Identifier: Apache-2.0 */
#include "common/pulse/settings.h"

static const struct conf_item items[] = {
    {.name = "PULSE_KAFKA_BROKERS",
     .type = CONF_TEXT,
     .offset = offsetof(struct settings, kafka_brokers),
     .fallback = "127.0.0.1:9092",
     .help = "Kafka brokers to start from: host:port, comma-separated."},
    {.name = "PULSE_POSTGRES_URL",
     .type = CONF_SECRET,
     .offset = offsetof(struct settings, postgres_url),
     .fallback = "postgresql://127.0.0.1:5432/pulse",
     .help = "PostgreSQL connection string (libpq URI or key=value), with "
             "the service's own login."},
    {.name = "PULSE_LOG_LEVEL",
     .type = CONF_CHOICE,
     .offset = offsetof(struct settings, log_level),
     .fallback = "info",
     .choices = "debug|info|warn|error",
     .help = "Least level of log lines that are written."},
    {.name = "PULSE_DRAIN_TIMEOUT",
     .type = CONF_DURATION,
     .offset = offsetof(struct settings, drain_timeout_ms),
     .fallback = "20s",
     .min = 1000,
     .max = 600000,
     .help = "How long a service may take to finish its work after SIGTERM."},
};

struct conf_group settings_group(struct settings *into)
{
    return (struct conf_group){
        .title = "Every Pulse program",
        .items = items,
        .count = ARRAY_LEN(items),
        .into = into,
    };
}
