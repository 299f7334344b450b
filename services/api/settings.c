/* SPDX-License-Identifier: Apache-2.0 */
#include "services/api/settings.h"

#include "common/pulse/topology.h"

struct api_settings api_settings;

#define AT(field) offsetof(struct api_settings, field)

static const struct conf_item items[] = {
    SETTINGS_ADMIN_ITEM("API", PORT_ADMIN_API, struct api_settings,
                        admin_listen),
    {.name = "PULSE_API_LISTEN",
     .type = CONF_TEXT,
     .offset = AT(listen),
     .fallback = "127.0.0.1:" PORT_API,
     .help = "Address and port of the query API."},
    {.name = "PULSE_API_ANONYMOUS_TENANT",
     .type = CONF_TEXT,
     .offset = AT(anonymous_tenant),
     .fallback = "",
     .help = "Requests without a key read this tenant; empty: they are "
             "refused. Everybody who reaches the port can then read it."},
    {.name = "PULSE_API_HTTP_THREADS",
     .type = CONF_INT,
     .offset = AT(http_threads),
     .fallback = "2",
     .min = 1,
     .max = 64,
     .help = "Threads that read requests and send answers."},
    {.name = "PULSE_API_CONNECTIONS_MAX",
     .type = CONF_INT,
     .offset = AT(connections_max),
     .fallback = "1000",
     .min = 1,
     .max = 100000,
     .help = "Most HTTP connections at once; one more gets 503, and idle ones "
             "make room."},
    {.name = "PULSE_API_CONNECTIONS_PER_ADDRESS",
     .type = CONF_INT,
     .offset = AT(connections_per_address_max),
     .fallback = "0",
     .min = 0,
     .max = 100000,
     .help = "Most of them from one IPv4 address or IPv6 /64; 0: no limit."},
    {.name = "PULSE_API_WORKERS",
     .type = CONF_INT,
     .offset = AT(workers),
     .fallback = "4",
     .min = 1,
     .max = 128,
     .help = "Threads that answer, each with a PostgreSQL connection."},
    {.name = "PULSE_API_QUEUE_MAX",
     .type = CONF_INT,
     .offset = AT(queue_max),
     .fallback = "256",
     .min = 1,
     .max = 100000,
     .help = "Most requests that wait for a worker; beyond it 503."},
    {.name = "PULSE_API_STATEMENT_TIMEOUT",
     .type = CONF_DURATION,
     .offset = AT(statement_timeout_ms),
     .fallback = "10s",
     .min = 100,
     .max = 600000,
     .help = "Longest time PostgreSQL may work on one statement; then 504."},
    {.name = "PULSE_API_SERIES_MAX",
     .type = CONF_INT,
     .offset = AT(series_max),
     .fallback = "1000",
     .min = 1,
     .max = 100000,
     .help = "Most series one answer may touch; more is refused."},
    {.name = "PULSE_API_ROWS_MAX",
     .type = CONF_INT,
     .offset = AT(rows_max),
     .fallback = "100000",
     .min = 100,
     .max = 10000000,
     .help = "Most raw rows one chart reads into memory; a longer range is "
             "averaged by the database instead."},
};

const struct conf_program *api_program(void)
{
    static struct conf_group groups[2];
    groups[0] = settings_group(&api_settings.shared);
    groups[1] = (struct conf_group){.title = "api",
                                    .items = items,
                                    .count = ARRAY_LEN(items),
                                    .into = &api_settings};
    static const struct conf_program program = {
        .name = "pulse-api",
        .summary = "Answers queries over HTTP: metrics, hosts, charts, "
                   "incidents.",
        .groups = groups,
        .group_count = ARRAY_LEN(groups),
    };
    return &program;
}
