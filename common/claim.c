/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Why a lock wait ends in pg_terminate_backend: a process frozen inside COPY
 * holds its row locks, and while the server waits for the client's next bytes
 * none of its timeouts (statement, idle, transaction) runs. Its rows cannot
 * commit once its backend is gone; its epoch is stale when it wakes.
 */
#include "common/claim.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "common/gaps.h"

struct claims {
    char *consumer, *owner;
    const char *const *topics;
    struct gaps *gaps;
    bool hold;
    struct claim *held;
    size_t count;
    struct { /* statements, with the table's name in them */
        char *insert, *lock, *take, *terminate, *advance;
    } sql;
};

struct claims *claims_new(const struct claims_options *options)
{
    const char *table = options->table;
    struct claims *c = xcalloc(1, sizeof *c);
    c->consumer = xstrdup(options->consumer);
    c->owner = xstrdup(options->owner);
    c->topics = options->topics;
    c->gaps = gaps_new(options->gaps, options->consumer);
    c->hold = options->hold;
    c->sql.insert = pg_table_sql(
        "INSERT INTO @ (consumer, topic, part, topic_id, first_off, next_off,"
        " replay_from, epoch) VALUES ($1, $2, $3, $4, $5, $5, $5, 0)"
        " ON CONFLICT (consumer, topic, part) DO NOTHING",
        table);
    c->sql.lock = pg_table_sql(
        "SELECT topic_id, first_off, next_off, replay_from, epoch FROM @"
        " WHERE consumer = $1 AND topic = $2 AND part = $3 FOR UPDATE",
        table);
    c->sql.take = pg_table_sql(
        "UPDATE @ SET topic_id = $4, first_off = $5, next_off = $6,"
        " replay_from = $7, epoch = $8, owner = $9,"
        " backend_pid = pg_backend_pid(), backend_start ="
        " (SELECT a.backend_start FROM pg_stat_activity a"
        "  WHERE a.pid = pg_backend_pid())"
        " WHERE consumer = $1 AND topic = $2 AND part = $3",
        table);
    c->sql.terminate = pg_table_sql(
        "SELECT pg_terminate_backend(a.pid, 1000) FROM pg_stat_activity a"
        " JOIN @ o ON o.backend_pid = a.pid"
        " AND o.backend_start = a.backend_start"
        " WHERE o.consumer = $1 AND o.topic = $2 AND o.part = $3"
        " AND a.pid <> pg_backend_pid() AND a.xact_start IS NOT NULL",
        table);
    /* Rows are locked in key order, so two holders cannot deadlock. */
    c->sql.advance = pg_table_sql(
        "WITH v AS (SELECT * FROM unnest($2::text[], $3::int4[], $4::int8[],"
        " $5::int8[], $6::int8[], $7::int8[])"
        " AS v(topic, part, expected, epoch, next, replay)),"
        " l AS (SELECT o.topic, o.part FROM @ o JOIN v USING (topic, part)"
        " WHERE o.consumer = $1 AND o.next_off = v.expected"
        " AND o.epoch = v.epoch ORDER BY o.topic, o.part FOR UPDATE OF o)"
        " UPDATE @ o SET next_off = v.next, replay_from = v.replay"
        " FROM v JOIN l USING (topic, part)"
        " WHERE o.consumer = $1 AND o.topic = v.topic AND o.part = v.part"
        " RETURNING o.topic, o.part",
        table);
    return c;
}

void claims_free(struct claims *c)
{
    if (c == NULL)
        return;
    free(c->sql.insert);
    free(c->sql.lock);
    free(c->sql.take);
    free(c->sql.terminate);
    free(c->sql.advance);
    gaps_free(c->gaps);
    free(c->consumer);
    free(c->owner);
    free(c->held);
    free(c);
}

/* ---- what is held ---- */

static struct claim *find(const struct claims *c, size_t topic, int32_t part)
{
    for (size_t i = 0; i < c->count; i++)
        if (c->held[i].topic == topic && c->held[i].part == part)
            return &c->held[i];
    return NULL;
}

static void keep(struct claims *c, const struct claim *claim)
{
    struct claim *known = find(c, claim->topic, claim->part);
    if (known == NULL) {
        c->held = xreallocarray(c->held, c->count + 1, sizeof *c->held);
        known = &c->held[c->count++];
    }
    *known = *claim;
}

void claims_drop(struct claims *c, size_t topic, int32_t part)
{
    struct claim *known = find(c, topic, part);
    if (known != NULL)
        *known = c->held[--c->count];
}

const struct claim *claims_get(const struct claims *c, size_t topic,
                               int32_t part)
{
    return find(c, topic, part);
}

/* ---- taking ---- */

struct log_state {
    struct kafka_topic_info info;
    struct kafka_log_range range;
};

static bool ask_log(struct kafka_admin *admin, const char *topic, int32_t part,
                    struct log_state *log, struct err *err)
{
    log->range = (struct kafka_log_range){.topic = topic, .part = part};
    return kafka_topic_describe(admin, topic, &log->info, err) &&
           kafka_log_ranges(admin, &log->range, 1, err);
}

static int64_t min_i64(int64_t a, int64_t b)
{
    return a < b ? a : b;
}

static void start_anew(struct claim *claim, const struct log_state *log)
{
    claim->recreated = true;
    claim->first = claim->next = claim->replay_from = log->range.first;
    memcpy(claim->topic_id, log->info.id, sizeof claim->topic_id);
}

/* Compares the row (in claim) with the log as it is now. */
static void judge(struct claim *claim, const struct log_state *log)
{
    if (strcmp(claim->topic_id, log->info.id) != 0) {
        start_anew(claim, log);
    } else if (claim->next > log->range.end) {
        claim->truncated = claim->next - log->range.end;
        claim->first -= claim->truncated;
        claim->next -= claim->truncated;
        claim->replay_from = min_i64(claim->replay_from, claim->next);
    } else if (claim->next < log->range.first) {
        claim->gap = log->range.first - claim->next;
    }
}

static void bind_key(struct pg_params *p, const struct claims *c,
                     const struct claim *claim)
{
    pg_text(p, str_of(c->consumer));
    pg_text(p, str_of(c->topics[claim->topic]));
    pg_i32(p, claim->part);
}

static bool row_insert(const struct claims *c, struct pg *pg,
                       const struct claim *claim, const struct log_state *log,
                       struct err *err)
{
    struct pg_params p = {.count = 0};
    bind_key(&p, c, claim);
    pg_text(&p, str_of(log->info.id));
    pg_i64(&p, log->range.first);
    return pg_do(pg, c->sql.insert, &p, NULL, err);
}

static bool row_lock(const struct claims *c, struct pg *pg, struct claim *claim,
                     struct err *err)
{
    struct pg_params p = {.count = 0};
    bind_key(&p, c, claim);
    AUTO(pg_result) r = pg_run(pg, c->sql.lock, &p, err);
    if (r == NULL)
        return false;
    if (pg_rows(r) != 1) {
        err_set(err, ERR_RETRY,
                "the offset row went away while it was claimed");
        return false;
    }
    struct str id = pg_get_str(r, 0, 0);
    if (id.n < sizeof claim->topic_id && id.n > 0)
        memcpy(claim->topic_id, id.p, id.n); /* the rest is zero */
    claim->first = pg_get_i64(r, 0, 1);
    claim->next = pg_get_i64(r, 0, 2);
    claim->replay_from = pg_get_i64(r, 0, 3);
    claim->epoch = pg_get_i64(r, 0, 4) + 1;
    return true;
}

static bool row_take(const struct claims *c, struct pg *pg,
                     const struct claim *claim, struct err *err)
{
    struct pg_params p = {.count = 0};
    bind_key(&p, c, claim);
    pg_text(&p, str_of(claim->topic_id));
    pg_i64(&p, claim->first);
    pg_i64(&p, claim->next);
    pg_i64(&p, claim->replay_from);
    pg_i64(&p, claim->epoch);
    pg_text(&p, str_of(c->owner));
    return pg_do(pg, c->sql.take, &p, NULL, err);
}

bool claims_note_gap(struct claims *c, struct pg *pg, size_t topic,
                     int32_t part, int64_t from, int64_t to, struct err *err)
{
    const struct claim *claim = find(c, topic, part);
    assert(claim != NULL);
    return gaps_note(c->gaps, pg,
                     &(struct gap){.kind = GAP_EXPIRED,
                                   .topic = c->topics[topic],
                                   .topic_id = claim->topic_id,
                                   .part = part,
                                   .from = from,
                                   .to = to},
                     err);
}

/* before is the position the row had. */
static bool note_gap(const struct claims *c, struct pg *pg,
                     const struct claim *claim, int64_t before, struct err *err)
{
    struct gap gap = {.topic = c->topics[claim->topic],
                      .topic_id = claim->topic_id,
                      .part = claim->part,
                      .from = claim->next};
    if (claim->recreated) {
        gap.kind = GAP_RECREATED;
        gap.from = before;
        gap.to = claim->next;
    } else if (claim->truncated > 0) {
        gap.kind = GAP_TRUNCATED;
        gap.to = before;
    } else if (claim->gap > 0) {
        gap.kind = GAP_EXPIRED;
        gap.to = claim->next + claim->gap;
    } else {
        return true;
    }
    return gaps_note(c->gaps, pg, &gap, err);
}

static bool look_for_hold(const struct claims *c, struct pg *pg,
                          struct claim *claim, struct err *err)
{
    int64_t open = 0;
    if (c->hold && !gaps_open(c->gaps, pg, c->topics[claim->topic], claim->part,
                              &open, err))
        return false;
    claim->on_hold = open > 0;
    return true;
}

static bool take(const struct claims *c, struct pg *pg,
                 const struct log_state *log, struct claim *claim,
                 struct err *err)
{
    if (!pg_begin(pg, err) ||
        !pg_script(pg, "SET LOCAL lock_timeout = '2s'", err) ||
        !row_insert(c, pg, claim, log, err) || !row_lock(c, pg, claim, err))
        return false;
    int64_t before = claim->next;
    judge(claim, log);
    return row_take(c, pg, claim, err) && note_gap(c, pg, claim, before, err) &&
           look_for_hold(c, pg, claim, err) && pg_commit(pg, err);
}

static bool end_zombie(const struct claims *c, struct pg *pg,
                       const struct claim *claim, struct err *err)
{
    struct pg_params p = {.count = 0};
    bind_key(&p, c, claim);
    AUTO(pg_result) r = pg_run(pg, c->sql.terminate, &p, err);
    if (r == NULL)
        return false;
    err_set(err, ERR_RETRY,
            pg_rows(r) > 0 ? "the last holder did not let go, its backend was"
                             " ended; claim again"
                           : "the row is locked by somebody else");
    return false;
}

bool claims_take(struct claims *c, struct pg *pg, struct kafka_admin *admin,
                 size_t topic, int32_t part, struct claim *out, struct err *err)
{
    struct claim claim = {.topic = topic, .part = part};
    struct log_state log;
    bool ok = ask_log(admin, c->topics[topic], part, &log, err);
    if (ok && !take(c, pg, &log, &claim, err)) {
        ok = false;
        pg_rollback(pg);
        if (strcmp(pg_sqlstate(pg), "55P03") == 0) /* lock_not_available */
            (void)end_zombie(c, pg, &claim, err);
    }
    if (!ok) {
        err_in(err, "claim %s/%d", c->topics[topic], (int)part);
        return false;
    }
    if (!claim.on_hold)
        keep(c, &claim);
    *out = claim;
    return true;
}

/* ---- advancing ---- */

struct columns { /* of the moves that are still held */
    struct str *topics;
    int32_t *parts;
    int64_t *expected, *epochs, *next, *replay;
    size_t count;
};

static void columns_release(struct columns *v)
{
    free(v->topics);
    free(v->parts);
    free(v->expected); /* the four share one block */
}
DEFINE_AUTO_RELEASE(columns)

static void columns_init(struct columns *v, size_t count)
{
    v->topics = xcalloc(count, sizeof *v->topics);
    v->parts = xcalloc(count, sizeof *v->parts);
    v->expected = xcalloc(count * 4, sizeof *v->expected);
    v->epochs = v->expected + count;
    v->next = v->epochs + count;
    v->replay = v->next + count;
}

static void columns_fill(struct columns *v, const struct claims *c,
                         struct claim_move *moves, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        struct claim_move *m = &moves[i];
        const struct claim *claim = find(c, m->topic, m->part);
        m->held = false;
        if (claim == NULL)
            continue;
        size_t at = v->count++;
        v->topics[at] = str_of(c->topics[m->topic]);
        v->parts[at] = m->part;
        v->expected[at] = claim->next;
        v->epochs[at] = claim->epoch;
        v->next[at] = m->next;
        v->replay[at] = m->replay_from == INT64_MIN ? m->next : m->replay_from;
    }
}

static void mark_held(const struct claims *c, const struct pg_result *r,
                      struct claim_move *moves, size_t count)
{
    for (int row = 0; row < pg_rows(r); row++) {
        struct str topic = pg_get_str(r, row, 0);
        int64_t part = pg_get_i64(r, row, 1);
        for (size_t i = 0; i < count; i++)
            if (moves[i].part == part &&
                str_is(topic, c->topics[moves[i].topic]))
                moves[i].held = true;
    }
}

bool claims_advance(struct claims *c, struct pg *pg, struct claim_move *moves,
                    size_t count, struct err *err)
{
    AUTO_RELEASE(columns) v = {0};
    columns_init(&v, count);
    columns_fill(&v, c, moves, count);
    if (v.count == 0)
        return true;
    struct pg_params p = {.count = 0};
    pg_text(&p, str_of(c->consumer));
    pg_text_array(&p, v.topics, v.count);
    pg_i32_array(&p, v.parts, v.count);
    pg_i64_array(&p, v.expected, v.count);
    pg_i64_array(&p, v.epochs, v.count);
    pg_i64_array(&p, v.next, v.count);
    pg_i64_array(&p, v.replay, v.count);
    AUTO(pg_result) r = pg_run(pg, c->sql.advance, &p, err);
    if (r == NULL)
        return false;
    mark_held(c, r, moves, count);
    return true;
}

void claims_committed(struct claims *c, const struct claim_move *moves,
                      size_t count)
{
    for (size_t i = 0; i < count; i++) {
        const struct claim_move *m = &moves[i];
        struct claim *claim = find(c, m->topic, m->part);
        if (claim == NULL || !m->held)
            continue;
        claim->next = m->next;
        claim->replay_from =
            m->replay_from == INT64_MIN ? m->next : m->replay_from;
        claim->gap = 0;
    }
}
