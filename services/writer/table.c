/* SPDX-License-Identifier: Apache-2.0 */
#include "services/writer/table.h"

#include <stdlib.h>
#include <string.h>

void table_sort(const struct table *t, struct rows *rows)
{
    if (t->sort != NULL)
        t->sort(rows);
    else if (rows->count > 1)
        qsort(rows->base, rows->count, rows->stride, t->order);
}

/* ---- which way each row goes ---- */

static bool is_due(const struct batch *b, const struct row *row)
{
    const struct message *m = &b->messages[row->message];
    if (row->fault != FAULT_NONE || m->poison || !b->slices[m->slice].held)
        return false;
    /* A telemetry message's samples follow its own row. */
    return row->decides || m->verdict == VERDICT_STORED;
}

static bool is_newer(const struct table_job *j, const struct row *row)
{
    const struct message *m = &j->batch->messages[row->message];
    return j->seen != NULL &&
           seen_newer(j->seen, row->seen_key,
                      j->batch->slices[m->slice].assignment, row->time_us);
}

/* Of one memory: the same series or device, in the same partition. */
static bool is_akin(const struct table_job *j, const struct row *a,
                    const struct row *b)
{
    const struct message *all = j->batch->messages;
    return a->seen_key == b->seen_key && a->seen_key != 0 &&
           all[a->message].slice == all[b->message].slice;
}

/* last: the due row before this one, or NULL. What is newer than a row that is
 * newer is so too. */
static enum row_path path_of(const struct table_job *j, const struct row *row,
                             const struct row *last, bool staged)
{
    if (row->time_us < j->aged_us)
        return ROW_AGED;
    if (staged)
        return ROW_STAGED;
    bool newer = last != NULL && last->path == ROW_DIRECT &&
                 is_akin(j, last, row) && row->time_us > last->time_us;
    return newer || is_newer(j, row) ? ROW_DIRECT : ROW_STAGED;
}

/* Marks due rows; those of one key, which are neighbours, go together. */
static void route(struct table_job *j, bool all_staged)
{
    struct row *last = NULL;
    for (size_t i = 0; i < j->rows->count; i++) {
        struct row *row = rows_at(j->rows, i);
        row->path = ROW_SKIP;
        row->inserted = false;
        if (!is_due(j->batch, row))
            continue;
        bool again = last != NULL && j->table->same_key(last, row);
        row->path = path_of(j, row, last, all_staged || again);
        if (again)
            last->path = row->path;
        last = row;
    }
}

static size_t count_path(const struct table_job *j, enum row_path path)
{
    size_t n = 0;
    for (size_t i = 0; i < j->rows->count; i++)
        n += rows_at(j->rows, i)->path == path;
    return n;
}

/* ---- verdicts ---- */

static void judge(struct table_job *j, const struct row *row,
                  enum stats_verdict as)
{
    struct message *m = &j->batch->messages[row->message];
    j->tally[as]++;
    if (!row->decides)
        return;
    switch (as) {
    case AS_STORED:
        m->verdict = VERDICT_STORED;
        break;
    case AS_DUPLICATE:
        m->verdict = VERDICT_DUPLICATE;
        break;
    case AS_CONFLICT:
        m->verdict = VERDICT_DEAD;
        m->reason = "conflict";
        m->detail = STR("the same key was stored before with another content");
        break;
    case AS_REFUSED:
    case AS_POISON:
    case AS_LATE:
    case STATS_VERDICTS:
        break;
    }
}

/* ---- the two ways ---- */

static bool copy_direct(struct table_job *j, struct err *err)
{
    size_t due = count_path(j, ROW_DIRECT);
    if (due == 0)
        return true;
    if (!pgcopy_begin(j->copy, j->pg, j->table->copy, err))
        return false;
    for (size_t i = 0; i < j->rows->count; i++) {
        const struct row *row = rows_at(j->rows, i);
        if (row->path != ROW_DIRECT)
            continue;
        pgcopy_row(j->copy, j->table->columns);
        j->table->put(j->copy, j->batch, row);
        judge(j, row, AS_STORED);
    }
    return pgcopy_end(j->copy, NULL, err);
}

/* Puts the rows in [from, to) that go this path, and no others, into the
 * staging table. */
static bool stage(struct table_job *j, size_t from, size_t to,
                  enum row_path path, struct err *err)
{
    if (j->used && !pg_do(j->pg, j->table->empty, NULL, NULL, err))
        return false;
    j->used = true;
    if (!pgcopy_begin(j->copy, j->pg, j->table->stage, err))
        return false;
    for (size_t i = from; i < to; i++) {
        const struct row *row = rows_at(j->rows, i);
        if (row->path != path)
            continue;
        pgcopy_row(j->copy, j->table->columns + 1);
        pgcopy_i32(j->copy, (int32_t)i);
        j->table->put(j->copy, j->batch, row);
    }
    return pgcopy_end(j->copy, NULL, err);
}

static bool insert_staged(struct table_job *j, struct err *err)
{
    AUTO(pg_result) r = pg_run(j->pg, j->table->insert, NULL, err);
    if (r == NULL)
        return false;
    for (int i = 0; i < pg_rows(r); i++) {
        struct row *row = rows_at(j->rows, (size_t)pg_get_i64(r, i, 0));
        row->inserted = true;
        judge(j, row, AS_STORED);
    }
    return true;
}

/* Those of [from, to) that were not inserted. */
static bool compare_staged(struct table_job *j, size_t from, size_t to,
                           enum row_path path, struct err *err)
{
    int32_t *left = arena_alloc(j->batch->arena, (to - from) * sizeof *left);
    size_t count = 0;
    for (size_t i = from; i < to; i++) {
        const struct row *row = rows_at(j->rows, i);
        if (row->path == path && !row->inserted)
            left[count++] = (int32_t)i;
    }
    if (count == 0)
        return true;
    struct pg_params p = {.count = 0};
    pg_i32_array(&p, left, count);
    AUTO(pg_result) r = pg_run(j->pg, j->table->compare, &p, err);
    if (r == NULL)
        return false;
    for (int i = 0; i < pg_rows(r); i++) {
        const struct row *row = rows_at(j->rows, (size_t)pg_get_i64(r, i, 0));
        judge(j, row, pg_get_bool(r, i, 1) ? AS_DUPLICATE : AS_CONFLICT);
    }
    return true;
}

static bool write_piece(struct table_job *j, size_t from, size_t to,
                        enum row_path path, struct err *err)
{
    return stage(j, from, to, path, err) && insert_staged(j, err) &&
           compare_staged(j, from, to, path, err);
}

static bool write_staged(struct table_job *j, struct err *err)
{
    size_t due = count_path(j, ROW_STAGED);
    j->staged = (int64_t)due;
    return due == 0 || write_piece(j, 0, j->rows->count, ROW_STAGED, err);
}

static bool write_aged(struct table_job *j, struct err *err)
{
    size_t left = count_path(j, ROW_AGED), from = 0;
    j->aged = (int64_t)left;
    while (left > 0) {
        size_t n = 0, to = from;
        for (; to < j->rows->count && n < j->piece; to++)
            n += rows_at(j->rows, to)->path == ROW_AGED;
        if (!write_piece(j, from, to, ROW_AGED, err))
            return false;
        from = to;
        left -= n;
    }
    return true;
}

bool table_shrink(struct table_job *j)
{
    if (j->aged_us == INT64_MAX && j->piece == 1)
        return false;
    if (j->aged_us == INT64_MAX)
        j->piece = j->piece > 8 ? j->piece / 8 : 1;
    j->aged_us = INT64_MAX;
    return true;
}

bool table_write(struct table_job *j, bool all_staged, struct err *err)
{
    memset(j->tally, 0, sizeof j->tally);
    j->used = false;
    route(j, all_staged);
    if (copy_direct(j, err) && write_staged(j, err) && write_aged(j, err))
        return true;
    err_in(err, "%s", j->table->name);
    return false;
}

static const enum stats_verdict as_fault[] = {
    [FAULT_LIMIT] = AS_REFUSED,
    [FAULT_VALUE] = AS_POISON,
    [FAULT_LATE] = AS_LATE,
};

/* False: the next row's time is the one to remember. */
static bool is_last(const struct table_job *j, size_t i)
{
    if (i + 1 == j->rows->count)
        return true;
    const struct row *next = rows_at(j->rows, i + 1);
    return next->path == ROW_SKIP || !is_akin(j, rows_at(j->rows, i), next);
}

void table_committed(struct table_job *j, struct stats *stats)
{
    enum stats_table id = j->table->id;
    for (size_t i = 0; i < j->rows->count; i++) {
        const struct row *row = rows_at(j->rows, i);
        const struct message *m = &j->batch->messages[row->message];
        const struct slice *s = &j->batch->slices[m->slice];
        if (row->path != ROW_SKIP && j->seen != NULL && is_last(j, i))
            seen_note(j->seen, row->seen_key, s->assignment, row->time_us);
        if (row->fault != FAULT_NONE && s->held)
            j->tally[as_fault[row->fault]]++;
    }
    for (int v = 0; v < STATS_VERDICTS; v++)
        counter_add(stats->rows[id][v], (uint64_t)j->tally[v]);
    counter_add(stats->staged[id], (uint64_t)j->staged);
    counter_add(stats->aged[id], (uint64_t)j->aged);
}

/* ---- rows the database cannot hold ---- */

bool table_is_too_much(const struct pg *pg)
{
    return strcmp(pg_sqlstate(pg), "53400") == 0;
}

/* Of the value, of a constraint, or too long for an index. */
bool table_is_row_fault(const struct pg *pg)
{
    const char *state = pg_sqlstate(pg);
    return strncmp(state, "22", 2) == 0 || strncmp(state, "23", 2) == 0 ||
           strncmp(state, "54", 2) == 0;
}

/* Would the due rows in [from, to) go in? The work is rolled back. */
static bool probe(struct table_job *j, size_t from, size_t to, struct err *err)
{
    j->used = false;
    bool ok = pg_begin(j->pg, err) && stage(j, from, to, ROW_STAGED, err) &&
              pg_do(j->pg, j->table->insert, NULL, NULL, err);
    pg_rollback(j->pg);
    return ok;
}

static void poison(struct table_job *j, struct row *row, const struct err *err)
{
    row->fault = FAULT_VALUE;
    row->path = ROW_SKIP;
    if (row->decides)
        batch_poison(j->batch, &j->batch->messages[row->message], "unstorable",
                     err->text);
}

static bool bisect(struct table_job *j, size_t from, size_t to, struct err *err)
{
    if (from == to || probe(j, from, to, err))
        return true;
    bool refused = err->kind == ERR_INPUT && table_is_row_fault(j->pg);
    if (!refused && !table_is_too_much(j->pg))
        return false;
    if (to - from == 1) {
        if (refused)
            poison(j, rows_at(j->rows, from), err);
        return refused;
    }
    size_t middle = from + (to - from) / 2;
    return bisect(j, from, middle, err) && bisect(j, middle, to, err);
}

bool table_bisect(struct table_job *j, struct err *err)
{
    for (size_t i = 0; i < j->rows->count; i++) {
        struct row *row = rows_at(j->rows, i);
        if (row->path != ROW_SKIP)
            row->path = ROW_STAGED;
    }
    return bisect(j, 0, j->rows->count, err);
}
