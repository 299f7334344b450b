/* SPDX-License-Identifier: Apache-2.0 */
/* The three hypertables the writer fills. Comparing goes row by row through
 * the unique index (a plain join could read the hypertable); a row that went
 * away meanwhile (retention) counts as the same. */
#include "services/writer/order.h"
#include "services/writer/table.h"

static int cmp_i64(int64_t a, int64_t b)
{
    return (a > b) - (a < b);
}

static int cmp_arrival(const struct row *a, const struct row *b)
{
    int c = cmp_i64(a->time_us, b->time_us);
    return c != 0 ? c : (a->message > b->message) - (a->message < b->message);
}

/* ---- telemetry ---- */

static const struct telemetry_row *telemetry(const struct row *row)
{
    return (const struct telemetry_row *)row;
}

static int telemetry_order(const void *a, const void *b)
{
    const struct telemetry_row *x = a, *y = b;
    int c = str_cmp(x->tenant_id, y->tenant_id);
    if (c == 0)
        c = str_cmp(x->device_id, y->device_id);
    return c != 0 ? c : cmp_arrival(&x->row, &y->row);
}

static bool telemetry_same(const struct row *a, const struct row *b)
{
    return a->time_us == b->time_us &&
           str_eq(telemetry(a)->device_id, telemetry(b)->device_id) &&
           str_eq(telemetry(a)->tenant_id, telemetry(b)->tenant_id);
}

static void telemetry_put(struct pgcopy *c, const struct batch *b,
                          const struct row *row)
{
    (void)b;
    const struct telemetry_row *t = telemetry(row);
    pgcopy_time(c, row->time_us);
    pgcopy_text(c, t->tenant_id);
    pgcopy_text(c, t->device_id);
    pgcopy_text_opt(c, t->site_id);
    pgcopy_text(c, t->msg_type);
    pgcopy_i64(c, t->seq);
    pgcopy_jsonb(c, t->metrics);
}

const struct table telemetry_table = {
    .id = IN_TELEMETRY,
    .name = "store.telemetry",
    .create = "CREATE TEMPORARY TABLE IF NOT EXISTS stage_telemetry (n int4,"
              " time timestamptz, tenant_id text, device_id text, site_id "
              "text, msg_type text,"
              " seq int8, metrics jsonb) ON COMMIT DELETE ROWS",
    .copy = "COPY store.telemetry (time, tenant_id, device_id, site_id,"
            " msg_type, seq, metrics) FROM STDIN (FORMAT binary)",
    .stage = "COPY pg_temp.stage_telemetry FROM STDIN (FORMAT binary)",
    .empty = "DELETE FROM pg_temp.stage_telemetry",
    .insert =
        "WITH made AS (INSERT INTO store.telemetry (time, tenant_id, device_id,"
        " site_id, msg_type, seq, metrics)"
        " SELECT DISTINCT ON (tenant_id, device_id, time) time, tenant_id,"
        " device_id, site_id, msg_type, seq, metrics"
        " FROM pg_temp.stage_telemetry ORDER BY tenant_id, device_id, time, n"
        " ON CONFLICT DO NOTHING RETURNING tenant_id, device_id, time)"
        " SELECT min(s.n) FROM pg_temp.stage_telemetry s"
        " JOIN made USING (tenant_id, device_id, time)"
        " GROUP BY tenant_id, device_id, time",
    .compare =
        "SELECT s.n, coalesce((SELECT t.site_id IS NOT DISTINCT FROM s.site_id"
        " AND t.msg_type = s.msg_type AND t.seq = s.seq"
        " AND t.metrics = s.metrics FROM store.telemetry t"
        " WHERE t.tenant_id = s.tenant_id AND t.device_id = s.device_id"
        " AND t.time = s.time), true)"
        " FROM pg_temp.stage_telemetry s WHERE s.n = ANY ($1::int4[])",
    .columns = 7,
    .put = telemetry_put,
    .order = telemetry_order,
    .same_key = telemetry_same,
};

/* ---- samples ---- */

static const struct sample_row *sample(const struct row *row)
{
    return (const struct sample_row *)row;
}

static bool sample_same(const struct row *a, const struct row *b)
{
    return a->time_us == b->time_us &&
           sample(a)->series_id == sample(b)->series_id;
}

static void sample_put(struct pgcopy *c, const struct batch *b,
                       const struct row *row)
{
    (void)b;
    pgcopy_time(c, row->time_us);
    pgcopy_i64(c, sample(row)->series_id);
    pgcopy_f64(c, sample(row)->value);
}

const struct table samples_table = {
    .id = IN_SAMPLES,
    .name = "store.samples",
    .create = "CREATE TEMPORARY TABLE IF NOT EXISTS stage_samples (n int4,"
              " time timestamptz, series_id int8, value float8) ON COMMIT "
              "DELETE ROWS",
    .copy = "COPY store.samples (time, series_id, value) FROM STDIN"
            " (FORMAT binary)",
    .stage = "COPY pg_temp.stage_samples FROM STDIN (FORMAT binary)",
    .empty = "DELETE FROM pg_temp.stage_samples",
    .insert = "WITH made AS (INSERT INTO store.samples (time, series_id, value)"
              " SELECT DISTINCT ON (series_id, time) time, series_id, value"
              " FROM pg_temp.stage_samples ORDER BY series_id, time, n"
              " ON CONFLICT DO NOTHING RETURNING series_id, time)"
              " SELECT min(s.n) FROM pg_temp.stage_samples s"
              " JOIN made USING (series_id, time) GROUP BY series_id, time",
    .compare = "SELECT s.n, coalesce((SELECT t.value = s.value"
               " FROM store.samples t WHERE t.series_id = s.series_id"
               " AND t.time = s.time), true)"
               " FROM pg_temp.stage_samples s WHERE s.n = ANY ($1::int4[])",
    .columns = 3,
    .put = sample_put,
    .sort = samples_order,
    .order = samples_compare,
    .same_key = sample_same,
};

/* ---- raw events ---- */

static const struct event_row *event(const struct row *row)
{
    return (const struct event_row *)row;
}

static int event_order(const void *a, const void *b)
{
    const struct event_row *x = a, *y = b;
    int c = str_cmp(x->tenant_id, y->tenant_id);
    if (c == 0)
        c = str_cmp(x->id, y->id);
    return c != 0 ? c : cmp_arrival(&x->row, &y->row);
}

static bool event_same(const struct row *a, const struct row *b)
{
    return a->time_us == b->time_us && str_eq(event(a)->id, event(b)->id) &&
           str_eq(event(a)->tenant_id, event(b)->tenant_id);
}

static void event_put(struct pgcopy *c, const struct batch *b,
                      const struct row *row)
{
    const struct message *m = &b->messages[row->message];
    const struct slice *s = &b->slices[m->slice];
    pgcopy_text(c, event(row)->id);
    pgcopy_text(c, event(row)->tenant_id);
    pgcopy_text(c, str_of(batch_topic(b, s)));
    pgcopy_i32(c, s->part);
    pgcopy_i64(c, m->offset);
    pgcopy_jsonb(c, event(row)->data);
    pgcopy_time(c, row->time_us);
}

const struct table events_table = {
    .id = IN_EVENTS,
    .name = "store.raw_events",
    .create =
        "CREATE TEMPORARY TABLE IF NOT EXISTS stage_events (n int4, id text,"
        " tenant_id text, topic text, part int4, off int8, data jsonb,"
        " time timestamptz) ON COMMIT DELETE ROWS",
    .copy = "COPY store.raw_events (id, tenant_id, topic, part, off, data,"
            " time) FROM STDIN (FORMAT binary)",
    .stage = "COPY pg_temp.stage_events FROM STDIN (FORMAT binary)",
    .empty = "DELETE FROM pg_temp.stage_events",
    .insert =
        "WITH made AS (INSERT INTO store.raw_events (id, tenant_id, topic,"
        " part, off, data, time)"
        " SELECT DISTINCT ON (tenant_id, id, time) id, tenant_id, topic, part,"
        " off, data, time FROM pg_temp.stage_events"
        " ORDER BY tenant_id, id, time, n"
        " ON CONFLICT DO NOTHING RETURNING tenant_id, id, time)"
        " SELECT min(s.n) FROM pg_temp.stage_events s"
        " JOIN made USING (tenant_id, id, time) GROUP BY tenant_id, id, time",
    .compare = "SELECT s.n, coalesce((SELECT t.data = s.data"
               " FROM store.raw_events t WHERE t.tenant_id = s.tenant_id"
               " AND t.id = s.id AND t.time = s.time), true)"
               " FROM pg_temp.stage_events s WHERE s.n = ANY ($1::int4[])",
    .columns = 7,
    .put = event_put,
    .order = event_order,
    .same_key = event_same,
};
