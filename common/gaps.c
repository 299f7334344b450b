/* SPDX-License-Identifier: Apache-2.0 */
#include "common/gaps.h"

#include <stdlib.h>

struct gaps {
    char *consumer;
    char *expired, *other, *open; /* statements */
};

struct gaps *gaps_new(const char *table, const char *consumer)
{
    struct gaps *g = xcalloc(1, sizeof *g);
    g->consumer = xstrdup(consumer);
    /* What was accepted of it ends where the rest begins. */
    g->expired = pg_table_sql(
        "INSERT INTO @ AS g (consumer, topic, part, topic_id, kind, from_off,"
        " to_off, messages)"
        " SELECT $1, $2, $3, $4, 'expired', a.upto, $6, $6 - a.upto"
        " FROM (SELECT greatest($5, max(to_off)) AS upto FROM @"
        "  WHERE consumer = $1 AND topic = $2 AND part = $3 AND topic_id = $4"
        "  AND kind = 'expired' AND from_off >= $5"
        "  AND accepted_at IS NOT NULL) a WHERE a.upto < $6"
        " ON CONFLICT (consumer, topic, part, topic_id, from_off)"
        " WHERE kind = 'expired' DO UPDATE SET to_off = excluded.to_off,"
        " messages = excluded.messages"
        " WHERE g.accepted_at IS NULL AND g.to_off < excluded.to_off",
        table);
    g->other = pg_table_sql(
        "INSERT INTO @ (consumer, topic, part, topic_id, kind, from_off,"
        " to_off, messages) VALUES ($1, $2, $3, $4, $5, $6, $7,"
        " CASE $5 WHEN 'truncated' THEN $7 - $6 END)",
        table);
    g->open = pg_table_sql("SELECT count(*) FROM @ WHERE consumer = $1"
                           " AND topic = $2 AND part = $3"
                           " AND accepted_at IS NULL",
                           table);
    return g;
}

void gaps_free(struct gaps *g)
{
    if (g == NULL)
        return;
    free(g->consumer);
    free(g->expired);
    free(g->other);
    free(g->open);
    free(g);
}

bool gaps_note(struct gaps *g, struct pg *pg, const struct gap *gap,
               struct err *err)
{
    bool expired = gap->kind == GAP_EXPIRED;
    struct pg_params p = {.count = 0};
    pg_text(&p, str_of(g->consumer));
    pg_text(&p, str_of(gap->topic));
    pg_i32(&p, gap->part);
    pg_text(&p, str_of(gap->topic_id));
    if (!expired)
        pg_text(&p, gap->kind == GAP_TRUNCATED ? STR("truncated")
                                               : STR("recreated"));
    pg_i64(&p, gap->from);
    pg_i64(&p, gap->to);
    return pg_do(pg, expired ? g->expired : g->other, &p, NULL, err);
}

bool gaps_open(struct gaps *g, struct pg *pg, const char *topic, int32_t part,
               int64_t *count, struct err *err)
{
    struct pg_params p = {.count = 0};
    pg_text(&p, str_of(g->consumer));
    pg_text(&p, str_of(topic));
    pg_i32(&p, part);
    AUTO(pg_result) r = pg_run(pg, g->open, &p, err);
    if (r == NULL)
        return false;
    *count = pg_get_i64(r, 0, 0);
    return true;
}
