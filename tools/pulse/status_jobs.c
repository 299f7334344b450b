/* SPDX-License-Identifier: Apache-2.0 */
/* The part of status that tells of the store: maintenance and compression. */
#include "tools/pulse/status.h"

#include <inttypes.h>
#include <stdio.h>

#include "common/json.h"
#include "common/pg.h"

/* A job is a little late between two turns of whoever runs it. */
enum { LATE_LEAST_S = 60 };

static void text_copy(char *out, size_t size, struct str text)
{
    snprintf(out, size, "%.*s", STR_ARG(text));
}

/* With its ratio where there is something compressed. */
static bool compression_read(struct status *s, struct pg *pg, struct err *err)
{
    AUTO(pg_result) r =
        pg_run(pg,
               "select max(compression), coalesce((sum(bytes_before)"
               " / nullif(sum(bytes_after), 0))::float8, 0)"
               " from store.lifecycle",
               NULL, err);
    if (!r)
        return false;
    text_copy(s->compression, sizeof s->compression, pg_get_str(r, 0, 0));
    s->compression_ratio = pg_get_f64(r, 0, 1);
    return true;
}

bool status_jobs_read(struct status *s, struct pg *pg, struct err *err)
{
    AUTO(pg_result) r =
        pg_run(pg,
               "select name, outcome, late_seconds::bigint, failures, detail"
               " from store.maintenance order by run_by, name",
               NULL, err);
    if (!r)
        return false;
    for (int i = 0; i < pg_rows(r) && i < STATUS_JOBS_MAX; i++) {
        struct status_job *job = &s->jobs[s->job_count++];
        text_copy(job->name, sizeof job->name, pg_get_str(r, i, 0));
        text_copy(job->outcome, sizeof job->outcome, pg_get_str(r, i, 1));
        job->late_s = pg_get_i64(r, i, 2);
        job->failures = pg_get_i64(r, i, 3);
        text_copy(job->detail, sizeof job->detail, pg_get_str(r, i, 4));
    }
    return compression_read(s, pg, err);
}

static bool job_waits(const struct status_job *job)
{
    return str_is(str_of(job->outcome), "waiting");
}

static bool job_good(const struct status_job *job)
{
    return job->failures == 0 && job->late_s < LATE_LEAST_S && !job_waits(job);
}

static void job_text(const struct status_job *job, struct buf *out)
{
    buf_addf(out, "                    %s: ", job->name);
    if (job->failures > 0)
        buf_addf(out, "failed %" PRId64 " time%s, ", job->failures,
                 job->failures == 1 ? "" : "s");
    if (job_waits(job))
        buf_add_text(out, "has not run yet");
    else
        buf_addf(out, "late by %" PRId64 " s", job->late_s);
    if (job->detail[0])
        buf_addf(out, ": %s", job->detail);
    buf_add_char(out, '\n');
}

void status_jobs_text(const struct status *s, struct buf *out)
{
    size_t good = 0;
    for (size_t i = 0; i < s->job_count; i++)
        good += job_good(&s->jobs[i]);
    buf_add_text(out, "Maintenance         ");
    if (s->job_count == 0)
        buf_add_text(out, "no job has run yet: does a collector run?\n");
    else if (good == s->job_count)
        buf_addf(out, "all %zu on time\n", good);
    else
        buf_addf(out, "%zu of %zu on time\n", good, s->job_count);
    for (size_t i = 0; i < s->job_count; i++)
        if (!job_good(&s->jobs[i]))
            job_text(&s->jobs[i], out);
    buf_addf(out, "Compression         %s", s->compression);
    if (s->compression_ratio > 0)
        buf_addf(out, ", %.1f to 1 so far", s->compression_ratio);
    buf_add_char(out, '\n');
}

static void text_json(struct buf *out, const char *key, const char *text)
{
    buf_addf(out, "\"%s\":", key);
    json_add_str(out, str_of(text));
}

void status_jobs_json(const struct status *s, struct buf *out)
{
    buf_add_text(out, ",\"maintenance\":[");
    for (size_t i = 0; i < s->job_count; i++) {
        const struct status_job *job = &s->jobs[i];
        buf_add_text(out, i ? ",{" : "{");
        text_json(out, "name", job->name);
        buf_add_char(out, ',');
        text_json(out, "outcome", job->outcome);
        buf_addf(out, ",\"late_s\":%" PRId64 ",\"failures\":%" PRId64 ",",
                 job->late_s, job->failures);
        text_json(out, "detail", job->detail);
        buf_add_char(out, '}');
    }
    buf_add_text(out, "],");
    text_json(out, "compression", s->compression);
    if (s->compression_ratio > 0)
        buf_addf(out, ",\"compression_ratio\":%.2f", s->compression_ratio);
}
