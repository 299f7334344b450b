/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>

#include "tools/pulse/status.h"

static struct status status;
static struct buf out;

static int start(void **state)
{
    (void)state;
    status = (struct status){.compression = "unavailable (apache edition)"};
    buf_reset(&out);
    return 0;
}

static int end(void **state)
{
    (void)state;
    buf_release(&out);
    return 0;
}

#define APACHE "Compression         unavailable (apache edition)\n"

static void check(const char *wanted)
{
    status_jobs_text(&status, &out);
    buf_add_char(&out, '\0');
    assert_string_equal(out.p, wanted);
}

static void nobody_runs_jobs(void **state)
{
    (void)state;
    check("Maintenance         no job has run yet: does a collector "
          "run?\n" APACHE);
}

static void all_is_well(void **state)
{
    (void)state;
    status.jobs[0] = (struct status_job){"rollups", "done", 59, 0, "7 rows"};
    status.jobs[1] = (struct status_job){"outbox", "running", 0, 0, ""};
    status.job_count = 2;
    check("Maintenance         all 2 on time\n" APACHE);
}

static void what_is_not(void **state)
{
    (void)state;
    status.jobs[0] = (struct status_job){"late", "done", 60, 0, ""};
    status.jobs[1] = (struct status_job){"bad", "failed", 3, 2, "disk full"};
    /* tried again at this moment, after failures: still not well */
    status.jobs[2] = (struct status_job){"again", "running", 0, 1, "no"};
    status.jobs[3] = (struct status_job){"policy_x t", "waiting", 0, 0, ""};
    status.jobs[4] = (struct status_job){"good", "done", 0, 0, ""};
    status.job_count = 5;
    check("Maintenance         1 of 5 on time\n"
          "                    late: late by 60 s\n"
          "                    bad: failed 2 times, late by 3 s: disk full\n"
          "                    again: failed 1 time, late by 0 s: no\n"
          "                    policy_x t: has not run yet\n" APACHE);
}

static void compression_and_its_ratio(void **state)
{
    (void)state;
    status.jobs[0] = (struct status_job){"rollups", "done", 0, 0, ""};
    status.job_count = 1;
    snprintf(status.compression, sizeof status.compression, "available");
    status.compression_ratio = 11.26;
    check("Maintenance         all 1 on time\n"
          "Compression         available, 11.3 to 1 so far\n");
}

static void as_json(void **state)
{
    (void)state;
    status.jobs[0] = (struct status_job){"a", "failed", 9, 2, "\"x\""};
    status.jobs[1] = (struct status_job){"b", "done", 0, 0, ""};
    status.job_count = 2;
    status_jobs_json(&status, &out);
    buf_add_char(&out, '\0');
    assert_string_equal(
        out.p,
        ",\"maintenance\":[{\"name\":\"a\",\"outcome\":\"failed\",\"late_s\":9,"
        "\"failures\":2,\"detail\":\"\\\"x\\\"\"},{\"name\":\"b\","
        "\"outcome\":\"done\",\"late_s\":0,\"failures\":0,\"detail\":\"\"}],"
        "\"compression\":\"unavailable (apache edition)\"");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(nobody_runs_jobs, start),
        cmocka_unit_test_setup(all_is_well, start),
        cmocka_unit_test_setup(what_is_not, start),
        cmocka_unit_test_setup(compression_and_its_ratio, start),
        cmocka_unit_test_setup(as_json, start),
    };
    return cmocka_run_group_tests(tests, NULL, end);
}
