/* SPDX-License-Identifier: Apache-2.0 */
/* settings.h - the settings every Pulse program shares. */
#ifndef COMMON_PULSE_SETTINGS_H
#define COMMON_PULSE_SETTINGS_H

#include "common/conf.h"

struct settings {
    const char *kafka_brokers; /* PULSE_KAFKA_BROKERS, 127.0.0.1:9092 */
    const char *postgres_url;  /* PULSE_POSTGRES_URL (secret, _FILE) */
    const char *log_level;     /* PULSE_LOG_LEVEL, info */
    int64_t drain_timeout_ms;  /* PULSE_DRAIN_TIMEOUT, 20s */
};
/* The group for conf_program.groups; fills the one settings of the process. */
struct conf_group settings_group(struct settings *into);

/* Each service has its own PULSE_<SERVICE>_ADMIN_LISTEN, since on one machine
 * all share one environment; its default is 127.0.0.1 and the port of
 * topology.h. */
#define SETTINGS_ADMIN_ITEM(service, port, owner, field) \
    {.name = "PULSE_" service "_ADMIN_LISTEN",           \
     .type = CONF_TEXT,                                  \
     .offset = offsetof(owner, field),                   \
     .fallback = "127.0.0.1:" port,                      \
     .help = "Address and port of /metrics, /healthz and /readyz."}

/* Of a service that consumes Kafka with its positions in PostgreSQL. */
struct settings_consumer {
    const char *owner; /* "": host and process id */
    int64_t session_timeout_ms, max_poll_interval_ms, queue_bytes;
    int64_t connect_timeout_ms, statement_timeout_ms;
};

/* Their group: PULSE_<SERVICE>_OWNER and so on. service ("WRITER") is the
 * process's only one. */
struct conf_group settings_consumer_group(const char *service,
                                          struct settings_consumer *into);
struct member_options; /* common/member.h */
/* What both settings say of its membership, and Pulse's tables; client_id,
 * group, topics and what else is the service's own are not set. */
struct member_options settings_member(const struct settings *shared,
                                      const struct settings_consumer *s);
/* For conf_program.check; service as above. */
bool settings_consumer_check(const struct settings_consumer *s,
                             const char *service, struct err *err) MUST_USE;

#endif
