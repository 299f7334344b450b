/* SPDX-License-Identifier: Apache-2.0 */
/* pulse-ingest: HTTP edge to Kafka. A request is answered when Kafka has every
 * record of it. */
#include "common/log.h"
#include "services/ingest/edge.h"
#include "services/ingest/settings.h"
#include "services/ingest/watch.h"

static void log_begin(void)
{
    enum log_level level = LOG_INFO;

    if (log_level_parse(str_of(shared_settings.log_level), &level))
        log_init("ingest", level);
}

static int ingest_run(struct service *service, struct err *err)
{
    struct metrics *metrics = service_metrics(service);
    AUTO(pendings) pendings = pendings_new(&(struct pendings_options){
        .records_max = ingest_settings.inflight_records_max,
        .bytes_max = ingest_settings.inflight_bytes_max,
        .metrics = metrics});
    struct kafka_producer_options to_kafka = ingest_producer(pending_report);
    AUTO(kafka_producer) producer = kafka_producer_new(&to_kafka, err);
    if (!producer)
        return 1;
    AUTO(keys) keys = keys_new(
        &(struct keys_options){.postgres_url = shared_settings.postgres_url,
                               .settings = &ingest_settings,
                               .limits = &record_limits,
                               .need = service_need(service, "keys"),
                               .metrics = metrics});
    AUTO(edge) edge =
        edge_new(&(struct edge_options){.settings = &ingest_settings,
                                        .producer = producer,
                                        .keys = keys,
                                        .pendings = pendings,
                                        .metrics = metrics},
                 err);
    if (!edge)
        return 1;
    AUTO(watch) watch = watch_new(&(struct watch_options){.service = service,
                                                          .producer = producer,
                                                          .pendings = pendings,
                                                          .edge = edge});
    int status = service_run(service);
    /* What still waits is answered before the server goes. */
    edge_close(edge);
    watch_free(MOVE(watch));
    kafka_producer_free(MOVE(producer));
    return status;
}

int main(int argc, char **argv)
{
    struct err err = {0};
    int status = conf_main(ingest_program(), argc, argv);

    if (status >= 0)
        return status;
    log_begin();
    AUTO(service) service = service_new(
        &(struct service_options){.name = "ingest",
                                  .admin_listen = ingest_settings.admin_listen,
                                  .drain_timeout_ms =
                                      shared_settings.drain_timeout_ms},
        &err);
    status = service ? ingest_run(service, &err) : 1;
    if (err.kind != ERR_NONE)
        log_error("start_failed", LOG_ERR(&err));
    return status;
}
