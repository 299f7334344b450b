/* SPDX-License-Identifier: Apache-2.0 */
#include "tools/pulse/deadletter.h"

#include <inttypes.h>
#include <stdlib.h>

#include "common/clock.h"
#include "common/duration.h"
#include "common/timestamp.h"

#define YEAR_9999_US INT64_C(253402300799999999)

void deadletter_filter_release(struct deadletter_filter *f)
{
    free(f->ids);
    f->ids = NULL;
}

/* A point in time, or a duration before now. */
static bool when_parse(const char *option, const char *text, int64_t *us,
                       struct err *err)
{
    int64_t ms;
    if (!text)
        return true;
    if (duration_parse(str_of(text), &ms)) {
        *us = clock_wall_us() - ms * 1000;
        return true;
    }
    if (timestamp_parse(str_of(text), us))
        return true;
    err_set(err, ERR_INPUT,
            "%s \"%s\": 2026-01-31T12:00:00Z, or 30m, 2h, 7d for ago", option,
            text);
    return false;
}

static bool word_known(const char *option, struct str word,
                       const char *const *words, struct err *err)
{
    if (!word.p)
        return true;
    AUTO_RELEASE(buf) known = {0};
    for (size_t i = 0; words[i]; i++) {
        if (str_is(word, words[i]))
            return true;
        buf_addf(&known, "%s%s", i ? ", " : "", words[i]);
    }
    err_set(err, ERR_INPUT, "%s \"%.*s\": one of %s", option, STR_ARG(word),
            known.p);
    return false;
}

bool deadletter_id_parse(const char *text, int64_t *id, struct err *err)
{
    if (str_to_i64(str_of(text), id) && *id > 0)
        return true;
    err_set(err, ERR_INPUT, "\"%s\" is no letter's id: see deadletter list",
            text);
    return false;
}

static bool ids_parse(struct deadletter_filter *f, const struct call *c,
                      struct err *err)
{
    f->ids = xcalloc((size_t)c->more_count + 1, sizeof *f->ids);
    f->id_count = (size_t)c->more_count;
    for (size_t i = 0; i < f->id_count; i++)
        if (!deadletter_id_parse(c->more[i], &f->ids[i], err))
            return false;
    return true;
}

bool deadletter_filter_parse(struct deadletter_filter *f, const struct call *c,
                             struct err *err)
{
    static const char *const stages[] = {"ingest", "writer", NULL};
    static const char *const statuses[] = {"new", "redriven", "dropped", NULL};
    const char *since = call_value(c, "--since");
    const char *until = call_value(c, "--until");
    *f = (struct deadletter_filter){
        .tenant = str_of(call_value(c, "--tenant")),
        .reason = str_of(call_value(c, "--reason")),
        .stage = str_of(call_value(c, "--stage")),
        .status = str_of(call_value(c, "--status")),
        .device = str_of(call_value(c, "--device")),
        .until_us = YEAR_9999_US,
    };
    f->given = f->tenant.p || f->reason.p || f->stage.p || f->status.p ||
               f->device.p || since || until || c->more_count > 0;
    return ids_parse(f, c, err) &&
           word_known("--stage", f->stage, stages, err) &&
           word_known("--status", f->status, statuses, err) &&
           when_parse("--since", since, &f->since_us, err) &&
           when_parse("--until", until, &f->until_us, err);
}

void deadletter_filter_bind(const struct deadletter_filter *f,
                            struct pg_params *p)
{
    pg_text_opt(p, f->tenant);
    pg_text_opt(p, f->reason);
    pg_text_opt(p, f->stage);
    pg_text_opt(p, f->status);
    pg_text_opt(p, f->device);
    pg_time(p, f->since_us);
    pg_time(p, f->until_us);
    pg_i64_array(p, f->ids, f->id_count);
}

static int64_t get_time(const struct pg_result *r, int row, int column)
{
    return pg_is_null(r, row, column) ? 0 : pg_get_time(r, row, column);
}

void deadletter_get(const struct pg_result *r, int row, struct deadletter *l)
{
    *l = (struct deadletter){
        .id = pg_get_i64(r, row, 0),
        .tenant = pg_get_str(r, row, 1),
        .stage = pg_get_str(r, row, 2),
        .endpoint = pg_get_str(r, row, 3),
        .key_id = pg_get_str(r, row, 4),
        .device_id = pg_get_str(r, row, 5),
        .reason = pg_get_str(r, row, 6),
        .detail = pg_get_str(r, row, 7),
        .content_type = pg_get_str(r, row, 8),
        .payload = pg_get_str(r, row, 9),
        .topic = pg_get_str(r, row, 10),
        .part = pg_get_i64(r, row, 11),
        .offset = pg_get_i64(r, row, 12),
        .received_us = get_time(r, row, 13),
        .failed_us = get_time(r, row, 14),
        .created_us = get_time(r, row, 15),
        .status = pg_get_str(r, row, 16),
        .redriven_us = get_time(r, row, 17),
        .redrives = pg_get_i64(r, row, 18),
        .edited_us = get_time(r, row, 19),
        .edited_by = pg_get_str(r, row, 20),
        .original = pg_get_str(r, row, 21),
        .last_error = pg_get_str(r, row, 22),
        .key_device = pg_get_str(r, row, 23),
    };
}

struct pg_result *deadletter_find(struct pg *pg, int64_t id, bool lock,
                                  struct deadletter *l, struct err *err)
{
    struct pg_params p = {0};
    pg_i64(&p, id);
    AUTO(pg_result) r =
        lock ? pg_run(pg,
                      "SELECT " DEADLETTER_COLUMNS DEADLETTER_FROM
                      " WHERE d.id = $1 FOR UPDATE OF d",
                      &p, err)
             : pg_run(pg,
                      "SELECT " DEADLETTER_COLUMNS DEADLETTER_FROM
                      " WHERE d.id = $1",
                      &p, err);
    if (!r)
        return NULL;
    if (pg_rows(r) == 0) {
        err_set(err, ERR_INPUT, "there is no dead letter %" PRId64, id);
        return NULL;
    }
    deadletter_get(r, 0, l);
    return MOVE(r);
}
