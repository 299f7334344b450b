/* SPDX-License-Identifier: Apache-2.0 */
/* otlp_points.h - the data points of a request, one after the other, whatever
 * kind of metric they belong to. */
#ifndef COMMON_PULSE_PROTOCOL_OTLP_POINTS_H
#define COMMON_PULSE_PROTOCOL_OTLP_POINTS_H

#include "build/gen/otlp.pb-c.h"
#include "common/str.h"

struct otlp_point {
    size_t index; /* in the request, from 0 */
    const Pulse__Otlp__ResourceMetrics *resource;
    const Pulse__Otlp__ScopeMetrics *scope;
    struct str name; /* of the metric */
    bool delta;      /* counts what came since the last one */
    /* Of every kind: */
    uint64_t time_ns; /* 0: none */
    uint32_t flags;
    Pulse__Otlp__KeyValue **attributes;
    size_t attribute_count;
    /* The one that is not NULL. */
    const Pulse__Otlp__NumberDataPoint *number;
    const Pulse__Otlp__HistogramDataPoint *histogram;
    const Pulse__Otlp__ExponentialHistogramDataPoint *exponential;
    const Pulse__Otlp__SummaryDataPoint *summary;
};

/* The point has no value; it says that its series ended. */
static inline bool otlp_point_empty(const struct otlp_point *p)
{
    return p->flags & 1;
}

/* Where the next point is. {.request = r} begins. */
struct otlp_points {
    const Pulse__Otlp__ExportMetricsServiceRequest *request;
    size_t resource, scope, metric, point, index;
};

/* False: that was the last. */
bool otlp_points_next(struct otlp_points *p, struct otlp_point *out);

#endif
