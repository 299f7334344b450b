/* SPDX-License-Identifier: Apache-2.0 */
/* catalog.c - which metrics and hosts there are, and their newest readings. */
#include "common/json.h"
#include "services/api/endpoints.h"
#include "services/api/range.h"

enum { PAGE_DEFAULT = 1000, PAGE_MAX = 10000 };

/* Names are taken first, then asked one by one (LATERAL): a condition on them
 * reaches the index below the barrier view. */
static const char metrics_sql[] =
    "select n.name, l.hosts, l.series, l.last_time"
    " from (select distinct name from series where name > $1"
    " order by name limit $2) n cross join lateral"
    " (select count(distinct host) as hosts, count(*) as series,"
    " max(time) as last_time from metrics_latest m where m.name = n.name) l"
    " order by n.name";
static const char hosts_sql[] =
    "select n.host, l.metrics, l.series, l.last_time"
    " from (select distinct host from series where host > $1"
    " order by host limit $2) n cross join lateral"
    " (select count(distinct name) as metrics, count(*) as series,"
    " max(time) as last_time from metrics_latest m where m.host = n.host) l"
    " order by n.host";

/* {"metrics":[…],"next":…}: next is the `after` of the next page. */
static bool list_answer(struct asking *a, const char *sql, const char *key,
                        struct err *err)
{
    struct str after;
    int64_t limit = PAGE_DEFAULT;
    struct err input = {0};
    if (!count_parse("limit", http_query(a->request, "limit"), 1, PAGE_MAX,
                     &limit, &input))
        return refuse(a, 400, "invalid_parameter", "%s", input.text);
    if (!query_text(a, "after", &after))
        return false;
    struct pg_params p = {0};
    pg_text(&p, after.p ? after : STR(""));
    pg_i64(&p, limit);
    AUTO(pg_result) r = pg_run(a->pg, sql, &p, err);
    if (!r)
        return false;
    buf_addf(a->out, "{\"%s\":", key);
    rows_json(a->out, r, "siit");
    buf_add_text(a->out, ",\"next\":");
    if (pg_rows(r) == limit)
        json_add_str(a->out, pg_get_str(r, (int)limit - 1, 0));
    else
        buf_add_text(a->out, "null");
    buf_add_char(a->out, '}');
    return true;
}

bool metrics_answer(struct asking *a, struct err *err)
{
    return list_answer(a, metrics_sql, "metrics", err);
}

bool hosts_answer(struct asking *a, struct err *err)
{
    return list_answer(a, hosts_sql, "hosts", err);
}

bool metric_unknown(struct asking *a, struct str name, struct str host,
                    struct err *err)
{
    struct pg_params p = {0};
    pg_text(&p, name);
    AUTO(pg_result) r =
        pg_run(a->pg, "select 1 from series where name = $1 limit 1", &p, err);
    if (!r)
        return false;
    if (pg_rows(r) == 0)
        return refuse(a, 404, "unknown_metric", "no metric \"%.*s\"",
                      STR_ARG(name));
    return refuse(a, 404, "unknown_host",
                  "metric \"%.*s\" has no host \"%.*s\"", STR_ARG(name),
                  STR_ARG(host));
}

static bool latest_write(struct asking *a, struct str name,
                         const struct pg_result *r)
{
    buf_add_text(a->out, "{\"metric_name\":");
    json_add_str(a->out, name);
    buf_add_text(a->out, ",\"host\":");
    if (pg_is_null(r, 0, 0))
        buf_add_text(a->out, "null");
    else
        json_add_str(a->out, pg_get_str(r, 0, 0));
    buf_add_text(a->out, ",\"time\":");
    json_add_time(a->out, pg_get_time(r, 0, 2));
    buf_add_text(a->out, ",\"value\":");
    json_add_double(a->out, pg_get_f64(r, 0, 3));
    buf_addf(a->out, ",\"series\":%d,\"data\":", pg_rows(r));
    rows_json(a->out, r, "sjtf");
    buf_add_char(a->out, '}');
    return true;
}

bool latest_answer(struct asking *a, struct err *err)
{
    struct str name, host;
    struct pg_params p = {0};
    if (!path_text(a, "name", &name) || !query_text(a, "host", &host))
        return false;
    pg_text(&p, name);
    pg_text_opt(&p, host);
    pg_i64(&p, a->settings->series_max);
    AUTO(pg_result) r =
        pg_run(a->pg,
               "select host, labels, time, value from metrics_latest"
               " where name = $1 and ($2::text is null or host = $2)"
               " order by time desc limit $3",
               &p, err);
    if (!r)
        return false;
    return pg_rows(r) > 0 ? latest_write(a, name, r)
                          : metric_unknown(a, name, host, err);
}
