/* SPDX-License-Identifier: Apache-2.0 */
/* rows.h - growing arrays of one table's rows, each beginning with what the
 * storing code needs to know of any row. */
#ifndef WRITER_ROWS_H
#define WRITER_ROWS_H

#include "common/str.h"

enum row_path {
    ROW_SKIP,   /* not in this attempt */
    ROW_DIRECT, /* newer than all of its kind: COPY into the table */
    ROW_STAGED, /* may be there already: through the staging table */
    ROW_AGED,   /* its chunk may be compressed: staged, in small pieces */
};

enum row_fault {
    FAULT_NONE,
    FAULT_LIMIT, /* its series is over the tenant's limit */
    FAULT_VALUE, /* the database cannot hold it */
    FAULT_LATE,  /* older than the late limit */
};

struct row {
    int64_t time_us;
    uint64_t seen_key; /* of the series or device; 0: times say nothing */
    uint32_t message;  /* index; also the order of arrival */
    enum row_path path;
    enum row_fault fault; /* it stays out; its message is told if it decides */
    bool decides;         /* its verdict is its message's */
    bool inserted;        /* of the staged and aged: by this transaction */
};

struct sample_row {
    struct row row;
    int64_t series_id; /* < 0: pending at series; 0: refused */
    double value;
};

struct telemetry_row {
    struct row row;
    struct str tenant_id, device_id, site_id, msg_type;
    int64_t seq;
    struct str metrics; /* JSON object */
};

struct event_row {
    struct row row;
    struct str id, tenant_id, data; /* data: JSON object */
};

struct rows {
    char *base;
    size_t stride, count, cap;
};

void rows_init(struct rows *r, size_t stride);
void rows_release(struct rows *r);
void *rows_add(struct rows *r); /* zeroed; valid until the next rows_add */

static inline struct row *rows_at(const struct rows *r, size_t i)
{
    return (struct row *)(void *)(r->base + i * r->stride);
}

/* By the transaction at hand, once the rows of its table are written. */
static inline bool row_was_inserted(const struct row *row)
{
    return row->path == ROW_DIRECT || row->inserted;
}

#endif
