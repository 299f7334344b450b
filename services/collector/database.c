/* SPDX-License-Identifier: Apache-2.0 */
#include "services/collector/database.h"

/* Whoever holds it leads. The first is "pulse" in ASCII, 0x70756c7365; 20517
 * are the schema's own locks (migrations 1, rollups 2 and 3). */
static const char *const leader_locks[] = {
    [LEADER_ROUNDS] = "select pg_try_advisory_lock(482905421669)",
    [LEADER_MAINTENANCE] = "select pg_try_advisory_lock(20517, 4)",
};

bool leader_take(struct pg *pg, enum leader of, uint64_t *generation,
                 struct err *err)
{
    /* A session takes the same lock again and again; once is enough. */
    if (pg_connected(pg) && *generation == pg_generation(pg))
        return true;
    *generation = 0;
    if (!pg_connect(pg, err))
        return false;
    AUTO(pg_result) r = pg_run(pg, leader_locks[of], NULL, err);
    if (!r || !pg_get_bool(r, 0, 0))
        return false;
    *generation = pg_generation(pg);
    return true;
}

static bool totals_measure(struct pg *pg, struct samples *out, struct err *err)
{
    static const char *const names[] = {"postgres_connections",
                                        "postgres_connections_max",
                                        "postgres_database_bytes"};
    AUTO(pg_result) r =
        pg_run(pg,
               "select (select count(*) from pg_stat_activity"
               " where backend_type = 'client backend')::float8,"
               " current_setting('max_connections')::float8,"
               " pg_database_size(current_database())::float8,"
               " xact_commit::float8, xact_rollback::float8, deadlocks::float8,"
               " (select count(*) from store.offset_gaps"
               " where accepted_at is null)::float8"
               " from pg_stat_database where datname = current_database()",
               NULL, err);
    if (!r)
        return false;
    for (size_t i = 0; i < ARRAY_LEN(names); i++)
        samples_addf(out, "postgres", names[i], pg_get_f64(r, 0, (int)i), NULL);
    samples_addf(out, "postgres", "postgres_transactions_total",
                 pg_get_f64(r, 0, 3), "outcome", "commit", NULL);
    samples_addf(out, "postgres", "postgres_transactions_total",
                 pg_get_f64(r, 0, 4), "outcome", "rollback", NULL);
    samples_addf(out, "postgres", "postgres_deadlocks_total",
                 pg_get_f64(r, 0, 5), NULL);
    samples_addf(out, "postgres", "offset_gaps_open", pg_get_f64(r, 0, 6),
                 NULL);
    return true;
}

static bool chunks_measure(struct pg *pg, struct samples *out, struct err *err)
{
    AUTO(pg_result) r =
        pg_run(pg,
               "select hypertable_schema || '.' || hypertable_name,"
               " count(*)::float8,"
               " extract(epoch from now() - min(range_start))::float8"
               " from timescaledb_information.chunks group by 1",
               NULL, err);
    if (!r)
        return false;
    for (int i = 0; i < pg_rows(r); i++) {
        const struct label table = {STR("hypertable"), pg_get_str(r, i, 0)};
        samples_add(out, STR("postgres"), STR("timescaledb_chunks"),
                    pg_get_f64(r, i, 1), &table, 1);
        samples_add(out, STR("postgres"),
                    STR("timescaledb_oldest_chunk_seconds"),
                    pg_get_f64(r, i, 2), &table, 1);
    }
    return true;
}

/* From the tables, so that a job that nobody runs shows too. */
static bool maintenance_measure(struct pg *pg, struct samples *out,
                                struct err *err)
{
    AUTO(pg_result) r =
        pg_run(pg, "select name, run_by, late_seconds from store.maintenance",
               NULL, err);
    if (!r)
        return false;
    for (int i = 0; i < pg_rows(r); i++) {
        const struct label labels[] = {{STR("job"), pg_get_str(r, i, 0)},
                                       {STR("run_by"), pg_get_str(r, i, 1)}};
        samples_add(out, STR("postgres"), STR("maintenance_late_seconds"),
                    pg_get_f64(r, i, 2), labels, ARRAY_LEN(labels));
    }
    return true;
}

static bool rollups_measure(struct pg *pg, struct samples *out, struct err *err)
{
    AUTO(pg_result) r =
        pg_run(pg,
               "select level, extract(epoch from now() - filled)::float8"
               " from store.rollup_watermark",
               NULL, err);
    if (!r)
        return false;
    for (int i = 0; i < pg_rows(r); i++) {
        const struct label level = {STR("level"), pg_get_str(r, i, 0)};
        samples_add(out, STR("postgres"), STR("rollup_behind_seconds"),
                    pg_get_f64(r, i, 1), &level, 1);
    }
    return true;
}

bool database_measure(struct pg *pg, struct samples *out, struct err *err)
{
    return totals_measure(pg, out, err) && chunks_measure(pg, out, err) &&
           maintenance_measure(pg, out, err) && rollups_measure(pg, out, err);
}

bool database_measure_sizes(struct pg *pg, struct samples *out, struct err *err)
{
    AUTO(pg_result) r =
        pg_run(pg, "select relation, bytes::float8, ratio from store.lifecycle",
               NULL, err);
    if (!r)
        return false;
    for (int i = 0; i < pg_rows(r); i++) {
        const struct label table = {STR("hypertable"), pg_get_str(r, i, 0)};
        samples_add(out, STR("postgres"), STR("timescaledb_hypertable_bytes"),
                    pg_get_f64(r, i, 1), &table, 1);
        if (!pg_is_null(r, i, 2))
            samples_add(out, STR("postgres"),
                        STR("timescaledb_compression_ratio"),
                        pg_get_f64(r, i, 2), &table, 1);
    }
    return true;
}

bool database_write(struct pg *pg, struct pgcopy *copy,
                    const struct samples *samples, int64_t time_us,
                    struct err *err)
{
    AUTO_RELEASE(buf) tags = {0};
    if (!pgcopy_begin(copy, pg,
                      "copy system_metrics (time, metric_name, service, tags,"
                      " value) from stdin (format binary)",
                      err))
        return false;
    for (size_t i = 0; i < samples->count; i++) {
        const struct sample *s = &samples->at[i];
        buf_reset(&tags);
        labels_json(s->labels, s->label_count, &tags);
        pgcopy_row(copy, 5);
        pgcopy_time(copy, time_us);
        pgcopy_text(copy, s->name);
        pgcopy_text_opt(copy, s->service);
        pgcopy_jsonb(copy, buf_str(&tags));
        pgcopy_f64(copy, s->value);
    }
    int64_t rows;
    return pgcopy_end(copy, &rows, err);
}
