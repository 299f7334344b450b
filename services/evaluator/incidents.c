/* SPDX-License-Identifier: Apache-2.0 */
#include "services/evaluator/incidents.h"

#include "common/clock.h"
#include "common/uuid.h"
#include "services/evaluator/payload.h"

static struct str *texts(struct arena *a, size_t n)
{
    return arena_zalloc(a, n + 1, sizeof(struct str));
}

static int64_t *integers(struct arena *a, size_t n)
{
    return arena_zalloc(a, n + 1, sizeof(int64_t));
}

/* Runs a writer of JSON or text and keeps what it wrote. */
static struct str written(struct arena *a,
                          void (*write)(const struct transition_write *t,
                                        struct buf *out),
                          const struct transition_write *t)
{
    AUTO_RELEASE(buf) out = {0};
    write(t, &out);
    return arena_str(a, buf_str(&out));
}

static struct str message_written(struct arena *a, const struct message *m)
{
    AUTO_RELEASE(buf) out = {0};
    payload_message(m, &out);
    return arena_str(a, buf_str(&out));
}

/* ---- opening ---- */

static const char sql_open[] =
    "WITH v AS (SELECT * FROM unnest($1::text[]::uuid[], $2::text[],"
    " $3::text[], $4::text[], $5::text[]::uuid[], $6::int8[], $7::text[],"
    " $8::jsonb[], $9::timestamptz[], $10::timestamptz[], $11::jsonb[])"
    " AS v(id, tenant_id, title, severity, rule_id, rule_version, fingerprint,"
    " metadata, started_at, event_time, evidence)),"
    " opened AS (INSERT INTO public.incidents (id, tenant_id, title, severity,"
    " source, rule_id, rule_version, fingerprint, metadata, started_at)"
    " SELECT id, tenant_id, title, severity, 'threshold', rule_id,"
    " rule_version, fingerprint, metadata, started_at FROM v"
    " ON CONFLICT (tenant_id, rule_id, fingerprint)"
    " WHERE status IN ('open', 'investigating') DO NOTHING RETURNING id)"
    " INSERT INTO public.incident_events"
    " (incident_id, tenant_id, transition, actor, event_time, evidence)"
    " SELECT v.id, v.tenant_id, 'opened', 'evaluator', v.event_time,"
    " v.evidence FROM v JOIN opened USING (id)";

/* To the rule's channels that exist; nothing where the incident was not
 * opened here. */
static const char sql_notify_open[] =
    "INSERT INTO public.alert_notifications (tenant_id, incident_id, rule_id,"
    " channel, kind, status, payload, last_error)"
    " SELECT i.tenant_id, i.id, i.rule_id, c.name, 'firing',"
    " CASE WHEN c.enabled THEN 'pending' ELSE 'suppressed' END, v.payload,"
    " CASE WHEN c.enabled THEN NULL ELSE 'the channel is disabled' END"
    " FROM unnest($1::text[]::uuid[], $2::text[], $3::jsonb[])"
    " AS v(id, channel, payload)"
    " JOIN public.incidents i ON i.id = v.id"
    " JOIN public.notification_channels c ON c.tenant_id = i.tenant_id"
    " AND c.name = v.channel ORDER BY i.id, c.name";

struct opening {
    struct str *ids, *tenants, *titles, *severities, *rules, *fingerprints,
        *metadata, *evidence, *payloads;
    int64_t *versions, *started, *times;
};

static struct str opening_message(struct arena *a, const struct opening *o,
                                  const struct transition_write *t, size_t i,
                                  struct str labels)
{
    const struct message m = {
        .kind = TRANSITION_FIRE,
        .decided_at_us = clock_wall_us(),
        .incident_id = o->ids[i],
        .title = o->titles[i],
        .severity = o->severities[i],
        .started_at_us = o->started[i],
        .resolved_at_us = INT64_MIN,
        .rule_id = t->rule_id,
        .rule_name = t->rule->name,
        .rule_version = t->rule->version,
        .threshold = t->rule->threshold,
        .operator_text = str_of(rule_operator_text(t->rule->op)),
        .tenant_id = t->tenant_id,
        .metric = t->metric,
        .fingerprint = t->fingerprint,
        .labels = labels,
        .decision = t,
        .evidence = o->evidence[i],
    };
    return message_written(a, &m);
}

static void labels_of(const struct transition_write *t, struct buf *out)
{
    labels_json(t->labels, t->label_count, out);
}

static void opening_fill(struct arena *a, struct opening *o,
                         const struct transition_write *t, size_t i)
{
    char id[UUID_MAX];
    o->ids[i] = arena_str(a, str_of(uuid_make(id)));
    o->tenants[i] = t->tenant_id;
    o->titles[i] = written(a, payload_title, t);
    o->severities[i] = t->rule->severity;
    o->rules[i] = t->rule_id;
    o->versions[i] = t->rule->version;
    o->fingerprints[i] = t->fingerprint;
    o->metadata[i] = written(a, payload_metadata, t);
    o->evidence[i] = written(a, payload_evidence, t);
    o->started[i] = t->transition.started_at_us;
    o->times[i] = t->transition.at_us;
    o->payloads[i] = opening_message(a, o, t, i, written(a, labels_of, t));
}

static void opening_init(struct arena *a, struct opening *o, size_t n)
{
    struct str **columns[] = {&o->ids,        &o->tenants,  &o->titles,
                              &o->severities, &o->rules,    &o->fingerprints,
                              &o->metadata,   &o->evidence, &o->payloads};
    for (size_t i = 0; i < ARRAY_LEN(columns); i++)
        *columns[i] = texts(a, n);
    o->versions = integers(a, n);
    o->started = integers(a, n);
    o->times = integers(a, n);
}

static bool notify_open(struct pg *pg, struct arena *a, const struct opening *o,
                        const struct transition_write *const *t, size_t count,
                        struct err *err)
{
    size_t n = 0, all = 0;
    for (size_t i = 0; i < count; i++)
        all += t[i]->rule->channel_count;
    if (all == 0)
        return true;
    struct str *ids = texts(a, all), *channels = texts(a, all);
    struct str *payloads = texts(a, all);
    for (size_t i = 0; i < count; i++) {
        for (size_t c = 0; c < t[i]->rule->channel_count; c++, n++) {
            ids[n] = o->ids[i];
            channels[n] = t[i]->rule->channels[c];
            payloads[n] = o->payloads[i];
        }
    }
    struct pg_params p = {.count = 0};
    pg_text_array(&p, ids, n);
    pg_text_array(&p, channels, n);
    pg_jsonb_array(&p, payloads, n);
    return pg_do(pg, sql_notify_open, &p, NULL, err);
}

bool incidents_open(struct pg *pg, struct arena *a,
                    const struct transition_write *const *t, size_t count,
                    struct err *err)
{
    struct opening o;
    opening_init(a, &o, count);
    for (size_t i = 0; i < count; i++)
        opening_fill(a, &o, t[i], i);
    struct pg_params p = {.count = 0};
    pg_text_array(&p, o.ids, count);
    pg_text_array(&p, o.tenants, count);
    pg_text_array(&p, o.titles, count);
    pg_text_array(&p, o.severities, count);
    pg_text_array(&p, o.rules, count);
    pg_i64_array(&p, o.versions, count);
    pg_text_array(&p, o.fingerprints, count);
    pg_jsonb_array(&p, o.metadata, count);
    pg_time_array(&p, o.started, count);
    pg_time_array(&p, o.times, count);
    pg_jsonb_array(&p, o.evidence, count);
    return pg_do(pg, sql_open, &p, NULL, err) &&
           notify_open(pg, a, &o, t, count, err);
}

/* ---- resolving ---- */

/* Locks first, so that an operator's change of the same incident comes either
 * before or after ours. */
static const char sql_lock[] =
    "SELECT i.id::text, v.n, i.title, i.severity, i.started_at,"
    " i.rule_version, i.metadata ->> 'metric',"
    " coalesce(i.metadata -> 'labels', '{}'), i.metadata ->> 'rule_name',"
    " (i.metadata ->> 'threshold')::float8, i.metadata ->> 'operator'"
    " FROM unnest($1::text[], $2::text[]::uuid[], $3::text[], $4::int8[])"
    " AS v(tenant_id, rule_id, fingerprint, n)"
    " JOIN public.incidents i USING (tenant_id, rule_id, fingerprint)"
    " WHERE i.status IN ('open', 'investigating')"
    " ORDER BY i.id FOR UPDATE OF i";

static const char sql_resolve[] =
    "WITH v AS (SELECT * FROM unnest($1::text[]::uuid[], $2::timestamptz[],"
    " $3::jsonb[]) AS v(id, event_time, evidence)),"
    " resolved AS (UPDATE public.incidents i SET status = 'resolved',"
    " resolved_at = v.event_time FROM v WHERE i.id = v.id"
    " RETURNING i.id, i.tenant_id)"
    " INSERT INTO public.incident_events"
    " (incident_id, tenant_id, transition, actor, event_time, evidence)"
    " SELECT r.id, r.tenant_id, 'resolved', 'evaluator', v.event_time,"
    " v.evidence FROM v JOIN resolved r USING (id)";

/* To every channel that was told of the firing. A firing no attempt of which
 * was ever begun cannot have been received: both are superseded. */
static const char sql_notify_resolve[] =
    "WITH v AS (SELECT * FROM unnest($1::text[]::uuid[], $2::jsonb[])"
    " AS v(id, payload)),"
    " superseded AS (UPDATE public.alert_notifications n"
    " SET status = 'superseded' FROM v WHERE n.incident_id = v.id"
    " AND n.kind = 'firing' AND n.status = 'pending' AND n.attempts = 0"
    " RETURNING n.id),"
    " told AS (SELECT DISTINCT ON (f.incident_id, f.channel) f.*,"
    " v.payload AS said FROM v"
    " JOIN public.alert_notifications f ON f.incident_id = v.id"
    " WHERE f.kind = 'firing' AND f.status <> 'suppressed'"
    " ORDER BY f.incident_id, f.channel, f.seq DESC)"
    " INSERT INTO public.alert_notifications"
    " (tenant_id, incident_id, rule_id, channel, kind, status, payload)"
    " SELECT t.tenant_id, t.incident_id, t.rule_id, t.channel, 'resolved',"
    " CASE WHEN s.id IS NULL THEN 'pending' ELSE 'superseded' END, t.said"
    " FROM told t LEFT JOIN superseded s ON s.id = t.id"
    " ORDER BY t.incident_id, t.channel";

static struct pg_result *lock_open(struct pg *pg, struct arena *a,
                                   const struct transition_write *const *t,
                                   size_t count, struct err *err)
{
    struct str *tenants = texts(a, count), *rules = texts(a, count);
    struct str *fingerprints = texts(a, count);
    int64_t *places = integers(a, count);
    for (size_t i = 0; i < count; i++) {
        tenants[i] = t[i]->tenant_id;
        rules[i] = t[i]->rule_id;
        fingerprints[i] = t[i]->fingerprint;
        places[i] = (int64_t)i;
    }
    struct pg_params p = {.count = 0};
    pg_text_array(&p, tenants, count);
    pg_text_array(&p, rules, count);
    pg_text_array(&p, fingerprints, count);
    pg_i64_array(&p, places, count);
    return pg_run(pg, sql_lock, &p, err);
}

static struct str resolving_message(struct arena *a, const struct pg_result *r,
                                    int row, const struct transition_write *t,
                                    struct str evidence)
{
    const struct message m = {
        .kind = TRANSITION_RESOLVE,
        .decided_at_us = clock_wall_us(),
        .incident_id = pg_get_str(r, row, 0),
        .title = pg_get_str(r, row, 2),
        .severity = pg_get_str(r, row, 3),
        .started_at_us = pg_get_time(r, row, 4),
        .resolved_at_us = t->transition.at_us,
        .rule_id = t->rule_id,
        .rule_name = t->rule ? t->rule->name : pg_get_str(r, row, 8),
        .rule_version = t->rule ? t->rule->version : pg_get_i64(r, row, 5),
        .threshold = t->rule ? t->rule->threshold : pg_get_f64(r, row, 9),
        .operator_text = t->rule ? str_of(rule_operator_text(t->rule->op))
                                 : pg_get_str(r, row, 10),
        .tenant_id = t->tenant_id,
        .metric = pg_get_str(r, row, 6),
        .fingerprint = t->fingerprint,
        .labels = pg_get_str(r, row, 7),
        .decision = t,
        .evidence = evidence,
    };
    return message_written(a, &m);
}

bool incidents_resolve(struct pg *pg, struct arena *a,
                       const struct transition_write *const *t, size_t count,
                       struct err *err)
{
    AUTO(pg_result) r = lock_open(pg, a, t, count, err);
    if (!r)
        return false;
    size_t n = (size_t)pg_rows(r);
    if (n == 0)
        return true;
    struct str *ids = texts(a, n), *evidence = texts(a, n);
    struct str *payloads = texts(a, n);
    int64_t *times = integers(a, n);
    for (size_t i = 0; i < n; i++) {
        const struct transition_write *one = t[pg_get_i64(r, (int)i, 1)];
        ids[i] = pg_get_str(r, (int)i, 0);
        times[i] = one->transition.at_us;
        evidence[i] = written(a, payload_evidence, one);
        payloads[i] = resolving_message(a, r, (int)i, one, evidence[i]);
    }
    struct pg_params p = {.count = 0};
    pg_text_array(&p, ids, n);
    pg_time_array(&p, times, n);
    pg_jsonb_array(&p, evidence, n);
    if (!pg_do(pg, sql_resolve, &p, NULL, err))
        return false;
    pg_text_array(&p, ids, n);
    pg_jsonb_array(&p, payloads, n);
    return pg_do(pg, sql_notify_resolve, &p, NULL, err);
}
