/* SPDX-License-Identifier: Apache-2.0 */
/* chart.c - one metric over a range of time, in at most so many points. */
#include <inttypes.h>
#include <stdlib.h>

#include "common/clock.h"
#include "common/json.h"
#include "services/api/endpoints.h"
#include "services/api/lttb.h"
#include "services/api/range.h"

enum { POINTS_DEFAULT = 800, POINTS_MIN = 2, POINTS_MAX = 5000, GAPS = 20 };

struct chart {
    struct str name, host; /* host.p == NULL: all */
    struct range range;
    int64_t points_asked;
    int64_t *series;
    size_t series_count;
    struct point *points;
    size_t count;
    const char *reduced; /* how: "none", "lttb", "average" */
};

static bool chart_parse(struct chart *c, struct asking *a)
{
    struct http_request *r = a->request;
    struct err err = {0};
    c->points_asked = POINTS_DEFAULT;
    if (!path_text(a, "name", &c->name) || !query_text(a, "host", &c->host))
        return false;
    if (range_parse(http_query(r, "start"), http_query(r, "end"),
                    clock_wall_us(), &c->range, &err) &&
        count_parse("points", http_query(r, "points"), POINTS_MIN, POINTS_MAX,
                    &c->points_asked, &err))
        return true;
    return refuse(a, 400, "invalid_parameter", "%s", err.text);
}

static bool series_find(struct chart *c, struct asking *a, struct err *err)
{
    int64_t most = a->settings->series_max;
    struct pg_params p = {0};
    pg_text(&p, c->name);
    pg_text_opt(&p, c->host);
    pg_i64(&p, most + 1);
    AUTO(pg_result) r = pg_run(a->pg,
                               "select series_id from series where name = $1"
                               " and ($2::text is null or host = $2) limit $3",
                               &p, err);
    if (!r)
        return false;
    if (pg_rows(r) == 0)
        return metric_unknown(a, c->name, c->host, err);
    if (pg_rows(r) > most)
        return refuse(a, 400, "too_many_series",
                      "more than %" PRId64 " series match; name a host", most);
    c->series_count = (size_t)pg_rows(r);
    c->series = xcalloc(c->series_count, sizeof *c->series);
    for (size_t i = 0; i < c->series_count; i++)
        c->series[i] = pg_get_i64(r, (int)i, 0);
    return true;
}

static void points_take(struct chart *c, const struct pg_result *r)
{
    c->count = (size_t)pg_rows(r);
    c->points = xreallocarray(c->points, c->count + 1, sizeof *c->points);
    for (size_t i = 0; i < c->count; i++)
        c->points[i] =
            (struct point){pg_get_time(r, (int)i, 0), pg_get_f64(r, (int)i, 1)};
}

/* Raw rows of one series. *too_many: more than rows_max, nothing was taken. */
static bool raw_read(struct chart *c, struct asking *a, bool *too_many,
                     struct err *err)
{
    int64_t most = a->settings->rows_max;
    struct pg_params p = {0};
    pg_i64(&p, c->series[0]);
    pg_time(&p, c->range.start_us);
    pg_time(&p, c->range.end_us);
    pg_i64(&p, most + 1);
    AUTO(pg_result) r =
        pg_run(a->pg,
               "select time, value from metrics where series_id = $1"
               " and time >= $2 and time < $3 order by time limit $4",
               &p, err);
    if (!r)
        return false;
    *too_many = pg_rows(r) > most;
    if (*too_many)
        return true;
    points_take(c, r);
    size_t left = lttb(c->points, c->count, (size_t)c->points_asked);
    c->reduced = left < c->count ? "lttb" : "none";
    c->count = left;
    return true;
}

/* Usual time between two readings of a series, µs; 0: cannot be told. */
static bool gap_read(struct chart *c, struct asking *a, int64_t *gap_us,
                     struct err *err)
{
    struct pg_params p = {0};
    pg_i64(&p, c->series[0]);
    pg_time(&p, c->range.start_us);
    pg_time(&p, c->range.end_us);
    pg_i64(&p, GAPS + 1);
    AUTO(pg_result) r =
        pg_run(a->pg,
               "select time from metrics where series_id = $1"
               " and time >= $2 and time < $3 order by time desc limit $4",
               &p, err);
    if (!r)
        return false;
    int n = pg_rows(r);
    *gap_us =
        n < 2 ? 0 : (pg_get_time(r, 0, 0) - pg_get_time(r, n - 1, 0)) / (n - 1);
    return true;
}

/* One point per bucket: the mean of the series' means, so that a series that
 * reports more often weighs no more. A bucket is no shorter than the usual time
 * between readings: else neighbours would show different series. */
static bool average_read(struct chart *c, struct asking *a, struct err *err)
{
    int64_t gap_us, span_us = c->range.end_us - c->range.start_us;
    if (!gap_read(c, a, &gap_us, err))
        return false;
    int64_t step_us = (span_us + c->points_asked - 1) / c->points_asked;
    struct pg_params p = {0};
    pg_i64_array(&p, c->series, c->series_count);
    pg_time(&p, c->range.start_us);
    pg_time(&p, c->range.end_us);
    pg_i64(&p, gap_us > step_us ? gap_us : step_us);
    AUTO(pg_result) r =
        pg_run(a->pg,
               "select bucket, avg(mean) from"
               " (select time_bucket($4 * interval '1 microsecond', time, $2)"
               " as bucket, series_id, avg(value) as mean from metrics"
               " where series_id = any($1) and time >= $2 and time < $3"
               " group by 1, 2) s group by bucket order by bucket",
               &p, err);
    if (!r)
        return false;
    points_take(c, r);
    c->reduced = "average";
    return true;
}

static bool points_read(struct chart *c, struct asking *a, struct err *err)
{
    bool too_many = c->series_count > 1;
    if (!too_many && !raw_read(c, a, &too_many, err))
        return false;
    return !too_many || average_read(c, a, err);
}

static void chart_write(const struct chart *c, struct buf *out)
{
    buf_add_text(out, "{\"metric_name\":");
    json_add_str(out, c->name);
    buf_add_text(out, ",\"start\":");
    json_add_time(out, c->range.start_us);
    buf_add_text(out, ",\"end\":");
    json_add_time(out, c->range.end_us);
    buf_add_text(out, ",\"host\":");
    if (c->host.p)
        json_add_str(out, c->host);
    else
        buf_add_text(out, "null");
    buf_addf(out,
             ",\"points_requested\":%" PRId64 ",\"points_returned\":%zu,"
             "\"data_source\":\"metrics\",\"reduced\":\"%s\",\"series\":%zu,"
             "\"data\":[",
             c->points_asked, c->count, c->reduced, c->series_count);
    for (size_t i = 0; i < c->count; i++) {
        buf_add_text(out, i ? ",{\"time\":" : "{\"time\":");
        json_add_time(out, c->points[i].time_us);
        buf_add_text(out, ",\"value\":");
        json_add_double(out, c->points[i].value);
        buf_add_char(out, '}');
    }
    buf_add_text(out, "]}");
}

bool chart_answer(struct asking *a, struct err *err)
{
    struct chart c = {0};
    bool good = chart_parse(&c, a) && series_find(&c, a, err) &&
                points_read(&c, a, err);
    if (good)
        chart_write(&c, a->out);
    free(c.series);
    free(c.points);
    return good;
}
