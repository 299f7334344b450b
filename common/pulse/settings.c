/* SPDX-License-Identifier: Apache-2.0 */
#include "common/pulse/settings.h"

#include <assert.h>
#include <stdio.h>

#include "common/member.h"
#include "common/pulse/topology.h"

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

/* ---- consumers ---- */

#define AT(field) offsetof(struct settings_consumer, field)

/* Names are what follows PULSE_<SERVICE>_. */
static const struct conf_item consumer_items[] = {
    {.name = "OWNER",
     .type = CONF_TEXT,
     .offset = AT(owner),
     .fallback = "",
     .help = "Name of this process in store.consumer_offset, for people;"
             " empty: host and process id."},
    {.name = "SESSION_TIMEOUT",
     .type = CONF_DURATION,
     .offset = AT(session_timeout_ms),
     .fallback = "10s",
     .min = 1000,
     .max = 300000,
     .help = "A process silent for this long loses its partitions to others;"
             " the brokers bound it (group.min.session.timeout.ms)."},
    {.name = "MAX_POLL_INTERVAL",
     .type = CONF_DURATION,
     .offset = AT(max_poll_interval_ms),
     .fallback = "5m",
     .min = 2000,
     .max = 86400000,
     .help = "Longest time one batch may take; without a database for half"
             " of it the process leaves its group."},
    {.name = "QUEUE_BYTES",
     .type = CONF_BYTES,
     .offset = AT(queue_bytes),
     .fallback = "16m",
     .min = 1048576,
     .max = 1073741824,
     .help = "Messages fetched ahead of the batch, in bytes."},
    {.name = "CONNECT_TIMEOUT",
     .type = CONF_DURATION,
     .offset = AT(connect_timeout_ms),
     .fallback = "5s",
     .min = 100,
     .max = 60000,
     .help = "How long connecting to PostgreSQL may take."},
    {.name = "STATEMENT_TIMEOUT",
     .type = CONF_DURATION,
     .offset = AT(statement_timeout_ms),
     .fallback = "20s",
     .min = 1000,
     .max = 600000,
     .help = "How long one statement of a batch may take; 5 s later, should"
             " the server say nothing at all, the connection is given up."},
};

struct conf_group settings_consumer_group(const char *service,
                                          struct settings_consumer *into)
{
    enum { ITEMS = ARRAY_LEN(consumer_items), NAME_MAX_BYTES = 64 };
    static char names[ITEMS][NAME_MAX_BYTES];
    static struct conf_item made[ITEMS];
    for (size_t i = 0; i < ITEMS; i++) {
        int n = snprintf(names[i], sizeof names[i], "PULSE_%s_%s", service,
                         consumer_items[i].name);
        assert(n > 0 && n < NAME_MAX_BYTES);
        made[i] = consumer_items[i];
        made[i].name = names[i];
    }
    return (struct conf_group){
        .title = "Consuming", .items = made, .count = ITEMS, .into = into};
}

struct member_options settings_member(const struct settings *shared,
                                      const struct settings_consumer *s)
{
    return (struct member_options){
        .brokers = shared->kafka_brokers,
        .postgres_url = shared->postgres_url,
        .offsets = TABLE_CONSUMER_OFFSET,
        .gaps = TABLE_OFFSET_GAPS,
        .owner = s->owner,
        .session_timeout_ms = s->session_timeout_ms,
        .max_poll_interval_ms = s->max_poll_interval_ms,
        .queue_bytes = s->queue_bytes,
        .connect_timeout_ms = s->connect_timeout_ms,
        .statement_timeout_ms = s->statement_timeout_ms,
    };
}

bool settings_consumer_check(const struct settings_consumer *s,
                             const char *service, struct err *err)
{
    if (s->session_timeout_ms <= s->max_poll_interval_ms)
        return true;
    err_set(err, ERR_INPUT,
            "PULSE_%s_SESSION_TIMEOUT must not exceed"
            " PULSE_%s_MAX_POLL_INTERVAL",
            service, service);
    return false;
}
