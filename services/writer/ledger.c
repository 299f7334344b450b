/* SPDX-License-Identifier: Apache-2.0 */
#include "services/writer/ledger.h"

#include <assert.h>

/* One line per held slice. */
struct lines {
    struct str *topics, *ids;
    int32_t *parts;
    int64_t *sums[VERDICTS]; /* by verdict; VERDICT_NONE holds the gap */
    size_t count;
};

static const char upsert_sql[] =
    "INSERT INTO store.ingest_ledger AS l"
    " (topic, topic_id, part, hour, stored, duplicate, dead, gap)"
    " SELECT v.topic, v.topic_id, v.part, date_trunc('hour', now(), 'UTC'),"
    " v.stored, v.duplicate, v.dead, v.gap"
    " FROM unnest($1::text[], $2::text[], $3::int4[], $4::int8[], $5::int8[],"
    " $6::int8[], $7::int8[])"
    " AS v(topic, topic_id, part, stored, duplicate, dead, gap)"
    " ON CONFLICT (topic, topic_id, part, hour) DO UPDATE SET"
    " stored = l.stored + excluded.stored,"
    " duplicate = l.duplicate + excluded.duplicate,"
    " dead = l.dead + excluded.dead, gap = l.gap + excluded.gap";

static void lines_init(struct lines *l, struct arena *a, size_t max)
{
    l->topics = arena_zalloc(a, max, sizeof *l->topics);
    l->ids = arena_zalloc(a, max, sizeof *l->ids);
    l->parts = arena_zalloc(a, max, sizeof *l->parts);
    for (int v = 0; v < VERDICTS; v++)
        l->sums[v] = arena_zalloc(a, max, sizeof **l->sums);
    l->count = 0;
}

/* Which line each slice has; SIZE_MAX: none. */
static size_t *lines_fill(struct lines *l, const struct batch *b,
                          const struct claims *claims)
{
    size_t *line = arena_alloc(b->arena, b->slice_count * sizeof *line);
    for (size_t i = 0; i < b->slice_count; i++) {
        const struct slice *s = &b->slices[i];
        line[i] = SIZE_MAX;
        if (!s->held)
            continue;
        const struct claim *claim = claims_get(claims, s->topic, s->part);
        assert(claim != NULL);
        size_t at = line[i] = l->count++;
        l->topics[at] = str_of(batch_topic(b, s));
        l->ids[at] = str_of(claim->topic_id);
        l->parts[at] = s->part;
        l->sums[VERDICT_NONE][at] = s->gap;
    }
    return line;
}

static void sum_up(struct lines *l, const struct batch *b, const size_t *line)
{
    for (size_t i = 0; i < b->message_count; i++) {
        const struct message *m = &b->messages[i];
        if (line[m->slice] == SIZE_MAX)
            continue;
        assert(m->verdict != VERDICT_NONE);
        l->sums[m->verdict][line[m->slice]]++;
    }
}

/* The books balance, or nothing is committed. */
static void check(const struct lines *l, const struct batch *b,
                  const size_t *line)
{
    for (size_t i = 0; i < b->slice_count; i++) {
        if (line[i] == SIZE_MAX)
            continue;
        int64_t sum = 0;
        for (int v = 0; v < VERDICTS; v++)
            sum += l->sums[v][line[i]];
        assert(sum == b->slices[i].next - b->slices[i].from);
    }
}

bool ledger_write(const struct batch *b, const struct claims *claims,
                  struct pg *pg, struct err *err)
{
    struct lines l;
    lines_init(&l, b->arena, b->slice_count);
    const size_t *line = lines_fill(&l, b, claims);
    sum_up(&l, b, line);
    check(&l, b, line);
    struct pg_params p = {.count = 0};
    pg_text_array(&p, l.topics, l.count);
    pg_text_array(&p, l.ids, l.count);
    pg_i32_array(&p, l.parts, l.count);
    pg_i64_array(&p, l.sums[VERDICT_STORED], l.count);
    pg_i64_array(&p, l.sums[VERDICT_DUPLICATE], l.count);
    pg_i64_array(&p, l.sums[VERDICT_DEAD], l.count);
    pg_i64_array(&p, l.sums[VERDICT_NONE], l.count);
    if (pg_do(pg, upsert_sql, &p, NULL, err))
        return true;
    err_in(err, "ingest_ledger");
    return false;
}
