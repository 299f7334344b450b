/* SPDX-License-Identifier: Apache-2.0 */
/* record_samples.h - one good record of each kind, for tests. */
#ifndef TESTS_RECORD_SAMPLES_H
#define TESTS_RECORD_SAMPLES_H

#include "common/pulse/record.h"

#define TIME_US INT64_C(1767225600123456) /* 2026-01-01T00:00:00.123456Z */

static const struct label labels[] = {{{"host", 4}, {"h1", 2}},
                                      {{"zone", 4}, {"", 0}}};

static inline struct record metric(void)
{
    return (struct record){
        .kind = RECORD_METRIC,
        .metric = {.tenant_id = STR("acme"),
                   .name = STR("cpu_usage"),
                   .labels = labels,
                   .label_count = ARRAY_LEN(labels),
                   .value = 0.1,
                   .time_us = TIME_US,
                   .received_at_us = TIME_US + 1},
    };
}

static const struct field fields[] = {
    {.name = {"temp", 4}, .type = FIELD_REAL, .real = -0.5},
    {.name = {"count", 5}, .type = FIELD_INTEGER, .integer = INT64_MIN},
    {.name = {"on", 2}, .type = FIELD_BOOLEAN, .boolean = true},
    {.name = {"\xc3\xa4", 2}, .type = FIELD_TEXT, .text = {"", 0}},
};

static inline struct record telemetry(void)
{
    return (struct record){
        .kind = RECORD_TELEMETRY,
        .telemetry = {.tenant_id = STR("acme"),
                      .device_id = STR("d-1"),
                      .site_id = STR(""),
                      .msg_type = STR("telemetry"),
                      .seq = 7,
                      .time_us = TIME_US,
                      .received_at_us = TIME_US + 1,
                      .metrics = fields,
                      .metric_count = ARRAY_LEN(fields)},
    };
}

static inline struct record event(void)
{
    return (struct record){
        .kind = RECORD_EVENT,
        .event = {.tenant_id = STR("acme"),
                  .id = STR("e1"),
                  .kind = EVENT_EVENT,
                  .level = STR("error"),
                  .service = STR("shop"),
                  .attributes = STR("{\"a\": [1]}"),
                  .time_us = TIME_US,
                  .received_at_us = TIME_US + 1},
    };
}

static inline struct record dead_letter(void)
{
    return (struct record){
        .kind = RECORD_DEAD_LETTER,
        .dead_letter = {.stage = STR("writer"),
                        .reason = STR("undecodable"),
                        .detail = STR("no Avro"),
                        .content_type = STR("application/octet-stream"),
                        .payload = {"\xff\0\1", 3},
                        .topic = STR("pulse.metrics"),
                        .part = 3,
                        .offset = INT64_C(5000000000),
                        .received_at_us = TIME_US,
                        .failed_at_us = TIME_US + 1},
    };
}

#endif
