/* SPDX-License-Identifier: Apache-2.0 */
#include "services/evaluator/outbox.h"

#define IS_DUE(n)                                                        \
    "(" n ".status = 'pending' AND " n ".next_attempt_at <= now() OR " n \
    ".status = 'sending' AND " n ".lease_until < now())"

/* $1 lease ms, $2 jobs, $3-$5 busy channels, $6 per channel. due looks at more
 * than it takes, and at no channel that has all it may have, so that one
 * channel's backlog does not hide the others. */
static const char sql_claim[] =
    "WITH busy AS (SELECT * FROM unnest($3::text[], $4::text[], $5::int8[])"
    " AS b(tenant_id, channel, n)),"
    " due AS (SELECT n.id, n.tenant_id, n.channel, n.next_attempt_at"
    " FROM public.alert_notifications n WHERE " IS_DUE(
        "n") " AND NOT EXISTS (SELECT FROM public.alert_notifications f"
             " WHERE f.incident_id = n.incident_id AND f.channel = n.channel"
             " AND f.seq < n.seq AND f.status IN ('pending', 'sending'))"
             " AND NOT EXISTS (SELECT FROM busy b WHERE b.n >= $6::int8"
             " AND b.tenant_id = n.tenant_id AND b.channel = n.channel)"
             " ORDER BY n.next_attempt_at LIMIT 1000),"
             " ranked AS (SELECT d.id, row_number() OVER (PARTITION BY "
             "d.tenant_id,"
             " d.channel ORDER BY d.next_attempt_at) + coalesce(b.n, 0) AS nth"
             " FROM due d LEFT JOIN busy b USING (tenant_id, channel)),"
             " mine AS (SELECT n.id FROM public.alert_notifications n"
             " WHERE n.id IN (SELECT id FROM ranked WHERE nth <= $6::int8)"
             " AND " IS_DUE(
                 "n") " ORDER BY n.next_attempt_at LIMIT $2::int8"
                      " FOR UPDATE SKIP LOCKED),"
                      " claimed AS (UPDATE public.alert_notifications n SET "
                      "status = 'sending',"
                      " attempts = n.attempts + 1,"
                      " lease_until = now() + $1::int8 * interval '1 "
                      "millisecond'"
                      " FROM mine WHERE n.id = mine.id RETURNING n.*),"
                      " noted AS (INSERT INTO public.notification_attempts"
                      " (notification_id, attempt, tenant_id, started_at)"
                      " SELECT id, attempts, tenant_id, clock_timestamp() FROM "
                      "claimed)"
                      " SELECT c.id::text, c.tenant_id, c.channel, c.kind, "
                      "c.attempts,"
                      " c.payload::text,"
                      " (extract(epoch FROM now() - c.created_at) * "
                      "1000)::int8,"
                      " coalesce(i.status IN ('open', 'investigating'), false),"
                      " h.name IS NOT NULL, coalesce(h.enabled, false), "
                      "coalesce(h.kind, ''),"
                      " coalesce(h.url, ''), coalesce(h.secrets, '{}')"
                      " FROM claimed c LEFT JOIN public.notification_channels h"
                      " ON h.tenant_id = c.tenant_id AND h.name = c.channel"
                      " LEFT JOIN public.incidents i ON i.id = c.incident_id "
                      "ORDER BY c.seq";

static void bind_busy(struct pg_params *p, struct arena *a,
                      const struct outbox_limits *limits)
{
    size_t n = limits->busy_count;
    struct str *tenants = arena_zalloc(a, n + 1, sizeof *tenants);
    struct str *channels = arena_zalloc(a, n + 1, sizeof *channels);
    int64_t *attempts = arena_zalloc(a, n + 1, sizeof *attempts);
    for (size_t i = 0; i < n; i++) {
        tenants[i] = limits->busy[i].tenant_id;
        channels[i] = limits->busy[i].channel;
        attempts[i] = limits->busy[i].attempts;
    }
    pg_text_array(p, tenants, n);
    pg_text_array(p, channels, n);
    pg_i64_array(p, attempts, n);
}

static void read_job(const struct pg_result *r, int row, struct arena *a,
                     struct job *job)
{
    job->id = arena_str(a, pg_get_str(r, row, 0));
    job->tenant_id = arena_str(a, pg_get_str(r, row, 1));
    job->channel = arena_str(a, pg_get_str(r, row, 2));
    job->kind = arena_str(a, pg_get_str(r, row, 3));
    job->attempt = (int)pg_get_i64(r, row, 4);
    job->body = arena_str(a, pg_get_str(r, row, 5));
    job->age_ms = pg_get_i64(r, row, 6);
    job->incident_open = pg_get_bool(r, row, 7);
    job->channel_exists = pg_get_bool(r, row, 8);
    job->channel_enabled = pg_get_bool(r, row, 9);
    job->channel_kind = arena_str(a, pg_get_str(r, row, 10));
    job->url = arena_str(a, pg_get_str(r, row, 11));
    struct str secrets[SECRETS_MAX];
    size_t n = pg_get_texts(r, row, 12, secrets, SECRETS_MAX);
    job->secret_count = n < SECRETS_MAX ? n : SECRETS_MAX;
    for (size_t i = 0; i < job->secret_count; i++)
        job->secrets[i] = arena_str(a, secrets[i]);
}

int outbox_claim(struct pg *pg, struct arena *a,
                 const struct outbox_limits *limits, struct job **jobs,
                 struct err *err)
{
    struct pg_params p = {.count = 0};
    pg_i64(&p, limits->lease_ms);
    pg_i64(&p, limits->jobs);
    bind_busy(&p, a, limits);
    pg_i64(&p, limits->per_channel);
    AUTO(pg_result) r = pg_run(pg, sql_claim, &p, err);
    if (!r)
        return -1;
    int count = pg_rows(r);
    *jobs = arena_zalloc(a, (size_t)count + 1, sizeof **jobs);
    for (int i = 0; i < count; i++)
        read_job(r, i, a, &(*jobs)[i]);
    return count;
}

static const char sql_settle[] =
    "WITH settled AS (UPDATE public.alert_notifications SET status = $3::text,"
    " next_attempt_at = now() + $4::int8 * interval '1 millisecond',"
    " lease_until = NULL, last_status = nullif($5::int4, 0),"
    " last_error = $6::text,"
    " delivered_at = CASE WHEN $3::text = 'delivered' THEN now() END"
    " WHERE id = $1::text::uuid AND attempts = $2::int4"
    " AND status = 'sending' RETURNING incident_id, tenant_id),"
    " noted AS (UPDATE public.notification_attempts SET"
    " duration_ms = $7::int8::int4, status = nullif($5::int4, 0),"
    " error = $6::text, response = $8::text"
    " WHERE notification_id = $1::text::uuid AND attempt = $2::int4)"
    " INSERT INTO public.incident_events"
    " (incident_id, tenant_id, transition, actor, event_time, note)"
    " SELECT incident_id, tenant_id, 'notified', 'notifier', now(), $9::text"
    " FROM settled WHERE $9::text <> '' AND incident_id IS NOT NULL";

static const char sql_disable[] =
    "UPDATE public.notification_channels SET enabled = false,"
    " disabled_reason = $3 WHERE tenant_id = $1 AND name = $2 AND enabled";

static bool settle(struct pg *pg, const struct job_result *r, struct err *err)
{
    struct pg_params p = {.count = 0};
    pg_text(&p, r->id);
    pg_i32(&p, r->attempt);
    pg_text(&p, str_of(r->status));
    pg_i64(&p, r->wait_ms);
    pg_i32(&p, r->http_status);
    pg_text_opt(&p, r->error);
    pg_i64(&p, r->duration_ms);
    pg_text_opt(&p, r->response);
    pg_text(&p, r->note);
    return pg_do(pg, sql_settle, &p, NULL, err);
}

static bool disable(struct pg *pg, const struct job_result *r, struct err *err)
{
    struct pg_params p = {.count = 0};
    pg_text(&p, r->tenant_id);
    pg_text(&p, r->channel);
    pg_text(&p, r->error);
    return pg_do(pg, sql_disable, &p, NULL, err);
}

bool outbox_settle(struct pg *pg, const struct job_result *r, struct err *err)
{
    if (!pg_begin(pg, err))
        return false;
    if (!settle(pg, r, err) || (r->disable && !disable(pg, r, err))) {
        pg_rollback(pg);
        return false;
    }
    return pg_commit(pg, err);
}
