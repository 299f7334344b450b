/* SPDX-License-Identifier: Apache-2.0 */
/* pulse-writer: Kafka → hypertables, every record once. The reading path:
 * intake (events, claims) → batch (rows) → store (one transaction). */
#include <malloc.h>
#include <stdio.h>
#include <stdlib.h>

#include "common/log.h"
#include "common/service.h"
#include "services/writer/intake.h"
#include "services/writer/settings.h"

static int fail(const struct err *err)
{
    log_error("start_failed", LOG_ERR(err));
    return 1;
}

/* Fetched data and batches come and go by the megabyte. Given back to the
 * kernel each time they would be cleared each time. */
static void keep_memory(void)
{
    (void)mallopt(M_MMAP_THRESHOLD, 32 * 1024 * 1024); /* its greatest */
    (void)mallopt(M_TRIM_THRESHOLD, 128 * 1024 * 1024);
}

int main(int argc, char **argv)
{
    int status = conf_main(writer_program(), argc, argv);
    if (status >= 0)
        return status;
    const struct writer_settings *settings = writer_settings();
    enum log_level level;
    if (!log_level_parse(str_of(settings->shared.log_level), &level))
        level = LOG_INFO;
    log_init("writer", level);
    keep_memory();

    struct err err;
    AUTO(service) service = service_new(
        &(struct service_options){.name = "writer",
                                  .admin_listen = settings->admin_listen,
                                  .drain_timeout_ms =
                                      settings->shared.drain_timeout_ms},
        &err);
    if (service == NULL)
        return fail(&err);
    AUTO(intake) intake = intake_new(settings, service, &err);
    if (intake == NULL)
        return fail(&err);
    service_on_drain(service, intake_drain, intake);
    return service_run(service);
}
