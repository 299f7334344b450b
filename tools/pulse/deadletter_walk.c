/* SPDX-License-Identifier: Apache-2.0 */
#include "tools/pulse/deadletter_walk.h"

#include <inttypes.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>

#include "common/clock.h"

enum {
    LINES_MAX = 20,          /* of each kind that are printed */
    TELL_EVERY_US = 2000000, /* progress */
    PAGE_LETTERS = 500,      /* a page is as many, */
    PAGE_BYTES = 4 << 20,    /* or as many bytes of payload */
};

void tally_init(struct tally *t, const char *name)
{
    *t = (struct tally){.name = name, .start_us = clock_mono_us()};
    t->told_us = t->start_us;
}

static void line_print(FILE *to, int64_t id, const char *format, va_list args)
    PRINTF_LIKE(3, 0);
static void line_print(FILE *to, int64_t id, const char *format, va_list args)
{
    fprintf(to, "%" PRId64 ": ", id);
    vfprintf(to, format, args);
    fputc('\n', to);
}

void tally_good(struct tally *t, int64_t id, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    if (t->good++ < LINES_MAX)
        line_print(stdout, id, format, args);
    va_end(args);
}

void tally_bad(struct tally *t, int64_t id, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    if (t->bad++ < LINES_MAX)
        line_print(stderr, id, format, args);
    va_end(args);
}

void tally_end(const struct tally *t)
{
    fflush(stderr);
    if (t->good > LINES_MAX)
        printf("… and %" PRId64 " more\n", t->good - LINES_MAX);
    fflush(stdout);
    if (t->bad > LINES_MAX)
        fprintf(stderr,
                "… and %" PRId64 " more; deadletter list shows their reasons\n",
                t->bad - LINES_MAX);
}

static void progress_tell(struct tally *t)
{
    int64_t now_us = clock_mono_us();
    if (now_us - t->told_us < TELL_EVERY_US)
        return;
    t->told_us = now_us;
    fprintf(stderr, "%s: %" PRId64 " letters after %" PRId64 " s\n", t->name,
            t->good + t->bad, (now_us - t->start_us) / 1000000);
}

bool walk_parse(struct walk_options *o, struct deadletter_filter *f,
                const struct call *c, struct err *err)
{
    *o = (struct walk_options){.filter = f, .limit = INT64_MAX};
    if (!deadletter_filter_parse(f, c, err) ||
        !call_int(c, "--limit", 1, INT64_MAX, &o->limit, err))
        return false;
    if (!f->given) {
        err_set(err, ERR_INPUT,
                "which letters? Give ids or a filter (--status new: all of "
                "them)");
        return false;
    }
    if (!f->status.p && f->id_count == 0)
        f->status = STR("new");
    return true;
}

static bool last_find(struct pg *pg, int64_t *last, struct err *err)
{
    AUTO(pg_result) r =
        pg_run(pg, "SELECT coalesce(max(id), 0) FROM dead_letters", NULL, err);
    if (!r)
        return false;
    *last = pg_get_i64(r, 0, 0);
    return true;
}

static bool missing_tell(struct pg *pg, const struct deadletter_filter *f,
                         struct tally *t, struct err *err)
{
    struct pg_params p = {0};
    pg_i64_array(&p, f->ids, f->id_count);
    AUTO(pg_result) r =
        pg_run(pg,
               "SELECT DISTINCT i FROM unnest($1::bigint[]) i WHERE NOT EXISTS"
               " (SELECT FROM dead_letters d WHERE d.id = i) ORDER BY i",
               &p, err);
    if (!r)
        return false;
    for (int i = 0; i < pg_rows(r); i++)
        tally_bad(t, pg_get_i64(r, i, 0), "there is no such letter");
    return true;
}

/* The next ids after `after`, no more than a page; 0: there are none. */
static bool page_find(struct pg *pg, const struct walk_options *o,
                      int64_t after, int64_t last, int64_t left, int64_t *ids,
                      size_t *count, struct err *err)
{
    struct pg_params p = {0};
    int64_t bytes = 0;
    deadletter_filter_bind(o->filter, &p);
    pg_i64(&p, after);
    pg_i64(&p, last);
    pg_i64(&p, left < PAGE_LETTERS ? left : PAGE_LETTERS);
    AUTO(pg_result) r =
        pg_run(pg,
               "SELECT d.id, octet_length(d.payload)::bigint"
               " FROM dead_letters d WHERE " DEADLETTER_WHERE
               " AND d.id > $9 AND d.id <= $10 ORDER BY d.id LIMIT $11",
               &p, err);
    if (!r)
        return false;
    *count = 0;
    for (int i = 0; i < pg_rows(r) && bytes < PAGE_BYTES; i++) {
        ids[(*count)++] = pg_get_i64(r, i, 0);
        bytes += pg_get_i64(r, i, 1);
    }
    return true;
}

static volatile sig_atomic_t interrupted;

/* The second signal ends the program as ever. */
static void interrupt(int signo)
{
    interrupted = 1;
    signal(signo, SIG_DFL);
}

static bool was_interrupted(struct err *err)
{
    if (interrupted)
        err_set(err, ERR_RETRY, "interrupted; the rest was not tried");
    return interrupted;
}

static bool pages_walk(struct pg *pg, const struct walk_options *o,
                       struct tally *t, walk_fn *page, void *arg,
                       struct err *err)
{
    int64_t ids[PAGE_LETTERS], last, after = 0, left = o->limit;
    size_t count;
    if (!last_find(pg, &last, err) || !missing_tell(pg, o->filter, t, err))
        return false;
    while (left > 0) {
        if (!page_find(pg, o, after, last, left, ids, &count, err))
            return false;
        if (count == 0)
            return true;
        if (was_interrupted(err) || !page(arg, ids, count, err))
            return false;
        after = ids[count - 1];
        left -= (int64_t)count;
        progress_tell(t);
    }
    return true;
}

bool walk(struct pg *pg, const struct walk_options *options, struct tally *t,
          walk_fn *page, void *arg, struct err *err)
{
    signal(SIGINT, interrupt);
    signal(SIGTERM, interrupt);
    bool good = pages_walk(pg, options, t, page, arg, err);
    if (!good)
        pg_rollback(pg);
    return good;
}
