/* SPDX-License-Identifier: Apache-2.0 */
#include "services/api/lttb.h"

#include <assert.h>
#include <math.h>

/* The first point of bucket i; between the first and the last point there are
 * `most - 2` buckets of (nearly) equal count. */
static size_t bucket_begin(size_t i, size_t count, size_t most)
{
    return 1 + (size_t)((double)i * (double)(count - 2) / (double)(most - 2));
}

static struct point mean_of(const struct point *p, size_t n)
{
    double time = 0, value = 0;
    for (size_t i = 0; i < n; i++) {
        time += (double)(p[i].time_us - p[0].time_us);
        value += p[i].value / (double)n;
    }
    return (struct point){p[0].time_us + (int64_t)(time / (double)n), value};
}

/* Twice the area of the triangle; times relative to a keep their precision. */
static double area_of(struct point a, struct point b, struct point c)
{
    double bx = (double)(b.time_us - a.time_us);
    double cx = (double)(c.time_us - a.time_us);
    return fabs(cx * (b.value - a.value) - bx * (c.value - a.value));
}

static size_t largest(struct point kept, const struct point *p, size_t n,
                      struct point next)
{
    size_t best = 0;
    double most = -1;
    for (size_t i = 0; i < n; i++) {
        double area = area_of(kept, p[i], next);
        if (area > most) {
            most = area;
            best = i;
        }
    }
    return best;
}

size_t lttb(struct point *points, size_t count, size_t most)
{
    assert(most >= 2);
    if (count <= most)
        return count;
    /* A bucket lies behind what was written so far: in place is safe. */
    struct point last = points[count - 1];
    size_t left = 1;
    for (size_t i = 0; i < most - 2; i++) {
        size_t begin = bucket_begin(i, count, most);
        size_t end = bucket_begin(i + 1, count, most);
        /* Behind the last bucket stands the last point alone. */
        struct point next =
            i + 1 == most - 2
                ? last
                : mean_of(points + end, bucket_begin(i + 2, count, most) - end);
        size_t best =
            largest(points[left - 1], points + begin, end - begin, next);
        points[left++] = points[begin + best];
    }
    points[left++] = last;
    return left;
}
