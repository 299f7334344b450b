/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/prop/writer/faulty_pg.h"

#include <stdlib.h>

#include "common/kafka_admin.h"
#include "common/pg_conn.h"
#include "common/pgcopy.h"

/* clang-format off */
#define REAL(type, name, ...) \
    type __real_##name(__VA_ARGS__); \
    type __wrap_##name(__VA_ARGS__); \
    type __wrap_##name(__VA_ARGS__)
/* clang-format on */

static struct {
    struct pg *pg;
    int64_t left; /* steps until then; 0: never */
    enum fault_kind fault;
    bool done;
} at;

void faulty_set(struct pg *pg, int64_t nth, enum fault_kind fault)
{
    at.pg = pg;
    at.left = nth;
    at.fault = fault;
    at.done = false;
}

bool faulty_done(void)
{
    return at.done;
}

bool __real_pg_script(struct pg *pg, const char *sql, struct err *err);

/* Is this the step? */
static bool now(struct pg *pg)
{
    if (pg != at.pg || at.left == 0)
        return false;
    at.left--;
    at.done = at.left == 0;
    return at.done;
}

static bool lost(struct pg *pg, struct err *err)
{
    pg_disconnect(pg);
    return pg_failed(pg, NULL, err);
}

/* Instead of the step, unless it is to be done first. */
static bool fail(struct pg *pg, struct err *err)
{
    if (at.fault != REFUSE)
        return lost(pg, err);
    if (__real_pg_script(pg,
                         "DO $$BEGIN RAISE 'no' USING ERRCODE = '40P01';"
                         " END$$",
                         err))
        abort();
    return false;
}

/* The step, with the fault that is due. */
#define STEP(pg, call)                         \
    do {                                       \
        if (!now(pg))                          \
            return call;                       \
        if (at.fault != LOSE_AFTER)            \
            return fail(pg, err);              \
        return (call) ? lost(pg, err) : false; \
    } while (0)

REAL(bool, pg_begin, struct pg *pg, struct err *err)
{
    STEP(pg, __real_pg_begin(pg, err));
}

REAL(bool, pg_commit, struct pg *pg, struct err *err)
{
    STEP(pg, __real_pg_commit(pg, err));
}

bool __wrap_pg_script(struct pg *pg, const char *sql, struct err *err);
bool __wrap_pg_script(struct pg *pg, const char *sql, struct err *err)
{
    STEP(pg, __real_pg_script(pg, sql, err));
}

REAL(bool, pg_do, struct pg *pg, const char *sql, struct pg_params *p,
     int64_t *affected, struct err *err)
{
    if (!now(pg))
        return __real_pg_do(pg, sql, p, affected, err);
    if (at.fault == LOSE_AFTER)
        return __real_pg_do(pg, sql, p, affected, err) ? lost(pg, err) : false;
    if (p != NULL)
        pg_params_release(p);
    return fail(pg, err);
}

REAL(struct pg_result *, pg_run, struct pg *pg, const char *sql,
     struct pg_params *p, struct err *err)
{
    if (!now(pg))
        return __real_pg_run(pg, sql, p, err);
    if (at.fault == LOSE_AFTER) {
        struct pg_result *r = __real_pg_run(pg, sql, p, err);
        if (r != NULL)
            lost(pg, err);
        pg_result_free(r);
        return NULL;
    }
    if (p != NULL)
        pg_params_release(p);
    fail(pg, err);
    return NULL;
}

REAL(bool, pgcopy_begin, struct pgcopy *c, struct pg *pg, const char *sql,
     struct err *err)
{
    STEP(pg, __real_pgcopy_begin(c, pg, sql, err));
}

/* In the middle of a COPY only the connection can be lost. */
REAL(void, pgcopy_row, struct pgcopy *c, int fields)
{
    if (now(c->pg))
        pg_disconnect(c->pg);
    __real_pgcopy_row(c, fields);
}

REAL(bool, pgcopy_end, struct pgcopy *c, int64_t *rows, struct err *err)
{
    struct pg *pg = c->pg;
    if (!now(pg))
        return __real_pgcopy_end(c, rows, err);
    if (at.fault == LOSE_AFTER)
        return __real_pgcopy_end(c, rows, err) ? lost(pg, err) : false;
    return lost(pg, err);
}

/* ---- Kafka, as far as a claim asks it ---- */

bool __wrap_kafka_topic_describe(struct kafka_admin *a, const char *topic,
                                 struct kafka_topic_info *info,
                                 struct err *err);
bool __wrap_kafka_topic_describe(struct kafka_admin *a, const char *topic,
                                 struct kafka_topic_info *info, struct err *err)
{
    (void)a;
    (void)topic;
    (void)err;
    *info = (struct kafka_topic_info){.id = "prop"};
    return true;
}

bool __wrap_kafka_log_ranges(struct kafka_admin *a,
                             struct kafka_log_range *ranges, size_t count,
                             struct err *err);
bool __wrap_kafka_log_ranges(struct kafka_admin *a,
                             struct kafka_log_range *ranges, size_t count,
                             struct err *err)
{
    (void)a;
    (void)err;
    for (size_t i = 0; i < count; i++) {
        ranges[i].first = 0;
        ranges[i].end = INT64_MAX;
    }
    return true;
}
