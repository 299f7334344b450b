/* SPDX-License-Identifier: Apache-2.0 */
#include "services/writer/marks.h"

static const int64_t bucket_us = INT64_C(60) * 1000 * 1000;

static bool any_inserted(const struct rows *samples)
{
    for (size_t i = 0; i < samples->count; i++)
        if (row_was_inserted(rows_at(samples, i)))
            return true;
    return false;
}

/* Where the rollups are: rows older than it need a mark. */
static bool enter(struct pg *pg, int64_t *upto_us, struct err *err)
{
    AUTO(pg_result) r = pg_run(pg, "SELECT store.rollup_enter()", NULL, err);
    if (r == NULL)
        return false;
    *upto_us = pg_get_time(r, 0, 0);
    return true;
}

static bool is_late(const struct row *row, int64_t upto_us)
{
    return row->time_us < upto_us && row_was_inserted(row);
}

static int64_t count_late(const struct rows *samples, int64_t upto_us)
{
    int64_t n = 0;
    for (size_t i = 0; i < samples->count; i++)
        n += is_late(rows_at(samples, i), upto_us);
    return n;
}

/* Samples are sorted by series and time: a bucket's are neighbours. */
static size_t collect(const struct rows *samples, int64_t upto_us,
                      int64_t *series, int64_t *times)
{
    size_t n = 0;
    for (size_t i = 0; i < samples->count; i++) {
        const struct row *row = rows_at(samples, i);
        int64_t id = ((const struct sample_row *)row)->series_id;
        if (!is_late(row, upto_us))
            continue;
        int64_t bucket = row->time_us / bucket_us * bucket_us;
        if (n > 0 && series[n - 1] == id && times[n - 1] == bucket)
            continue;
        series[n] = id;
        times[n++] = bucket;
    }
    return n;
}

static bool write(struct batch *b, struct pg *pg, struct marks *out,
                  struct err *err)
{
    const struct rows *samples = &b->samples;
    int64_t upto_us;
    if (!any_inserted(samples))
        return true;
    if (!enter(pg, &upto_us, err))
        return false;
    out->rows = count_late(samples, upto_us);
    if (out->rows == 0)
        return true;
    size_t bytes = (size_t)out->rows * sizeof(int64_t);
    int64_t *series = arena_alloc(b->arena, bytes);
    int64_t *times = arena_alloc(b->arena, bytes);
    size_t n = collect(samples, upto_us, series, times);
    out->buckets = (int64_t)n;
    struct pg_params p = {.count = 0};
    pg_i64_array(&p, series, n);
    pg_time_array(&p, times, n);
    return pg_do(pg, "SELECT store.rollup_mark($1::int8[], $2::timestamptz[])",
                 &p, NULL, err);
}

bool marks_write(struct batch *b, struct pg *pg, struct marks *out,
                 struct err *err)
{
    *out = (struct marks){0};
    if (write(b, pg, out, err))
        return true;
    err_in(err, "rollup marks");
    return false;
}
