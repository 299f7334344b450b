/* SPDX-License-Identifier: Apache-2.0 */
#include "common/pulse/endpoint.h"

#include "common/pulse/event_json.h"
#include "common/pulse/metric_json.h"
#include "common/pulse/telemetry_json.h"

const struct endpoint_kind endpoint_kinds[ENDPOINT_COUNT] = {
    {"/api/v1/metrics/ingest", AT_METRICS, BODY_ONE, true, metric_json_parse},
    {"/api/v1/metrics/ingest/batch", AT_METRICS,
     BODY_WRAPPED | BODY_ARRAY | BODY_LINES, false, metric_json_parse},
    {"/api/v1/telemetry", AT_TELEMETRY, BODY_ONE | BODY_ARRAY | BODY_LINES,
     false, telemetry_json_parse},
    {"/api/v1/events", AT_EVENTS, BODY_ONE | BODY_ARRAY | BODY_LINES, false,
     event_json_parse},
};

const struct endpoint_kind *endpoint_find(struct str path)
{
    for (size_t i = 0; i < ENDPOINT_COUNT; i++)
        if (str_is(path, endpoint_kinds[i].path))
            return &endpoint_kinds[i];
    return NULL;
}

bool endpoint_lines(struct str content_type)
{
    return str_eq_nocase(content_type, STR("application/x-ndjson")) ||
           str_eq_nocase(content_type, STR("application/ndjson")) ||
           str_eq_nocase(content_type, STR("application/jsonl"));
}
