/* SPDX-License-Identifier: Apache-2.0 */
#include "services/ingest/snapshot_pg.h"

#include <string.h>

#include "common/clock.h"

enum { SCOPES_MAX = 8 };

/* What ends in the future is known before: it ends without PostgreSQL. In
 * order, so that the same rows make the same bytes. */
static const char keys_sql[] =
    "SELECT key_id, tenant_id, device_id, scopes, secret_hash,"
    " least(expires_at, revoked_at)"
    " FROM public.api_keys"
    " WHERE (revoked_at IS NULL OR revoked_at > now())"
    " AND (expires_at IS NULL OR expires_at > now())"
    " ORDER BY key_id";

static unsigned scopes_read(const struct pg_result *rows, int row, int column)
{
    struct str names[SCOPES_MAX];
    size_t n = pg_get_texts(rows, row, column, names, SCOPES_MAX);
    unsigned mask = 0;

    for (size_t i = 0; i < n && i < SCOPES_MAX; i++) {
        unsigned scope;
        if (scope_parse(names[i], &scope)) /* unknown: of a later version */
            mask |= scope;
    }
    return mask;
}

static void key_write(struct snapshot_writer *w, const struct pg_result *rows,
                      int row)
{
    struct str hash = pg_get_str(rows, row, 4);
    struct key key = {
        .key_id = pg_get_str(rows, row, 0),
        .tenant_id = pg_get_str(rows, row, 1),
        .device_id = pg_get_str(rows, row, 2),
        .scopes = scopes_read(rows, row, 3),
        .expires_at_us =
            pg_is_null(rows, row, 5) ? INT64_MAX : pg_get_time(rows, row, 5),
    };

    if (hash.n != sizeof key.secret_hash)
        return; /* the table's check forbids it: such a key opens nothing */
    memcpy(key.secret_hash, hash.p, hash.n);
    snapshot_key(w, &key);
}

bool snapshot_read(struct pg *pg, struct buf *out, struct err *err)
{
    struct snapshot_writer w;

    if (!pg_connect(pg, err))
        return false;
    AUTO(pg_result) late = pg_run(pg,
                                  "SELECT (extract(epoch FROM"
                                  " store.late_limit()) * 1000000)::bigint",
                                  NULL, err);
    /* Keys before tenants: then no key's tenant is missing. */
    AUTO(pg_result) keys = late ? pg_run(pg, keys_sql, NULL, err) : NULL;
    AUTO(pg_result) tenants =
        keys ? pg_run(pg,
                      "SELECT tenant_id, limits FROM public.tenants"
                      " ORDER BY tenant_id",
                      NULL, err)
             : NULL;
    if (!tenants)
        return false;
    buf_reset(out);
    snapshot_begin(&w, out, clock_wall_us(), pg_get_i64(late, 0, 0));
    for (int row = 0; row < pg_rows(tenants); row++)
        snapshot_tenant(&w, pg_get_str(tenants, row, 0),
                        pg_get_str(tenants, row, 1));
    snapshot_keys(&w);
    for (int row = 0; row < pg_rows(keys); row++)
        key_write(&w, keys, row);
    snapshot_end(&w);
    return true;
}
