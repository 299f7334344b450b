/* SPDX-License-Identifier: Apache-2.0 */
/* deadletter drop: gives new letters up; their rows and bytes stay. */
#include <inttypes.h>
#include <stdio.h>

#include "tools/pulse/commands.h"
#include "tools/pulse/deadletter_walk.h"
#include "tools/pulse/world.h"

struct drop {
    struct pg *pg;
    bool dry;
    struct tally tally; /* good: dropped, or would be */
};

static struct pg_result *page_lock(const struct drop *d, const int64_t *ids,
                                   size_t count, struct err *err)
{
    struct pg_params p = {0};
    pg_i64_array(&p, ids, count);
    if (d->dry)
        return pg_run(d->pg,
                      "SELECT id, status, reason FROM dead_letters"
                      " WHERE id = ANY ($1::bigint[]) ORDER BY id",
                      &p, err);
    return pg_run(d->pg,
                  "SELECT id, status, reason FROM dead_letters"
                  " WHERE id = ANY ($1::bigint[]) ORDER BY id FOR UPDATE",
                  &p, err);
}

static bool page_mark(const struct drop *d, const int64_t *ids, size_t count,
                      struct err *err)
{
    struct pg_params p = {0};
    pg_i64_array(&p, ids, count);
    return pg_do(d->pg,
                 "UPDATE dead_letters SET status = 'dropped'"
                 " WHERE id = ANY ($1::bigint[]) AND status = 'new'",
                 &p, NULL, err) &&
           pg_commit(d->pg, err);
}

static bool page_drop(void *arg, const int64_t *ids, size_t count,
                      struct err *err)
{
    struct drop *d = arg;
    if (!pg_begin(d->pg, err))
        return false;
    AUTO(pg_result) r = page_lock(d, ids, count, err);
    if (!r)
        return false;
    if (d->dry)
        pg_rollback(d->pg);
    else if (!page_mark(d, ids, count, err))
        return false;
    for (int i = 0; i < pg_rows(r); i++) {
        struct str status = pg_get_str(r, i, 1), reason = pg_get_str(r, i, 2);
        if (str_is(status, "new"))
            tally_good(&d->tally, pg_get_i64(r, i, 0), "%s (%.*s)",
                       d->dry ? "would be dropped" : "dropped",
                       STR_ARG(reason));
        else
            tally_bad(&d->tally, pg_get_i64(r, i, 0), "was %.*s already",
                      STR_ARG(status));
    }
    return true;
}

static int drop_run(struct drop *d, const struct call *c,
                    const struct walk_options *o, struct err *err)
{
    const struct tally *t = &d->tally;
    d->pg = world_pg(c->world, err);
    if (!d->pg)
        return failure(err);
    tally_init(&d->tally, "drop");
    bool good = walk(d->pg, o, &d->tally, page_drop, d, err);
    tally_end(t);
    printf("%" PRId64 " letter%s: %" PRId64 " %s, %" PRId64 " not%s\n",
           t->good + t->bad, t->good + t->bad == 1 ? "" : "s", t->good,
           d->dry ? "would be dropped" : "dropped", t->bad,
           d->dry ? "; nothing was changed" : "");
    if (!good)
        return failure(err);
    return t->bad > 0;
}

static int drop(const struct call *c)
{
    struct err err = {0};
    AUTO_RELEASE(deadletter_filter) filter = {0};
    struct walk_options options;
    struct drop d = {.dry = call_flag(c, "--dry-run")};
    if (!walk_parse(&options, &filter, c, &err))
        return usage_error(c, &err);
    return drop_run(&d, c, &options, &err);
}

static const struct option options[] = {
    DEADLETTER_FILTER_OPTIONS,
    {"--limit", "COUNT", "at most that many letters", false},
    {"--dry-run", NULL, "only say what would happen", false},
};
const struct command deadletter_drop_command = {
    .name = "deadletter drop",
    .positional = "[ID…]",
    .more = true,
    .summary = "Give dead letters up",
    .details = "Their status becomes dropped; the rows and their bytes stay. "
               "Only new letters are dropped;\nexit status 1 where one was "
               "not.\n",
    .examples = "  pulse deadletter drop 1234\n"
                "  pulse deadletter drop --reason malformed_json --until 7d\n",
    .options = options,
    .option_count = ARRAY_LEN(options),
    .run = drop,
};
