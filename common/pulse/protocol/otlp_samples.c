/* SPDX-License-Identifier: Apache-2.0 */
#include "common/pulse/protocol/otlp_samples.h"

#include <math.h>

/* _count, _sum, _min, _max, +Inf, and the zero bucket's two bounds. */
enum { EXTRA_SAMPLES = 7 };

struct maker {
    struct check *check;
    struct otlp_sample *items;
    size_t count;
};

#define INVALID(m, ...)                                                       \
    fault_set(&(m)->check->fault, (m)->check->arena, FAULT_INVALID_HISTOGRAM, \
              (struct str){0}, __VA_ARGS__)

static void sample_add(struct maker *m, const char *suffix, double value)
{
    m->items[m->count++] =
        (struct otlp_sample){.suffix = suffix, .value = value};
}

static void bucket_add(struct maker *m, double bound, uint64_t below)
{
    m->items[m->count++] =
        /* 0.0 makes no -0 */
        (struct otlp_sample){"_bucket", "le", bound + 0.0, (double)below};
}

/* --- histograms --------------------------------------------------------- */

/* False: more than 64 bits hold. */
static bool sum_u64(const uint64_t *counts, size_t n, uint64_t *sum)
{
    for (size_t i = 0; i < n; i++)
        if (__builtin_add_overflow(*sum, counts[i], sum))
            return false;
    return true;
}

static bool bounds_rise(const double *bounds, size_t n)
{
    for (size_t i = 0; i < n; i++)
        if (!isfinite(bounds[i]) || (i > 0 && bounds[i] <= bounds[i - 1]))
            return false;
    return true;
}

static bool histogram_check(struct maker *m,
                            const Pulse__Otlp__HistogramDataPoint *h)
{
    size_t counts = h->n_bucket_counts, bounds = h->n_explicit_bounds;
    uint64_t sum = 0;

    if (counts > OTLP_BUCKETS_MAX)
        return INVALID(m, "has %zu buckets, at most %d are taken", counts,
                       OTLP_BUCKETS_MAX);
    if (counts == 0 ? bounds > 0 : counts != bounds + 1)
        return INVALID(m,
                       "has %zu bucket counts and %zu bounds; there must be "
                       "one count more than bounds, or neither",
                       counts, bounds);
    if (!bounds_rise(h->explicit_bounds, bounds))
        return INVALID(m, "has bounds that do not rise, or are not finite");
    if (counts > 0 &&
        (!sum_u64(h->bucket_counts, counts, &sum) || sum != h->count))
        return INVALID(m, "has bucket counts that do not add up to its count");
    return true;
}

static void histogram_buckets(struct maker *m,
                              const Pulse__Otlp__HistogramDataPoint *h)
{
    uint64_t below = 0;

    for (size_t i = 0; i < h->n_explicit_bounds; i++) {
        below += h->bucket_counts[i];
        bucket_add(m, h->explicit_bounds[i], below);
    }
    bucket_add(m, INFINITY, h->count);
}

/* What both kinds of histogram have beside their buckets. */
#define TOTALS(m, h)                                 \
    do {                                             \
        sample_add(m, "_count", (double)(h)->count); \
        if ((h)->sum_set_case)                       \
            sample_add(m, "_sum", (h)->sum);         \
        if ((h)->min_set_case)                       \
            sample_add(m, "_min", (h)->min);         \
        if ((h)->max_set_case)                       \
            sample_add(m, "_max", (h)->max);         \
    } while (0)

static bool histogram_make(struct maker *m,
                           const Pulse__Otlp__HistogramDataPoint *h)
{
    bool good = histogram_check(m, h);

    if (good)
        histogram_buckets(m, h);
    TOTALS(m, h);
    return good;
}

/* --- exponential histograms --------------------------------------------- */

typedef Pulse__Otlp__ExponentialHistogramDataPoint exponential_point;
typedef Pulse__Otlp__ExponentialHistogramDataPoint__Buckets exponential_side;

static size_t side_count(const exponential_side *side)
{
    return side ? side->n_bucket_counts : 0;
}

static bool exponential_check(struct maker *m, const exponential_point *h)
{
    size_t positive = side_count(h->positive),
           negative = side_count(h->negative);
    uint64_t sum = h->zero_count;

    if (positive > OTLP_BUCKETS_MAX / 2 || negative > OTLP_BUCKETS_MAX / 2)
        return INVALID(m, "has %zu buckets, at most %d are taken on each side",
                       positive > negative ? positive : negative,
                       OTLP_BUCKETS_MAX / 2);
    if ((positive > 0 &&
         !sum_u64(h->positive->bucket_counts, positive, &sum)) ||
        (negative > 0 &&
         !sum_u64(h->negative->bucket_counts, negative, &sum)) ||
        sum != h->count)
        return INVALID(m, "has bucket counts that do not add up to its count");
    if (!isfinite(h->zero_threshold) || h->zero_threshold < 0)
        return INVALID(m, "has a zero_threshold below 0 or not finite");
    return true;
}

/* A side's buckets at its scale, or merged to OTLP_SCALE_MAX. */
struct lattice {
    const exponential_side *side;
    int32_t scale;
    int shift; /* so many times are buckets merged in pairs */
};

static struct lattice lattice_of(const exponential_side *side, int32_t scale)
{
    int shift = 0;

    if (scale > OTLP_SCALE_MAX)
        shift = scale - OTLP_SCALE_MAX < 62 ? scale - OTLP_SCALE_MAX : 62;
    return (struct lattice){
        side, scale > OTLP_SCALE_MAX ? OTLP_SCALE_MAX : scale, shift};
}

/* Of the side's i-th count. */
static int64_t lattice_index(const struct lattice *l, size_t i)
{
    return ((int64_t)l->side->offset + (int64_t)i) >> l->shift;
}

/* base^index: where bucket index begins, on the positive side. */
static double lattice_bound(const struct lattice *l, int64_t index)
{
    int scale = l->scale < -64 ? -64 : l->scale;

    return exp2(ldexp((double)index, -scale));
}

/* Bounds only rise: a bucket's lower one is often the last one's upper. */
static void bound_add(struct maker *m, size_t first, double bound,
                      uint64_t below)
{
    if (!isfinite(bound))
        return; /* that is the count's bucket */
    if (m->count > first && bound <= m->items[m->count - 1].bound) {
        m->items[m->count - 1].value = (double)below;
        return;
    }
    bucket_add(m, bound, below);
}

/* Negative values are counted by how far from zero they are: the last first. */
static void negative_buckets(struct maker *m, const struct lattice *l,
                             size_t first, uint64_t *below)
{
    for (size_t i = side_count(l->side); i-- > 0;) {
        uint64_t count = l->side->bucket_counts[i];
        if (count == 0)
            continue;
        bound_add(m, first, -lattice_bound(l, lattice_index(l, i) + 1), *below);
        *below += count;
        bound_add(m, first, -lattice_bound(l, lattice_index(l, i)), *below);
    }
}

static void positive_buckets(struct maker *m, const struct lattice *l,
                             size_t first, uint64_t *below)
{
    for (size_t i = 0; i < side_count(l->side); i++) {
        uint64_t count = l->side->bucket_counts[i];
        if (count == 0)
            continue;
        bound_add(m, first, lattice_bound(l, lattice_index(l, i)), *below);
        *below += count;
        bound_add(m, first, lattice_bound(l, lattice_index(l, i) + 1), *below);
    }
}

static void exponential_buckets(struct maker *m, const exponential_point *h)
{
    const struct lattice negative = lattice_of(h->negative, h->scale),
                         positive = lattice_of(h->positive, h->scale);
    size_t first = m->count;
    uint64_t below = 0;

    negative_buckets(m, &negative, first, &below);
    if (h->zero_count > 0) {
        if (h->zero_threshold > 0)
            bound_add(m, first, -h->zero_threshold, below);
        below += h->zero_count;
        bound_add(m, first, h->zero_threshold, below);
    }
    positive_buckets(m, &positive, first, &below);
    bucket_add(m, INFINITY, h->count);
}

static bool exponential_make(struct maker *m, const exponential_point *h)
{
    bool good = exponential_check(m, h);

    if (good)
        exponential_buckets(m, h);
    TOTALS(m, h);
    return good;
}

/* --- the other kinds ---------------------------------------------------- */

static bool number_make(struct maker *m, const Pulse__Otlp__NumberDataPoint *n)
{
    switch (n->value_case) {
    case PULSE__OTLP__NUMBER_DATA_POINT__VALUE_AS_DOUBLE:
        sample_add(m, "", n->as_double);
        return true;
    case PULSE__OTLP__NUMBER_DATA_POINT__VALUE_AS_INT:
        sample_add(m, "", (double)n->as_int);
        return true;
    case PULSE__OTLP__NUMBER_DATA_POINT__VALUE__NOT_SET:
    case _PULSE__OTLP__NUMBER_DATA_POINT__VALUE__CASE_IS_INT_SIZE:
        break;
    }
    sample_add(m, "", NAN);
    return fault_set(&m->check->fault, m->check->arena, FAULT_MISSING_FIELD,
                     STR("value"), "is required: asDouble or asInt");
}

/* A quantile of nothing is NaN: it is left out. */
static bool summary_make(struct maker *m,
                         const Pulse__Otlp__SummaryDataPoint *s)
{
    bool good = s->n_quantile_values <= OTLP_BUCKETS_MAX;

    if (!good)
        INVALID(m, "has %zu quantiles, at most %d are taken",
                s->n_quantile_values, OTLP_BUCKETS_MAX);
    for (size_t i = 0; good && i < s->n_quantile_values; i++) {
        double at = s->quantile_values[i]->quantile;
        if (!(at >= 0 && at <= 1))
            good = INVALID(m, "has a quantile that is not from 0 to 1");
        else if (!isnan(s->quantile_values[i]->value))
            m->items[m->count++] = (struct otlp_sample){
                "", "quantile", at + 0.0, s->quantile_values[i]->value};
    }
    sample_add(m, "_count", (double)s->count);
    sample_add(m, "_sum", s->sum);
    return good;
}

static bool all_finite(const struct maker *m)
{
    for (size_t i = 0; i < m->count; i++) {
        const char *suffix = m->items[i].suffix;
        if (!check_finite(m->check, *suffix ? str_of(suffix + 1) : STR("value"),
                          m->items[i].value))
            return false;
    }
    return true;
}

static size_t at_most(size_t n, size_t max)
{
    return n < max ? n : max;
}

size_t otlp_samples_bound(const struct otlp_point *p)
{
    if (p->number)
        return 1;
    if (p->histogram)
        return EXTRA_SAMPLES +
               at_most(p->histogram->n_bucket_counts, OTLP_BUCKETS_MAX);
    if (p->exponential) /* each may give its lower bound, too */
        return EXTRA_SAMPLES +
               2 * at_most(side_count(p->exponential->positive) +
                               side_count(p->exponential->negative),
                           OTLP_BUCKETS_MAX);
    return EXTRA_SAMPLES +
           at_most(p->summary->n_quantile_values, OTLP_BUCKETS_MAX);
}

static void room_make(struct otlp_samples *s, struct arena *a, size_t count)
{
    if (s->room >= count)
        return;
    s->room = count > 2 * s->room ? count : 2 * s->room;
    s->items = arena_alloc(a, s->room * sizeof *s->items);
}

bool otlp_samples_make(struct check *c, const struct otlp_point *p,
                       struct otlp_samples *out)
{
    struct maker m = {.check = c};
    bool good;

    room_make(out, c->arena, otlp_samples_bound(p));
    m.items = out->items;
    if (p->number)
        good = number_make(&m, p->number);
    else if (p->histogram)
        good = histogram_make(&m, p->histogram);
    else if (p->exponential)
        good = exponential_make(&m, p->exponential);
    else
        good = summary_make(&m, p->summary);
    out->count = m.count;
    return good && all_finite(&m);
}
