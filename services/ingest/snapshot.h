/* SPDX-License-Identifier: Apache-2.0 */
/* snapshot.h - all that the edge knows of the database, as of one moment: keys,
 * limits, the store's late limit. Made from bytes, which PostgreSQL's rows
 * are written as, and which are kept on disk as they are. Pure: no I/O. */
#ifndef INGEST_SNAPSHOT_H
#define INGEST_SNAPSHOT_H

#include "common/pulse/keyring.h"
#include "common/pulse/limits.h"
#include "services/ingest/quota.h"

/* --- the bytes ----------------------------------------------------------- */

/* Little-endian numbers; texts and lists behind their length:
 *   "pulse keys\n", u32 version, i64 read_at (µs since 1970)
 *   i64 late limit (µs), u32 tenants of {tenant_id, limits},
 *   u32 keys of {key_id, tenant_id, device_id ("" is none), u32 scopes,
 *                i64 expires_at, 32 bytes of hash}
 *   SHA-256 of all before
 * What is secret in it are hashes. */
struct snapshot_writer {
    struct buf *out; /* empty at first */
    size_t count_at; /* where the list's length goes */
    uint32_t count;
};
void snapshot_begin(struct snapshot_writer *w, struct buf *out,
                    int64_t read_at_us, int64_t late_limit_us);
/* First all tenants, then all keys. */
void snapshot_tenant(struct snapshot_writer *w, struct str tenant_id,
                     struct str limits);
void snapshot_keys(struct snapshot_writer *w); /* tenants end, keys begin */
void snapshot_key(struct snapshot_writer *w, const struct key *key);
void snapshot_end(struct snapshot_writer *w);
/* The same but for the time it was read? */
bool snapshot_same(struct str a, struct str b);

/* --- the snapshot -------------------------------------------------------- */

/* What a tenant may; its quota goes on from snapshot to snapshot. */
struct tenant {
    struct check_rules rules;
    size_t records_max, body_bytes_max;
    struct quota *quota;
};

struct snapshot; /* immutable; threads may read it together */
struct snapshot_options {
    struct tenant_limits defaults;
    struct quotas *quotas;
    int64_t replicas; /* a tenant's rates are divided among them */
    int64_t now_us;   /* monotonic */
};
/* NULL and *err (ERR_INPUT) where bytes are not whole. */
struct snapshot *snapshot_new(struct str bytes,
                              const struct snapshot_options *options,
                              struct err *err) MUST_USE;
void snapshot_free(struct snapshot *s);
DEFINE_AUTO(snapshot)
const struct keyring *snapshot_ring(const struct snapshot *s);
/* NULL: unknown, which no key's tenant is. */
const struct tenant *snapshot_find(const struct snapshot *s,
                                   struct str tenant_id);
int64_t snapshot_read_at(const struct snapshot *s);

#endif
