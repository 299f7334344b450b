/* SPDX-License-Identifier: Apache-2.0 */
#include "services/writer/horizon.h"

#include <stdio.h>

#include "common/clock.h"
#include "common/timestamp.h"

/* The setting changes rarely; nobody waits for it. */
static const int64_t refresh_us = INT64_C(60) * 1000 * 1000;

bool horizon_ask(struct horizon *h, struct pg *pg, struct err *err)
{
    int64_t now_us = clock_mono_us();
    if (h->generation == pg_generation(pg) && now_us < h->asked_us + refresh_us)
        return true;
    AUTO(pg_result) r = pg_run(pg,
                               "SELECT late_before, compressed_before"
                               " FROM store.writer_horizons()",
                               NULL, err);
    if (r == NULL) {
        err_in(err, "writer_horizons");
        return false;
    }
    h->late_us = pg_get_time(r, 0, 0);
    h->compressed_us = pg_get_time(r, 0, 1);
    h->asked_us = now_us;
    h->generation = pg_generation(pg);
    return true;
}

static int64_t moved_on(const struct horizon *h, int64_t us)
{
    return us + (clock_mono_us() - h->asked_us);
}

int64_t horizon_compressed_us(const struct horizon *h)
{
    return moved_on(h, h->compressed_us);
}

static void judge(struct batch *b, struct rows *rows, int64_t late_us)
{
    char detail[120], time[TIMESTAMP_MAX], limit[TIMESTAMP_MAX];
    for (size_t i = 0; i < rows->count; i++) {
        struct row *row = rows_at(rows, i);
        struct message *m = &b->messages[row->message];
        if (!row->decides || m->poison || row->time_us >= late_us)
            continue;
        snprintf(detail, sizeof detail,
                 "time %s is older than the late limit, %s when written",
                 timestamp_format(row->time_us, time),
                 timestamp_format(late_us, limit));
        row->fault = FAULT_LATE;
        batch_poison(b, m, "too_late", detail);
    }
}

void horizon_judge(const struct horizon *h, struct batch *b)
{
    int64_t late_us = moved_on(h, h->late_us);
    judge(b, &b->telemetry, late_us);
    judge(b, &b->samples, late_us);
    judge(b, &b->events, late_us);
}
