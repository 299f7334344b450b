/* SPDX-License-Identifier: Apache-2.0 */
/* The api: answers queries over HTTP, one tenant at a time. */
#include "common/log.h"
#include "common/service.h"
#include "services/api/server.h"

static int api_run(const struct api_settings *settings)
{
    struct err err = {0};
    const struct service_options options = {
        .name = "api",
        .admin_listen = settings->admin_listen,
        .drain_timeout_ms = settings->shared.drain_timeout_ms,
    };
    AUTO(service) service = service_new(&options, &err);
    AUTO(server) server = service ? server_new(service, settings, &err) : NULL;
    if (!server) {
        log_error("start_failed", LOG_ERR(&err));
        return 1;
    }
    service_on_drain(service, server_drain, server);
    return service_run(service);
}

int main(int argc, char **argv)
{
    int status = conf_main(api_program(), argc, argv);
    if (status >= 0)
        return status;
    enum log_level level = LOG_INFO;
    if (!log_level_parse(str_of(api_settings.shared.log_level), &level))
        return 2;
    log_init("api", level);
    return api_run(&api_settings);
}
