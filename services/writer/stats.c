/* SPDX-License-Identifier: Apache-2.0 */
#include "services/writer/stats.h"

#include <string.h>

static const char *const tables[STATS_TABLES] = {"telemetry", "samples",
                                                 "raw_events"};
static const char *const verdicts[STATS_VERDICTS] = {
    "stored",       "duplicate",  "conflict",
    "series_limit", "unstorable", "too_late"};

static void init_rows(struct stats *s, struct metrics *m)
{
    for (int t = 0; t < STATS_TABLES; t++) {
        s->staged[t] =
            metrics_counter(m, "pulse_writer_staged_rows_total",
                            "Rows written through the staging table.", "table",
                            tables[t], NULL);
        s->aged[t] =
            metrics_counter(m, "pulse_writer_aged_rows_total",
                            "Rows old enough for a compressed chunk, written"
                            " through the staging table in small pieces.",
                            "table", tables[t], NULL);
        for (int v = 0; v < STATS_VERDICTS; v++)
            s->rows[t][v] = metrics_counter(
                m, "pulse_writer_rows_total",
                "Rows by what became of them, counted after COMMIT.", "table",
                tables[t], "verdict", verdicts[v], NULL);
    }
}

static void init_batches(struct stats *s, struct metrics *m)
{
    s->batches = metrics_counter(m, "pulse_writer_batches_total",
                                 "Batches committed.", NULL);
    s->redone = metrics_counter(m, "pulse_writer_batches_redone_total",
                                "Batches written again: a unique violation or"
                                " a row the database cannot hold.",
                                NULL);
    s->batch_rows =
        metrics_histogram(m, "pulse_writer_batch_rows",
                          "Messages and samples in a batch.", 1, 100000, NULL);
    s->batch_seconds = metrics_histogram(
        m, "pulse_writer_batch_seconds",
        "Time to write a batch, COMMIT included.", 0.001, 10, NULL);
    s->commit_seconds =
        metrics_histogram(m, "pulse_writer_commit_seconds", "Time COMMIT took.",
                          0.0001, 10, NULL);
    s->batch_bytes =
        metrics_histogram(m, "pulse_writer_batch_bytes",
                          "Memory of a batch, in bytes.", 10000, 1e9, NULL);
}

static void init_topic(struct stats *s, struct metrics *m, size_t i,
                       const char *topic)
{
    s->messages[i] =
        metrics_counter(m, "pulse_writer_messages_total",
                        "Messages accounted for.", "topic", topic, NULL);
    s->bytes[i] = metrics_counter(m, "pulse_writer_message_bytes_total",
                                  "Payloads of messages accounted for.",
                                  "topic", topic, NULL);
    s->lag_seconds[i] = metrics_histogram(
        m, "pulse_writer_lag_seconds",
        "From received_at of a batch's oldest message to its COMMIT.", 0.01,
        1000, "topic", topic, NULL);
    s->lag_messages[i] = metrics_gauge(
        m, "pulse_writer_lag_messages",
        "Messages in the log, of partitions held, that are not yet read.",
        "topic", topic, NULL);
}

static struct counter *gaps(struct metrics *m, const char *kind)
{
    return metrics_counter(m, "pulse_writer_gaps_total",
                           "Claims that found messages missing; see"
                           " store.offset_gaps.",
                           "kind", kind, NULL);
}

static void init_partitions(struct stats *s, struct metrics *m)
{
    s->gaps_expired = gaps(m, "expired");
    s->gaps_truncated = gaps(m, "truncated");
    s->gaps_recreated = gaps(m, "recreated");
    s->held = metrics_gauge(m, "pulse_writer_partitions", "Partitions.",
                            "state", "held", NULL);
    s->on_hold = metrics_gauge(m, "pulse_writer_partitions", "Partitions.",
                               "state", "on_hold", NULL);
    s->assigned = metrics_gauge(m, "pulse_writer_partitions", "Partitions.",
                                "state", "assigned", NULL);
}

void stats_init(struct stats *s, struct metrics *m, const struct topics *t)
{
    s->metrics = m;
    s->topics = t->count;
    for (size_t i = 0; i < t->count; i++)
        init_topic(s, m, i, t->names[i]);
    init_rows(s, m);
    init_batches(s, m);
    s->letters = metrics_counter(m, "pulse_writer_letters_stored_total",
                                 "Messages of pulse.deadletter stored.", NULL);
    s->gap = metrics_counter(m, "pulse_writer_gap_offsets_total",
                             "Offsets the log did not have.", NULL);
    s->late_rows = metrics_counter(
        m, "pulse_writer_late_rows_total",
        "Samples stored that were older than what is rolled up.", NULL);
    s->marks = metrics_counter(
        m, "pulse_writer_rollup_marks_total",
        "Minutes of a series marked to be rolled up again.", NULL);
    s->lost =
        metrics_counter(m, "pulse_writer_claims_lost_total",
                        "Slices dropped: another writer has the claim.", NULL);
    s->series_hits = metrics_counter(m, "pulse_writer_series_lookups_total",
                                     "Series looked up.", "cache", "hit", NULL);
    s->series_misses =
        metrics_counter(m, "pulse_writer_series_lookups_total",
                        "Series looked up.", "cache", "miss", NULL);
    s->series_cached = metrics_gauge(m, "pulse_writer_series_cached",
                                     "Series in the cache.", NULL);
    s->series_cached_bytes = metrics_gauge(
        m, "pulse_writer_series_cached_bytes",
        "Names of the series in the cache and of those refused lately.", NULL);
    init_partitions(s, m);
}

void stats_dead(struct stats *s, const char *reason)
{
    counter_add(metrics_counter(s->metrics, "pulse_writer_dead_letters_total",
                                "Messages made dead letters.", "reason", reason,
                                NULL),
                1);
}

static const char *class_of(const char *sqlstate)
{
    static const struct {
        const char *begin, *class;
    } classes[] = {
        {"08", "connection"},  {"25006", "read_only"},
        {"40001", "conflict"}, {"40P01", "deadlock"},
        {"42", "schema"},      {"53100", "disk_full"},
        {"53", "resources"},   {"55P03", "lock_timeout"},
        {"57014", "timeout"},  {"57P", "shutdown"},
    };
    if (sqlstate[0] == '\0')
        return "connection";
    for (size_t i = 0; i < ARRAY_LEN(classes); i++)
        if (strncmp(sqlstate, classes[i].begin, strlen(classes[i].begin)) == 0)
            return classes[i].class;
    return "other";
}

void stats_failed(struct stats *s, const char *sqlstate)
{
    counter_add(metrics_counter(s->metrics, "pulse_writer_batches_failed_total",
                                "Batches given up and read again, by what the"
                                " database said.",
                                "class", class_of(sqlstate), NULL),
                1);
}
