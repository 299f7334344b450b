/* SPDX-License-Identifier: Apache-2.0 */
/*
 * table.h - a batch's rows into one table, each with its verdict.
 *
 * One repeat fails a whole COPY. So rows known to be newer than what is stored
 * go by COPY into the table, all others by COPY into a temporary staging table
 * and from there by INSERT … ON CONFLICT DO NOTHING, in the same transaction;
 * those that were not inserted are compared with what is there. Rows whose key
 * appears twice in the batch are all staged: the first is inserted.
 *
 * Into a compressed chunk (timescale edition) TimescaleDB checks a row against
 * the compressed batch of its key, which it may have to decompress, up to
 * 1,000 rows each and so many in one statement at most, then error 53400. So
 * rows old enough to meet one are aged: they go last, in pieces of PIECE_ROWS.
 */
#ifndef WRITER_TABLE_H
#define WRITER_TABLE_H

#include "common/pgcopy.h"
#include "services/writer/batch.h"
#include "services/writer/seen.h"
#include "services/writer/stats.h"

/* The session allows 1,000 times as many rows to be decompressed: see
 * store.c. */
enum { PIECE_ROWS = 1000 };

struct table {
    enum stats_table id;
    const char *name;
    const char *create; /* the staging table of the session */
    const char *copy, *stage;
    const char *empty;   /* the staging table */
    const char *insert;  /* staged rows; gives the n of those inserted */
    const char *compare; /* $1: n's; gives n and whether the same is there */
    int columns;         /* of copy; stage has n in front of them */
    void (*put)(struct pgcopy *c, const struct batch *b, const struct row *row);
    /* Sorts by key, time, arrival; or, where it is NULL, qsort does by order.
     */
    void (*sort)(struct rows *rows);
    int (*order)(const void *a, const void *b);
    bool (*same_key)(const struct row *a, const struct row *b);
};

extern const struct table telemetry_table, samples_table, events_table;

/* A table's rows on their way through the attempts to write them. */
struct table_job {
    const struct table *table;
    struct batch *batch;
    struct rows *rows;
    struct seen *seen; /* may be NULL: times of this table say nothing */
    struct pg *pg;
    struct pgcopy *copy;
    int64_t aged_us; /* rows before it are aged */
    size_t piece;    /* most of them one statement inserts */
    bool used;       /* the staging table, in this attempt */
    int64_t tally[STATS_VERDICTS], staged, aged; /* of the last attempt */
};

/* The database refused a row: its value, a constraint, or its length. */
bool table_is_row_fault(const struct pg *pg);
/* The last statement would have decompressed too much. */
bool table_is_too_much(const struct pg *pg);
/* After that: all rows are aged now, or the pieces smaller. False: they
 * are as small as can be. */
bool table_shrink(struct table_job *j) MUST_USE;
/* Once per batch, before the first attempt. */
void table_sort(const struct table *t, struct rows *rows);
/* Writes the rows that are due, and sets the verdicts of messages whose row
 * decides. all_staged: trust no memory, nothing goes directly. */
bool table_write(struct table_job *j, bool all_staged, struct err *err)
    MUST_USE;
/* After the database refused some row (class 22, 23 or 54) and a rollback:
 * finds all such rows in transactions that are rolled back, and poisons them.
 * False if something else fails. */
bool table_bisect(struct table_job *j, struct err *err) MUST_USE;
/* After COMMIT: remembers the times, counts the verdicts. */
void table_committed(struct table_job *j, struct stats *stats);

#endif
