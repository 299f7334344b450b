/* SPDX-License-Identifier: Apache-2.0 */
/* snapshot_pg.h - the bytes of a snapshot, read from PostgreSQL. */
#ifndef INGEST_SNAPSHOT_PG_H
#define INGEST_SNAPSHOT_PG_H

#include "common/pg.h"
#include "services/ingest/snapshot.h"

/* out is emptied first. Blocks; connects where it must. */
bool snapshot_read(struct pg *pg, struct buf *out, struct err *err) MUST_USE;

#endif
