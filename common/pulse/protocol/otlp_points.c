/* SPDX-License-Identifier: Apache-2.0 */
#include "common/pulse/protocol/otlp_points.h"

#define DELTA \
    PULSE__OTLP__AGGREGATION_TEMPORALITY__AGGREGATION_TEMPORALITY_DELTA

/* What all kinds of points have, under the same names. */
#define COMMON_PARTS(out, point)                        \
    do {                                                \
        (out)->time_ns = (point)->time_unix_nano;       \
        (out)->flags = (point)->flags;                  \
        (out)->attributes = (point)->attributes;        \
        (out)->attribute_count = (point)->n_attributes; \
    } while (0)

static bool number_at(Pulse__Otlp__NumberDataPoint **points, size_t count,
                      size_t at, struct otlp_point *out)
{
    if (at >= count)
        return false;
    out->number = points[at];
    COMMON_PARTS(out, points[at]);
    return true;
}

static bool histogram_at(const Pulse__Otlp__Histogram *h, size_t at,
                         struct otlp_point *out)
{
    if (at >= h->n_data_points)
        return false;
    out->delta = h->aggregation_temporality == DELTA;
    out->histogram = h->data_points[at];
    COMMON_PARTS(out, h->data_points[at]);
    return true;
}

static bool exponential_at(const Pulse__Otlp__ExponentialHistogram *h,
                           size_t at, struct otlp_point *out)
{
    if (at >= h->n_data_points)
        return false;
    out->delta = h->aggregation_temporality == DELTA;
    out->exponential = h->data_points[at];
    COMMON_PARTS(out, h->data_points[at]);
    return true;
}

static bool summary_at(const Pulse__Otlp__Summary *s, size_t at,
                       struct otlp_point *out)
{
    if (at >= s->n_data_points)
        return false;
    out->summary = s->data_points[at];
    COMMON_PARTS(out, s->data_points[at]);
    return true;
}

static bool point_at(const Pulse__Otlp__Metric *m, size_t at,
                     struct otlp_point *out)
{
    switch (m->data_case) {
    case PULSE__OTLP__METRIC__DATA_GAUGE:
        return number_at(m->gauge->data_points, m->gauge->n_data_points, at,
                         out);
    case PULSE__OTLP__METRIC__DATA_SUM:
        out->delta = m->sum->aggregation_temporality == DELTA;
        return number_at(m->sum->data_points, m->sum->n_data_points, at, out);
    case PULSE__OTLP__METRIC__DATA_HISTOGRAM:
        return histogram_at(m->histogram, at, out);
    case PULSE__OTLP__METRIC__DATA_EXPONENTIAL_HISTOGRAM:
        return exponential_at(m->exponential_histogram, at, out);
    case PULSE__OTLP__METRIC__DATA_SUMMARY:
        return summary_at(m->summary, at, out);
    case PULSE__OTLP__METRIC__DATA__NOT_SET:
    case _PULSE__OTLP__METRIC__DATA__CASE_IS_INT_SIZE:
        break;
    }
    return false; /* a kind of later times, or none */
}

/* The metric at hand; moves on over scopes and resources that are used up. */
static const Pulse__Otlp__Metric *metric_at(struct otlp_points *p)
{
    for (; p->resource < p->request->n_resource_metrics; p->resource++) {
        const Pulse__Otlp__ResourceMetrics *r =
            p->request->resource_metrics[p->resource];
        for (; p->scope < r->n_scope_metrics; p->scope++) {
            const Pulse__Otlp__ScopeMetrics *s = r->scope_metrics[p->scope];
            if (p->metric < s->n_metrics)
                return s->metrics[p->metric];
            p->metric = 0;
        }
        p->scope = 0;
    }
    return NULL;
}

bool otlp_points_next(struct otlp_points *p, struct otlp_point *out)
{
    const Pulse__Otlp__Metric *m;

    while ((m = metric_at(p))) {
        *out = (struct otlp_point){.index = p->index};
        if (point_at(m, p->point++, out)) {
            p->index++;
            out->resource = p->request->resource_metrics[p->resource];
            out->scope = out->resource->scope_metrics[p->scope];
            out->name = (struct str){(const char *)m->name.data, m->name.len};
            return true;
        }
        p->point = 0;
        p->metric++;
    }
    return false;
}
