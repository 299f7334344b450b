/* SPDX-License-Identifier: Apache-2.0 */
#include "common/pulse/endpoint.h"

#include "common/pulse/protocol/event_json.h"
#include "common/pulse/protocol/influx.h"
#include "common/pulse/protocol/json.h"
#include "common/pulse/protocol/metric_json.h"
#include "common/pulse/protocol/otlp.h"
#include "common/pulse/protocol/prometheus.h"
#include "common/pulse/protocol/telemetry_json.h"

#define ONE_OR_MANY (JSON_ONE | JSON_ARRAY | JSON_LINES)

const struct endpoint_kind endpoint_kinds[] = {
    {"/api/v1/metrics/ingest", &json_protocol, JSON_ONE, metric_json_parse},
    {"/api/v1/metrics/ingest/batch", &json_protocol,
     JSON_WRAPPED | JSON_ARRAY | JSON_LINES, metric_json_parse},
    {"/api/v1/telemetry", &json_protocol, ONE_OR_MANY, telemetry_json_parse},
    {"/api/v1/events", &json_protocol, ONE_OR_MANY, event_json_parse},
    {"/api/v2/write", &influx_protocol, 0, NULL},
    {"/write", &influx_protocol, 0, NULL},
    {"/v1/metrics", &otlp_protocol, 0, NULL},
    {"/api/v1/write", &prometheus_protocol, 0, NULL},
};
const size_t endpoint_count = ARRAY_LEN(endpoint_kinds);

/* How dead letters of binary protocols are read. */
static const struct endpoint_kind kept_metrics = {
    NULL, &json_protocol, JSON_ONE | JSON_ARRAY, metric_json_parse};

const struct endpoint_kind *endpoint_find(struct str path)
{
    for (size_t i = 0; i < endpoint_count; i++)
        if (str_is(path, endpoint_kinds[i].path))
            return &endpoint_kinds[i];
    return NULL;
}

const char *skip_name(enum skip what)
{
    static const char *const names[SKIP_COUNT] = {
        [SKIP_STALE] = "stale",           [SKIP_NOT_FINITE] = "not_finite",
        [SKIP_EXEMPLAR] = "exemplar",     [SKIP_METADATA] = "metadata",
        [SKIP_TEXT_FIELD] = "text_field",
    };

    return names[what];
}

bool body_open(struct body *b, const struct endpoint_kind *kind,
               struct check *check, const struct posted *posted)
{
    if (str_is(posted->content_type, METRIC_JSON_TYPE))
        kind = &kept_metrics;
    *b = (struct body){.protocol = kind->protocol,
                       .kind = kind,
                       .check = check,
                       .posted = *posted};
    return b->protocol->open(b);
}

bool body_next(struct body *b, struct unit *u)
{
    *u = (struct unit){0};
    return b->protocol->next(b, u);
}

struct str body_text(const struct body *b, const struct unit *u)
{
    return b->protocol->text(b, u);
}

struct str body_text_type(const struct body *b)
{
    return b->protocol->text_type(b);
}
