/* SPDX-License-Identifier: Apache-2.0 */
/* settings.h - what an operator may set of the edge. */
#ifndef INGEST_SETTINGS_H
#define INGEST_SETTINGS_H

#include "common/kafka_producer.h"
#include "common/pulse/limits.h"
#include "common/pulse/settings.h"

struct ingest_settings {
    const char *listen, *admin_listen;
    const char *tls_certificate, *tls_key; /* "": no TLS */
    const char *trusted_proxies;
    int64_t threads;
    int64_t connections_max, connections_per_address_max;
    int64_t idle_timeout_ms, header_timeout_ms, request_timeout_ms;
    int64_t connection_bytes, body_rate;
    int64_t bodies_bytes_max, unpacked_bytes_max;
    int64_t inflight_records_max, inflight_bytes_max;
    int64_t message_timeout_ms, linger_ms;
    int64_t keys_refresh_ms, keys_used_ms;
    const char *snapshot_path; /* "": none */
    int64_t failures_max, replicas;
    const char *influx_device_tag; /* "": none */
    const char *otlp_resource_attributes;
    int64_t deadletter_rate_bytes, deadletter_burst_bytes;
};

extern struct settings shared_settings;
extern struct ingest_settings ingest_settings;
extern struct limits record_limits;
/* The program with all three; ready for conf_main. */
const struct conf_program *ingest_program(void);
/* The producer they ask for; its topics are topic_names. */
struct kafka_producer_options ingest_producer(kafka_report_fn *report);

#endif
