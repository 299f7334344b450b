/* SPDX-License-Identifier: Apache-2.0 */
/* The collector: watches everything else, once every few seconds, and keeps the
 * store in order. */
#include "common/log.h"
#include "common/service.h"
#include "services/collector/maintenance.h"
#include "services/collector/round.h"

static int collector_run(const struct collector_settings *settings)
{
    struct err err = {0};
    const struct service_options options = {
        .name = "collector",
        .admin_listen = settings->admin_listen,
        .drain_timeout_ms = settings->shared.drain_timeout_ms,
    };
    AUTO(service) service = service_new(&options, &err);
    AUTO(rounds) rounds = service ? rounds_new(service, settings, &err) : NULL;
    if (!rounds) {
        log_error("start_failed", LOG_ERR(&err));
        return 1;
    }
    /* Ends, job and all, when service_run is through. */
    AUTO(maintenance) maintenance = NULL;
    if (settings->maintenance)
        maintenance = maintenance_new(settings, service_metrics(service));
    service_on_drain(service, rounds_drain, rounds);
    return service_run(service);
}

int main(int argc, char **argv)
{
    int status = conf_main(collector_program(), argc, argv);
    if (status >= 0)
        return status;
    enum log_level level = LOG_INFO;
    if (!log_level_parse(str_of(collector_settings.shared.log_level), &level))
        return 2;
    log_init("collector", level);
    return collector_run(&collector_settings);
}
