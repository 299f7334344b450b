/* SPDX-License-Identifier: Apache-2.0 */
#include "tools/pulse/deadletter_planner.h"

#include <stdlib.h>

#include "common/clock.h"

enum { ARENA_BLOCK = 256 << 10 };

static bool oldest_read(struct world *w, int64_t *us, struct err *err)
{
    struct pg *pg = world_pg(w, err);
    AUTO(pg_result) r =
        pg ? pg_run(pg, "SELECT now() - store.late_limit()", NULL, err) : NULL;
    if (!r)
        return false;
    *us = pg_get_time(r, 0, 0);
    return true;
}

/* Only those that have limits of their own. */
static bool tenants_read(struct world *w, struct planner *p, struct err *err)
{
    struct pg *pg = world_pg(w, err);
    AUTO(pg_result) r = pg ? pg_run(pg,
                                    "SELECT tenant_id, limits FROM tenants"
                                    " WHERE limits <> '{}'",
                                    NULL, err)
                           : NULL;
    if (!r)
        return false;
    for (int i = 0; i < pg_rows(r); i++) {
        struct tenant_limits limits = limits_defaults(w->limits);
        struct check_rules *rules = xmalloc(sizeof *rules);
        limits_override(&limits, pg_get_str(r, i, 1), p->arena);
        *rules = limits_rules(&limits);
        map_put(p->tenants, pg_get_str(r, i, 0), rules);
    }
    return true;
}

struct planner *planner_new(struct world *w, struct err *err)
{
    AUTO(planner) p = xcalloc(1, sizeof *p);
    const struct tenant_limits defaults = limits_defaults(w->limits);
    p->rules = limits_rules(&defaults);
    p->message_bytes_max = (size_t)w->limits->message_bytes_max;
    p->now_us = clock_wall_us();
    p->arena = arena_new(ARENA_BLOCK);
    p->codec = record_codec_new(err);
    p->tenants = map_new(0, free);
    if (!p->codec || !oldest_read(w, &p->oldest_us, err) ||
        !tenants_read(w, p, err))
        return NULL;
    return MOVE(p);
}

void planner_free(struct planner *p)
{
    if (!p)
        return;
    record_codec_free(p->codec);
    map_free(p->tenants);
    arena_free(p->arena);
    free(p);
}
