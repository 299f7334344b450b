/* SPDX-License-Identifier: Apache-2.0 */
#include "services/ingest/settings.h"

#include "common/pulse/protocol/influx.h"
#include "common/pulse/protocol/otlp.h"
#include "common/pulse/topology.h"
#include "services/ingest/letter.h"

struct settings shared_settings;
struct ingest_settings ingest_settings;
struct limits record_limits;

#define AT(field) offsetof(struct ingest_settings, field)

static const struct conf_item items[] = {
    {"PULSE_INGEST_LISTEN", CONF_TEXT, AT(listen), "127.0.0.1:" PORT_INGEST, 0,
     0, NULL, "Address and port devices and agents post to."},
    {"PULSE_INGEST_TLS_CERT", CONF_TEXT, AT(tls_certificate), "", 0, 0, NULL,
     "PEM file: the certificate, then those that signed it; read again when it "
     "changes. Empty: no TLS."},
    {"PULSE_INGEST_TLS_KEY", CONF_TEXT, AT(tls_key), "", 0, 0, NULL,
     "PEM file: the certificate's key, without a password."},
    {"PULSE_INGEST_TRUSTED_PROXIES", CONF_TEXT, AT(trusted_proxies), "", 0, 0,
     NULL,
     "Addresses and networks (10.0.0.0/8, fd00::/8) whose X-Forwarded-For is "
     "believed and whose connections are not counted per address."},
    SETTINGS_ADMIN_ITEM("INGEST", PORT_ADMIN_INGEST, struct ingest_settings,
                        admin_listen),
    {"PULSE_INGEST_THREADS", CONF_INT, AT(threads), "2", 1, 64, NULL,
     "Threads that read requests, check and encode records."},
    {"PULSE_INGEST_CONNECTIONS", CONF_INT, AT(connections_max), "4096", 1,
     1000000, NULL,
     "Connections at once; one more gets 503, and idle ones make room."},
    {"PULSE_INGEST_CONNECTIONS_PER_ADDRESS", CONF_INT,
     AT(connections_per_address_max), "0", 0, 1000000, NULL,
     "Connections at once from one IPv4 address or IPv6 /64, more are closed "
     "at once; 0 means no limit."},
    {"PULSE_INGEST_CONNECTION_BYTES", CONF_BYTES, AT(connection_bytes), "8k",
     4096, 32768, NULL,
     "Memory of one connection, idle or not; a request's headers must fit, and "
     "64 bytes for each of them, else 431."},
    {"PULSE_INGEST_IDLE_TIMEOUT", CONF_DURATION, AT(idle_timeout_ms), "60s",
     1000, 3600e3, NULL, "A keep-alive connection idle for this long ends."},
    {"PULSE_INGEST_HEADER_TIMEOUT", CONF_DURATION, AT(header_timeout_ms), "10s",
     1000, 600e3, NULL,
     "Time from a request's first byte to the end of its headers, then 408."},
    {"PULSE_INGEST_REQUEST_TIMEOUT", CONF_DURATION, AT(request_timeout_ms),
     "10s", 1000, 600e3, NULL,
     "Time from a request's first byte to the end of its body, then 408."},
    {"PULSE_INGEST_BODY_RATE", CONF_BYTES, AT(body_rate), "1k", 0, 1e9, NULL,
     "Bytes per second a body must come at, over each 5 s, else 408; 0: any."},
    {"PULSE_INGEST_UNPACKED_BYTES", CONF_BYTES, AT(unpacked_bytes_max), "32m",
     1024, 1 << 30, NULL,
     "Largest body after decompression, in bytes; larger is 413."},
    {"PULSE_INGEST_BODIES_BYTES", CONF_BYTES, AT(bodies_bytes_max), "64m", 1024,
     64e9, NULL, "Bodies of all requests under way together, then 503."},
    {"PULSE_INGEST_INFLIGHT_RECORDS", CONF_INT, AT(inflight_records_max),
     "100000", 1, 10000000, NULL,
     "Records waiting for Kafka's acknowledgement at once, then 503."},
    {"PULSE_INGEST_INFLIGHT_BYTES", CONF_BYTES, AT(inflight_bytes_max), "32m",
     1 << 20, 4e9, NULL,
     "Bytes waiting for Kafka's acknowledgement at once, then 503."},
    {"PULSE_INGEST_MESSAGE_TIMEOUT", CONF_DURATION, AT(message_timeout_ms),
     "8s", 1000, 300e3, NULL,
     "Kafka must acknowledge a record within this, else 503; keep it below "
     "the clients' own timeout."},
    {"PULSE_INGEST_LINGER", CONF_DURATION, AT(linger_ms), "5ms", 0, 1000, NULL,
     "How long records are gathered before they go to Kafka."},
    {"PULSE_INGEST_KEYS_REFRESH", CONF_DURATION, AT(keys_refresh_ms), "2s", 100,
     60e3, NULL, "How often keys and limits are read from PostgreSQL."},
    {"PULSE_INGEST_KEYS_USED", CONF_DURATION, AT(keys_used_ms), "60s", 100,
     3600e3, NULL, "How often the keys' last use is written to PostgreSQL."},
    {"PULSE_INGEST_SNAPSHOT", CONF_TEXT, AT(snapshot_path), "", 0, 0, NULL,
     "File the keys (as hashes) and limits are kept in, for a start while "
     "PostgreSQL is away; empty: none."},
    {"PULSE_INGEST_FAILURES", CONF_INT, AT(failures_max), "20", 0, 1000000,
     NULL,
     "Wrong keys per minute from one address, then 429; 0 means any number."},
    {"PULSE_EDGE_REPLICAS", CONF_INT, AT(replicas), "1", 1, 1000, NULL,
     "How many edges share the senders; tenants' rates are divided by it."},
    {"PULSE_INGEST_INFLUX_DEVICE_TAG", CONF_TEXT, AT(influx_device_tag), "", 0,
     0, NULL,
     "Line protocol: a line that has this tag becomes a telemetry message of "
     "the device it names; empty: all lines become metrics."},
    {"PULSE_INGEST_OTLP_RESOURCE_ATTRIBUTES", CONF_TEXT,
     AT(otlp_resource_attributes), OTLP_RESOURCE_ATTRIBUTES, 0, 0, NULL,
     "OTLP: attributes of the resource that become labels, with commas "
     "between, or * for all of them."},
    {"PULSE_INGEST_DEADLETTER_RATE", CONF_BYTES, AT(deadletter_rate_bytes),
     "256k", 0, 1e9, NULL,
     "Bytes of rejected records a tenant may have kept, per second."},
    {"PULSE_INGEST_DEADLETTER_BURST", CONF_BYTES, AT(deadletter_burst_bytes),
     "8m", 0, 4e9, NULL,
     "Bytes of rejected records a tenant may have kept at one go."},
};

static bool device_tag_good(struct err *err)
{
    struct str tag = str_of(ingest_settings.influx_device_tag);

    if (tag.n == 0 || influx_tag_good(tag))
        return true;
    err_set(err, ERR_INPUT,
            "PULSE_INGEST_INFLUX_DEVICE_TAG must be of letters, digits, '_', "
            "'-' and '.'");
    return false;
}

/* A whole request must fit the budget, or it could never be admitted. */
static bool settings_agree(struct err *err)
{
    const struct ingest_settings *s = &ingest_settings;
    const struct limits *l = &record_limits;

    if ((s->tls_certificate[0] == '\0') != (s->tls_key[0] == '\0')) {
        err_set(err, ERR_INPUT,
                "PULSE_INGEST_TLS_CERT and PULSE_INGEST_TLS_KEY go together");
        return false;
    }
    if (s->inflight_records_max < l->records_max) {
        err_set(err, ERR_INPUT,
                "PULSE_INGEST_INFLIGHT_RECORDS (%lld) must not be below "
                "PULSE_INGEST_RECORDS (%lld)",
                (long long)s->inflight_records_max, (long long)l->records_max);
        return false;
    }
    if (s->inflight_bytes_max < l->body_bytes_max) {
        err_set(err, ERR_INPUT,
                "PULSE_INGEST_INFLIGHT_BYTES (%lld) must not be below "
                "PULSE_INGEST_BODY_BYTES (%lld)",
                (long long)s->inflight_bytes_max, (long long)l->body_bytes_max);
        return false;
    }
    if (s->bodies_bytes_max < l->body_bytes_max) {
        err_set(err, ERR_INPUT,
                "PULSE_INGEST_BODIES_BYTES (%lld) must not be below "
                "PULSE_INGEST_BODY_BYTES (%lld)",
                (long long)s->bodies_bytes_max, (long long)l->body_bytes_max);
        return false;
    }
    return device_tag_good(err);
}

const struct conf_program *ingest_program(void)
{
    static struct conf_group groups[3];
    static const struct conf_program program = {
        .name = "pulse-ingest",
        .summary = "Takes metrics, telemetry and events over HTTP and answers "
                   "once Kafka holds them.",
        .groups = groups,
        .group_count = ARRAY_LEN(groups),
        .check = settings_agree,
    };

    groups[0] = settings_group(&shared_settings);
    groups[1] = (struct conf_group){"The edge", items, ARRAY_LEN(items),
                                    &ingest_settings};
    groups[2] = limits_group(&record_limits);
    return &program;
}

struct kafka_producer_options ingest_producer(kafka_report_fn *report)
{
    const struct ingest_settings *s = &ingest_settings;
    int64_t record_max = record_limits.message_bytes_max;

    return (struct kafka_producer_options){
        .brokers = shared_settings.kafka_brokers,
        .client_id = "pulse-ingest",
        .topics = topic_names,
        .topic_count = TOPIC_COUNT,
        .message_timeout_ms = s->message_timeout_ms,
        .linger_ms = s->linger_ms,
        /* Above the edge's own budget, so that this never refuses. */
        .queue_messages = s->inflight_records_max * 2,
        .queue_bytes = s->inflight_bytes_max * 2,
        .message_bytes_max =
            record_max > LETTER_BYTES_MAX ? record_max : LETTER_BYTES_MAX,
        .report = report,
    };
}
