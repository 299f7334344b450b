/* SPDX-License-Identifier: Apache-2.0 */
#include "common/pulse/limits.h"

#define AT(field) offsetof(struct limits, field)

static const struct conf_item items[] = {
    {"PULSE_INGEST_MESSAGE_BYTES", CONF_BYTES, AT(message_bytes_max), "1000000",
     1024, 100e6, NULL,
     "Largest encoded record; the topics' max.message.bytes must allow it."},
    {"PULSE_INGEST_TIME_PAST", CONF_DURATION, AT(time_past_ms), "7d", 1000,
     3650 * 86400e3, NULL,
     "A record may be this much older than now, where the store's late "
     "limit is not shorter."},
    {"PULSE_INGEST_TIME_FUTURE", CONF_DURATION, AT(time_future_ms), "10m", 0,
     86400e3, NULL, "A record may be this much ahead of now."},
    {"PULSE_INGEST_LABELS", CONF_INT, AT(labels_max), "32", 1, 256, NULL,
     "Most labels of one metric, the source among them."},
    {"PULSE_INGEST_FIELDS", CONF_INT, AT(fields_max), "256", 1, 4096, NULL,
     "Most readings in one telemetry message."},
};

struct conf_group limits_group(struct limits *into)
{
    return (struct conf_group){
        .title = "Records the edge takes (and redrive lets in)",
        .items = items,
        .count = ARRAY_LEN(items),
        .into = into,
    };
}

struct check_rules limits_rules(const struct limits *l)
{
    return (struct check_rules){
        .past_us = l->time_past_ms * 1000,
        .future_us = l->time_future_ms * 1000,
        .labels_max = (size_t)l->labels_max,
        .fields_max = (size_t)l->fields_max,
    };
}
