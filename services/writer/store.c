/* SPDX-License-Identifier: Apache-2.0 */
#include "services/writer/store.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "common/clock.h"
#include "common/log.h"
#include "services/writer/horizon.h"
#include "services/writer/ledger.h"
#include "services/writer/letters.h"
#include "services/writer/marks.h"
#include "services/writer/table.h"

enum { JOBS = 3, ATTEMPTS_MAX = 10 };

struct store {
    struct pg *pg;
    struct claims *claims;
    struct stats *stats;
    struct seen *series_seen, *devices_seen;
    struct pgcopy copy;
    uint64_t prepared; /* the pg_generation that has the staging tables */
    struct horizon horizon;
    struct marks marks;          /* of the last attempt */
    struct table_job jobs[JOBS]; /* of the batch being written, in order */
    struct table_job *at;        /* the one at work; NULL: none */
    struct claim_move *moves;
    size_t move_count;
};

struct store *store_new(const struct store_options *options, struct pg *pg,
                        struct claims *claims, struct stats *stats)
{
    struct store *s = xcalloc(1, sizeof *s);
    s->pg = pg;
    s->claims = claims;
    s->stats = stats;
    s->series_seen = seen_new(options->series_seen);
    s->devices_seen = seen_new(options->devices_seen);
    return s;
}

void store_free(struct store *s)
{
    if (s == NULL)
        return;
    seen_free(s->series_seen);
    seen_free(s->devices_seen);
    pgcopy_release(&s->copy);
    free(s);
}

/* ---- before the transaction ---- */

static const struct table *const tables[JOBS] = {
    &telemetry_table, /* first: samples follow its verdicts */
    &samples_table, &events_table};

/* Where there is such a limit: what a piece of aged rows can need at most, see
 * table.h. What needs more is split, see remedy. */
static const char allow_sql[] =
    "SELECT set_config(name, '1000000', false) FROM pg_settings"
    " WHERE name = 'timescaledb.max_tuples_decompressed_per_dml_transaction'";
static_assert(PIECE_ROWS * 1000 == 1000000, "allow_sql says it");

static bool prepare(struct store *s, struct err *err)
{
    if (s->prepared == pg_generation(s->pg))
        return true;
    if (!pg_script(s->pg, allow_sql, err))
        return false;
    for (int i = 0; i < JOBS; i++)
        if (!pg_script(s->pg, tables[i]->create, err))
            return false;
    s->prepared = pg_generation(s->pg);
    return true;
}

/* A message that will not be stored makes no series. */
static void want_series(struct batch *b)
{
    for (size_t i = 0; i < b->samples.count && b->tickets.count > 0; i++) {
        const struct row *row = rows_at(&b->samples, i);
        if (!b->messages[row->message].poison)
            tickets_want(&b->tickets,
                         ((const struct sample_row *)row)->series_id);
    }
}

/* Series are made by others under a lock per tenant: in a short transaction of
 * its own, before the batch's. */
static bool number_samples(struct store *s, struct batch *b, struct err *err)
{
    want_series(b);
    if (!tickets_resolve(&b->tickets, s->pg, err)) {
        err_in(err, "series_ids");
        return false;
    }
    for (size_t i = 0; i < b->samples.count; i++) {
        struct row *row = rows_at(&b->samples, i);
        struct sample_row *sample = (struct sample_row *)row;
        sample->series_id = tickets_number(&b->tickets, sample->series_id);
        row->seen_key = (uint64_t)sample->series_id;
        if (sample->series_id != 0 || row->fault != FAULT_NONE)
            continue;
        row->fault = FAULT_LIMIT;
        if (row->decides)
            batch_poison(b, &b->messages[row->message], "series_limit",
                         "the tenant may have no more series");
    }
    return true;
}

static void sort(struct batch *b)
{
    struct rows *rows[JOBS] = {&b->telemetry, &b->samples, &b->events};
    for (int i = 0; i < JOBS && !b->sorted; i++)
        table_sort(tables[i], rows[i]);
    b->sorted = true;
}

void store_sort(struct batch *b)
{
    if (b->tickets.count == 0)
        sort(b);
}

static void jobs_init(struct store *s, struct batch *b)
{
    struct rows *rows[JOBS] = {&b->telemetry, &b->samples, &b->events};
    struct seen *seen[JOBS] = {s->devices_seen, s->series_seen, NULL};
    int64_t aged_us = horizon_compressed_us(&s->horizon);
    for (int i = 0; i < JOBS; i++) {
        s->jobs[i] = (struct table_job){.table = tables[i],
                                        .batch = b,
                                        .rows = rows[i],
                                        .seen = seen[i],
                                        .pg = s->pg,
                                        .copy = &s->copy,
                                        .aged_us = aged_us,
                                        .piece = PIECE_ROWS};
    }
    sort(b);
}

static void moves_init(struct store *s, struct batch *b)
{
    s->moves = arena_zalloc(b->arena, b->slice_count, sizeof *s->moves);
    s->move_count = b->slice_count;
    for (size_t i = 0; i < b->slice_count; i++)
        s->moves[i] = (struct claim_move){.topic = b->slices[i].topic,
                                          .part = b->slices[i].part,
                                          .next = b->slices[i].next,
                                          .replay_from = INT64_MIN};
}

/* ---- the transaction ---- */

/* Positions first: whoever lost a claim finds out before it sends a row. */
static bool advance(struct store *s, struct batch *b, struct err *err)
{
    if (!claims_advance(s->claims, s->pg, s->moves, s->move_count, err)) {
        err_in(err, "consumer_offset");
        return false;
    }
    for (size_t i = 0; i < b->slice_count; i++)
        b->slices[i].held = s->moves[i].held;
    return true;
}

static bool write_tables(struct store *s, bool all_staged, struct err *err)
{
    for (int i = 0; i < JOBS; i++) {
        s->at = &s->jobs[i];
        if (!table_write(s->at, all_staged, err))
            return false;
    }
    s->at = NULL;
    return true;
}

static bool commit(struct store *s, struct err *err)
{
    int64_t start_us = clock_mono_us();
    if (!pg_commit(s->pg, err)) {
        err_in(err, "COMMIT, outcome unknown");
        return false;
    }
    histogram_observe(s->stats->commit_seconds,
                      (double)(clock_mono_us() - start_us) / 1e6);
    return true;
}

static bool attempt(struct store *s, struct batch *b, bool all_staged,
                    struct err *err)
{
    s->at = NULL;
    batch_rewind(b);
    return pg_begin(s->pg, err) && advance(s, b, err) &&
           write_tables(s, all_staged, err) && letters_write(b, s->pg, err) &&
           ledger_write(b, s->claims, s->pg, err) &&
           marks_write(b, s->pg, &s->marks, err) && commit(s, err);
}

static void note_redone(struct store *s, const struct err *err)
{
    counter_add(s->stats->redone, 1);
    log_info("batch_redone", LOG_ERR(err));
}

/* After a failed attempt, rolled back: true if another one makes sense. */
static bool remedy(struct store *s, bool *all_staged, struct err *err)
{
    if (s->at == NULL)
        return false;
    if (table_is_too_much(s->pg)) {
        note_redone(s, err);
        return table_shrink(s->at);
    }
    if (err->kind != ERR_INPUT || !table_is_row_fault(s->pg))
        return false;
    note_redone(s, err);
    if (strcmp(pg_sqlstate(s->pg), "23505") == 0 && !*all_staged) {
        *all_staged = true; /* memory was wrong: see seen.h */
        return true;
    }
    return table_bisect(s->at, err);
}

static bool write_batch(struct store *s, struct batch *b, struct err *err)
{
    bool all_staged = false;
    for (int i = 0; i < ATTEMPTS_MAX; i++) {
        if (attempt(s, b, all_staged, err))
            return true;
        pg_rollback(s->pg);
        if (!remedy(s, &all_staged, err))
            return false;
    }
    err_in(err, "given up");
    return false;
}

/* ---- after COMMIT ---- */

static void drop_lost(struct store *s, const struct batch *b)
{
    for (size_t i = 0; i < b->slice_count; i++) {
        const struct slice *slice = &b->slices[i];
        if (slice->held)
            continue;
        claims_drop(s->claims, slice->topic, slice->part);
        counter_add(s->stats->lost, 1);
        log_warn("claim_lost", LOG_S("topic", batch_topic(b, slice)),
                 LOG_I("part", slice->part));
    }
}

/* The messages that counted, by topic. */
static void observe_topics(struct stats *stats, const struct batch *b)
{
    int64_t oldest_us[TOPICS_MAX], now_us = clock_wall_us();
    uint64_t messages[TOPICS_MAX] = {0}, bytes[TOPICS_MAX] = {0};
    for (size_t t = 0; t < stats->topics; t++)
        oldest_us[t] = INT64_MAX;
    for (size_t i = 0; i < b->message_count; i++) {
        const struct message *m = &b->messages[i];
        const struct slice *slice = &b->slices[m->slice];
        if (!slice->held)
            continue;
        size_t t = slice->topic;
        messages[t]++;
        bytes[t] += m->payload.n;
        if (m->received_at_us > 0 && m->received_at_us < oldest_us[t])
            oldest_us[t] = m->received_at_us;
    }
    for (size_t t = 0; t < stats->topics; t++) {
        counter_add(stats->messages[t], messages[t]);
        counter_add(stats->bytes[t], bytes[t]);
        if (oldest_us[t] != INT64_MAX)
            histogram_observe(stats->lag_seconds[t],
                              (double)(now_us - oldest_us[t]) / 1e6);
    }
}

static void observe(struct store *s, const struct batch *b)
{
    int64_t gap = 0;
    observe_topics(s->stats, b);
    for (size_t i = 0; i < b->slice_count; i++)
        gap += b->slices[i].held ? b->slices[i].gap : 0;
    counter_add(s->stats->gap, (uint64_t)gap);
    counter_add(s->stats->late_rows, (uint64_t)s->marks.rows);
    counter_add(s->stats->marks, (uint64_t)s->marks.buckets);
    counter_add(s->stats->batches, 1);
    histogram_observe(s->stats->batch_rows, (double)batch_rows(b));
    histogram_observe(s->stats->batch_bytes, (double)batch_bytes(b));
}

static bool write_all(struct store *s, struct batch *b, struct err *err)
{
    if (!prepare(s, err) || !horizon_ask(&s->horizon, s->pg, err))
        return false;
    horizon_judge(&s->horizon, b);
    if (!number_samples(s, b, err)) {
        pg_rollback(s->pg);
        return false;
    }
    jobs_init(s, b);
    moves_init(s, b);
    return write_batch(s, b, err);
}

bool store_write(struct store *s, struct batch *b, struct err *err)
{
    int64_t start_us = clock_mono_us();
    if (!write_all(s, b, err)) {
        stats_failed(s->stats, pg_sqlstate(s->pg));
        return false;
    }
    claims_committed(s->claims, s->moves, s->move_count);
    for (int i = 0; i < JOBS; i++)
        table_committed(&s->jobs[i], s->stats);
    letters_committed(b, s->stats);
    drop_lost(s, b);
    observe(s, b);
    histogram_observe(s->stats->batch_seconds,
                      (double)(clock_mono_us() - start_us) / 1e6);
    return true;
}
