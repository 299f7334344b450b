/* SPDX-License-Identifier: Apache-2.0 */
#include "services/ingest/key_uses.h"

#include <stdlib.h>

#include "common/map.h"

struct key_uses {
    struct map *last; /* key_id -> int64_t, µs since 1970 */
};

struct key_uses *key_uses_new(void)
{
    struct key_uses *u = xcalloc(1, sizeof *u);

    u->last = map_new(0, free); /* no more than there are keys */
    return u;
}

void key_uses_free(struct key_uses *u)
{
    if (!u)
        return;
    map_free(u->last);
    free(u);
}

static void use_note(struct str key_id, int64_t used_us, void *arg)
{
    struct key_uses *u = arg;
    int64_t *last = map_get(u->last, key_id);

    if (!last) {
        last = xcalloc(1, sizeof *last);
        map_put(u->last, key_id, last);
    }
    if (used_us > *last)
        *last = used_us;
}

void key_uses_gather(struct key_uses *u, const struct keyring *ring)
{
    keyring_used(ring, use_note, u);
}

struct columns {
    struct str *ids;
    int64_t *times;
    size_t count;
};

static bool column_add(struct str key_id, void *value, void *arg)
{
    struct columns *c = arg;

    c->ids[c->count] = key_id;
    c->times[c->count++] = *(const int64_t *)value;
    return true;
}

bool key_uses_write(struct key_uses *u, struct pg *pg, struct err *err)
{
    size_t count = map_count(u->last);
    struct pg_params p = {0};

    if (count == 0)
        return true;
    AUTO(arena) a = arena_new(4096);
    struct columns c = {.ids = arena_alloc(a, count * sizeof *c.ids),
                        .times = arena_alloc(a, count * sizeof *c.times)};
    map_each(u->last, column_add, &c);
    pg_text_array(&p, c.ids, count);
    pg_time_array(&p, c.times, count);
    /* Another edge may have seen it later. */
    bool good =
        pg_do(pg,
              "UPDATE public.api_keys k SET last_used_at = u.used_at"
              " FROM unnest($1::text[], $2::timestamptz[]) u (key_id, used_at)"
              " WHERE k.key_id = u.key_id"
              " AND (k.last_used_at IS NULL OR k.last_used_at < u.used_at)",
              &p, NULL, err);
    if (good)
        map_clear(u->last);
    return good;
}
