/* SPDX-License-Identifier: Apache-2.0 */
#include "common/pulse/topology.h"

const char *const topic_names[TOPIC_COUNT] = {
    [AT_METRICS] = TOPIC_METRICS,
    [AT_TELEMETRY] = TOPIC_TELEMETRY,
    [AT_EVENTS] = TOPIC_EVENTS,
    [AT_DEADLETTER] = TOPIC_DEADLETTER,
};

const struct topic_size topic_sizes[TOPIC_COUNT] = {
    [AT_METRICS] = {.local = 6, .production = 24},
    [AT_TELEMETRY] = {.local = 6, .production = 24},
    [AT_EVENTS] = {.local = 6, .production = 12},
    [AT_DEADLETTER] = {.local = 3, .production = 6},
};
