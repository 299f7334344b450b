/* SPDX-License-Identifier: Apache-2.0 */
/* pulse-evaluator: Kafka → rules → incidents → notifications. The reading
 * path: intake (events, claims) → partition (series, states; the state machine
 * is common/pulse/instance) → effects (one transaction) → notifier. */
#include "common/log.h"
#include "common/service.h"
#include "services/evaluator/intake.h"
#include "services/evaluator/notifier.h"
#include "services/evaluator/settings.h"

struct parts {
    struct service *service;
    struct intake *intake;
    struct notifier *notifier;
};

static int fail(const struct err *err)
{
    log_error("start_failed", LOG_ERR(err));
    return 1;
}

static void on_drained(void *arg)
{
    service_drained(arg);
}

/* First no more decisions, then what they sent has to arrive. */
static void on_drain(void *arg)
{
    const struct parts *parts = arg;
    intake_stop(parts->intake);
    notifier_drain(parts->notifier, on_drained, parts->service);
}

int main(int argc, char **argv)
{
    int status = conf_main(evaluator_program(), argc, argv);
    if (status >= 0)
        return status;
    const struct evaluator_settings *settings = evaluator_settings();
    enum log_level level;
    if (!log_level_parse(str_of(settings->shared.log_level), &level))
        level = LOG_INFO;
    log_init("evaluator", level);

    struct err err;
    AUTO(service) service = service_new(
        &(struct service_options){.name = "evaluator",
                                  .admin_listen = settings->admin_listen,
                                  .drain_timeout_ms =
                                      settings->shared.drain_timeout_ms},
        &err);
    if (!service)
        return fail(&err);
    AUTO(notifier) notifier = notifier_new(settings, service);
    AUTO(intake) intake =
        intake_new(settings, service, notifier_wake, notifier, &err);
    if (!intake)
        return fail(&err);
    struct parts parts = {service, intake, notifier};
    service_on_drain(service, on_drain, &parts);
    return service_run(service);
}
