/* SPDX-License-Identifier: Apache-2.0 */
/* otlp_listing.h - what an OTLP body becomes, as text: a line for each record
 * and for each data point that is refused. */
#ifndef TEST_OTLP_LISTING_H
#define TEST_OTLP_LISTING_H

#include "common/buf.h"
#include "tests/unit/judge.h"

/* "name{label=value,…} number @µs", "!2 not_finite value", "!body code". */
void otlp_listing(struct check *c, struct str body, const char *content_type,
                  const char *resource_attributes, struct buf *out);
/* JSON as the same message in protobuf; in a. */
struct str otlp_protobuf(struct arena *a, struct str json);

/* Parts of bodies. */
#define TIME "\"timeUnixNano\":\"1767225600000000123\""
#define AT " @1767225600000000\n"
#define RESOURCE(attributes, scope, metrics)                            \
    "{\"resourceMetrics\":[{\"resource\":{\"attributes\":[" attributes  \
    "]},\"scopeMetrics\":[{\"scope\":{" scope "},\"metrics\":[" metrics \
    "]}]}]}"
#define METRICS(metrics) RESOURCE("", "", metrics)
#define METRIC(kind, more, points)                               \
    METRICS("{\"name\":\"m\",\"unit\":\"s\",\"" kind "\":{" more \
            "\"dataPoints\":[" points "]}}")
#define GAUGE(points) METRIC("gauge", "", points)
#define TEXT(key, text) \
    "{\"key\":\"" key "\",\"value\":{\"stringValue\":\"" text "\"}}"
#define VALUE(value) "{\"key\":\"k\",\"value\":{" value "}}"
#define DELTA "\"aggregationTemporality\":1,"
#define CUMULATIVE "\"aggregationTemporality\":2,"

struct otlp_case {
    const char *json, *listing;
};

static inline struct judge *judge_wide(const char *device)
{
    struct judge *j = judge_new(device);

    j->rules.labels_max = 12;
    return j;
}

#endif
