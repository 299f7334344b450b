/* SPDX-License-Identifier: Apache-2.0 */
/* incident.c - incidents: the list, and one with its timeline and deliveries.
 */
#include <inttypes.h>

#include "common/json.h"
#include "services/api/endpoints.h"
#include "services/api/range.h"

enum { PAGE_DEFAULT = 50, PAGE_MAX = 500, STATUSES_MAX = 4, ID_LENGTH = 36 };

#define INCIDENT_COLUMNS                                                 \
    "id::text as id, title, description, severity, status, source,"      \
    " rule_id::text as rule_id, rule_version, fingerprint, metadata,"    \
    " started_at, created_at, updated_at, acknowledged_at, resolved_at," \
    " assignee"
#define INCIDENT_TYPES "sssssssisjttttts"

static const char list_sql[] =
    "select " INCIDENT_COLUMNS " from incidents"
    " where (cardinality($1::text[]) = 0 or status = any($1))"
    " and (started_at, id) < ($2, $3::text::uuid)"
    " order by started_at desc, id desc limit $4";
static const char one_sql[] =
    "select " INCIDENT_COLUMNS " from incidents where id = $1::text::uuid";
/* Late evidence may be plenty: the first 1000 events tell the story. */
static const char timeline_sql[] =
    "select transition, actor, event_time, created_at, note, evidence"
    " from incident_events where incident_id = $1::text::uuid"
    " order by id limit 1000";
static const char deliveries_sql[] =
    "select n.id::text as id, n.channel, n.kind, n.status,"
    " n.attempts as attempt_count, n.next_attempt_at,"
    " n.last_status, n.last_error, n.created_at,"
    " n.delivered_at, coalesce((select jsonb_agg(jsonb_build_object("
    "'attempt', t.attempt, 'started_at', to_char(t.started_at at time zone"
    " 'UTC', 'YYYY-MM-DD\"T\"HH24:MI:SS.US\"Z\"'), 'duration_ms',"
    " t.duration_ms, 'status', t.status, 'error', t.error) order by t.attempt)"
    " from notification_attempts t where t.notification_id = n.id), '[]')"
    " as attempts"
    " from alert_notifications n where n.incident_id = $1::text::uuid"
    " order by n.seq limit 1000";

static bool uuid_valid(struct str s)
{
    if (s.n != ID_LENGTH)
        return false;
    for (size_t i = 0; i < s.n; i++) {
        bool dash = i == 8 || i == 13 || i == 18 || i == 23;
        char c = s.p[i];
        bool hex = (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f') ||
                   (c >= 'A' && c <= 'F');
        if (dash ? c != '-' : !hex)
            return false;
    }
    return true;
}

struct page {
    struct str statuses[STATUSES_MAX];
    size_t status_count;
    int64_t limit;
    int64_t before_us; /* older than this, or as old with a smaller id */
    struct str before_id;
};

static bool statuses_parse(struct page *p, struct str text, struct asking *a)
{
    static const char *const known[] = {"open", "investigating", "resolved",
                                        "closed"};
    for (struct str status; str_next(&text, ',', &status);) {
        size_t i = 0;
        while (i < ARRAY_LEN(known) && !str_is(status, known[i]))
            i++;
        if (i == ARRAY_LEN(known) || p->status_count == STATUSES_MAX)
            return refuse(a, 400, "invalid_parameter",
                          "status: open, investigating, resolved, closed, "
                          "joined by commas");
        p->statuses[p->status_count++] = status;
    }
    return true;
}

/* "<µs>_<id>" of the last incident of the page before. */
static bool cursor_parse(struct page *p, struct str text, struct asking *a)
{
    struct str us;
    p->before_us = INT64_C(253402300799000000); /* the year 9999 */
    p->before_id = STR("ffffffff-ffff-ffff-ffff-ffffffffffff");
    if (!text.p || (str_cut(text, '_', &us, &p->before_id) &&
                    str_to_i64(us, &p->before_us) && uuid_valid(p->before_id)))
        return true;
    return refuse(a, 400, "invalid_parameter",
                  "before is the value next of an earlier answer");
}

static bool page_parse(struct page *p, struct asking *a)
{
    struct http_request *r = a->request;
    struct err err = {0};
    *p = (struct page){.limit = PAGE_DEFAULT};
    if (!count_parse("limit", http_query(r, "limit"), 1, PAGE_MAX, &p->limit,
                     &err))
        return refuse(a, 400, "invalid_parameter", "%s", err.text);
    return statuses_parse(p, http_query(r, "status"), a) &&
           cursor_parse(p, http_query(r, "before"), a);
}

static void next_write(struct buf *out, const struct pg_result *r,
                       int64_t limit)
{
    buf_add_text(out, ",\"next\":");
    int last = pg_rows(r) - 1;
    if (pg_rows(r) < limit)
        buf_add_text(out, "null");
    else
        buf_addf(out, "\"%" PRId64 "_%.*s\"", pg_get_time(r, last, 10),
                 STR_ARG(pg_get_str(r, last, 0)));
}

bool incidents_answer(struct asking *a, struct err *err)
{
    struct page page;
    if (!page_parse(&page, a))
        return false;
    struct pg_params p = {0};
    pg_text_array(&p, page.statuses, page.status_count);
    pg_time(&p, page.before_us);
    pg_text(&p, page.before_id);
    pg_i64(&p, page.limit);
    AUTO(pg_result) r = pg_run(a->pg, list_sql, &p, err);
    if (!r)
        return false;
    buf_add_text(a->out, "{\"incidents\":");
    rows_json(a->out, r, INCIDENT_TYPES);
    next_write(a->out, r, page.limit);
    buf_add_char(a->out, '}');
    return true;
}

/* ,"key":[rows of the incident] */
static bool part_write(struct asking *a, struct str id, const char *key,
                       const char *sql, const char *types, struct err *err)
{
    struct pg_params p = {0};
    pg_text(&p, id);
    AUTO(pg_result) r = pg_run(a->pg, sql, &p, err);
    if (!r)
        return false;
    buf_addf(a->out, ",\"%s\":", key);
    rows_json(a->out, r, types);
    return true;
}

bool incident_answer(struct asking *a, struct err *err)
{
    struct str id = http_path_arg(a->request, "id");
    struct pg_params p = {0};
    if (!uuid_valid(id))
        return refuse(a, 404, "unknown_incident", "no such incident");
    pg_text(&p, id);
    AUTO(pg_result) r = pg_run(a->pg, one_sql, &p, err);
    if (!r)
        return false;
    if (pg_rows(r) == 0)
        return refuse(a, 404, "unknown_incident", "no such incident");
    buf_add_text(a->out, "{\"incident\":");
    row_json(a->out, r, 0, INCIDENT_TYPES);
    if (!part_write(a, id, "timeline", timeline_sql, "ssttsj", err) ||
        !part_write(a, id, "deliveries", deliveries_sql, "ssssitisttj", err))
        return false;
    buf_add_char(a->out, '}');
    return true;
}
