/* SPDX-License-Identifier: Apache-2.0 */
#include "common/kafka_client.h"

#include <assert.h>
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "common/log.h"

enum {
    VERSION_LEAST = 0x020601ff,
    SYSLOG_WARNING = 4, /* librdkafka's levels are syslog's */
};

bool kafka_version_check(int version, struct err *err)
{
    if (version < VERSION_LEAST) {
        err_set(err, ERR_FATAL,
                "librdkafka %d.%d.%d is too old: 2.6.1 is the oldest without "
                "known loss of records",
                version >> 24 & 0xff, version >> 16 & 0xff,
                version >> 8 & 0xff);
        return false;
    }
    return true;
}

static void on_log(const rd_kafka_t *rk, int level, const char *facility,
                   const char *text)
{
    enum log_level ours = level <= SYSLOG_WARNING ? LOG_WARN : LOG_DEBUG;
    log_write(ours, "kafka_client",
              (const struct log_field[]){
                  LOG_S("client", rk != NULL ? rd_kafka_name(rk) : ""),
                  LOG_S("facility", facility),
                  LOG_S("text", text),
                  {LOG_END, NULL, {0}}});
}

static bool set(rd_kafka_conf_t *conf, const struct kafka_setting *s,
                struct err *err)
{
    char why[256], number[24];
    const char *value = s->value;
    if (value == NULL) {
        snprintf(number, sizeof number, "%" PRId64, s->number);
        value = number;
    }
    if (rd_kafka_conf_set(conf, s->name, value, why, sizeof why) !=
        RD_KAFKA_CONF_OK) {
        err_set(err, ERR_FATAL, "Kafka client setting %s: %s", s->name, why);
        return false;
    }
    return true;
}

static bool set_all(rd_kafka_conf_t *conf, const struct kafka_setting *settings,
                    size_t count, struct err *err)
{
    for (size_t i = 0; i < count; i++) {
        if (!set(conf, &settings[i], err)) {
            return false;
        }
    }
    return true;
}

rd_kafka_t *kafka_client_new(rd_kafka_type_t type, const char *brokers,
                             const char *client_id, int events,
                             const struct kafka_setting *settings,
                             size_t setting_count, struct err *err)
{
    const struct kafka_setting shared[] = {
        {"bootstrap.servers", brokers, 0},
        {"client.id", client_id, 0},
        {"socket.nagle.disable", "true", 0},
        {"socket.keepalive.enable", "true", 0},
        {"enable.metrics.push", "false", 0}, /* KIP-714: defects to 2.10 */
        /* A broker that comes back is found within seconds, not 10. */
        {"reconnect.backoff.ms", "100", 0},
        {"reconnect.backoff.max.ms", "2000", 0},
    };
    char why[256];
    if (!kafka_version_check(rd_kafka_version(), err)) {
        return NULL;
    }
    rd_kafka_conf_t *conf = rd_kafka_conf_new();
    rd_kafka_conf_set_log_cb(conf, on_log);
    rd_kafka_conf_set_events(conf, events);
    if (!set_all(conf, shared, ARRAY_LEN(shared), err) ||
        !set_all(conf, settings, setting_count, err)) {
        rd_kafka_conf_destroy(conf);
        return NULL;
    }
    rd_kafka_t *rk = rd_kafka_new(type, conf, why, sizeof why);
    if (rk == NULL) {
        rd_kafka_conf_destroy(conf);
        err_set(err, ERR_FATAL, "Kafka client: %s", why);
    }
    return rk;
}

static const uint64_t wake_one = 1;

int kafka_wake_new(void)
{
    /* Non-blocking: librdkafka writes to it under a lock. */
    int fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
    assert(fd >= 0);
    return fd;
}

void kafka_wake_on(rd_kafka_queue_t *queue, int fd)
{
    rd_kafka_queue_io_event_enable(queue, fd, &wake_one, sizeof wake_one);
    /* What is there already would not wake anybody. */
    ssize_t written = write(fd, &wake_one, sizeof wake_one);
    assert(written == sizeof wake_one);
}

int kafka_wake_fd(rd_kafka_queue_t *queue)
{
    int fd = kafka_wake_new();
    kafka_wake_on(queue, fd);
    return fd;
}

void kafka_wake_drain(int fd)
{
    uint64_t count;
    ssize_t got = read(fd, &count, sizeof count);
    assert(got == sizeof count || errno == EAGAIN || errno == EINTR);
}

void kafka_err_set(struct err *err, rd_kafka_resp_err_t code, const char *what)
{
    err_set(err, code == RD_KAFKA_RESP_ERR__FATAL ? ERR_FATAL : ERR_RETRY,
            "%s: %s", what, rd_kafka_err2str(code));
}
