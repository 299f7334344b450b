/* SPDX-License-Identifier: Apache-2.0 */
#include "common/kafka_reader.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include <librdkafka/rdkafka.h>

struct kafka_reader {
    rd_kafka_t *rk;
    rd_kafka_message_t *held; /* what the last reading points into */
};

static bool conf_set(rd_kafka_conf_t *conf, const char *name, const char *value,
                     struct err *err)
{
    char why[256];
    if (rd_kafka_conf_set(conf, name, value, why, sizeof why) ==
        RD_KAFKA_CONF_OK)
        return true;
    err_set(err, ERR_FATAL, "Kafka setting %s=%s: %s", name, value, why);
    return false;
}

static rd_kafka_conf_t *conf_make(const struct kafka_reader_options *o,
                                  struct err *err)
{
    char kilobytes[24];
    snprintf(kilobytes, sizeof kilobytes, "%" PRId64,
             o->queue_bytes < 1024 ? 1 : o->queue_bytes / 1024);
    const char *const settings[][2] = {
        {"bootstrap.servers", o->brokers},
        {"client.id", o->client_id},
        /* librdkafka wants a name; nothing of it reaches a coordinator. */
        {"group.id", "unused"},
        {"enable.auto.commit", "false"},
        {"enable.auto.offset.store", "false"},
        {"auto.offset.reset", "error"},
        {"allow.auto.create.topics", "false"},
        {"queued.max.messages.kbytes", kilobytes},
        {"fetch.queue.backoff.ms", "50"},
        {"enable.metrics.push", "false"},
        {"log_level", "0"},
    };
    rd_kafka_conf_t *conf = rd_kafka_conf_new();
    for (size_t i = 0; i < ARRAY_LEN(settings); i++)
        if (!conf_set(conf, settings[i][0], settings[i][1], err)) {
            rd_kafka_conf_destroy(conf);
            return NULL;
        }
    return conf;
}

static bool parts_assign(rd_kafka_t *rk, const struct kafka_reader_options *o,
                         struct err *err)
{
    rd_kafka_topic_partition_list_t *list =
        rd_kafka_topic_partition_list_new(o->partitions);
    for (int32_t i = 0; i < o->partitions; i++)
        rd_kafka_topic_partition_list_add(list, o->topic, i)->offset =
            o->from[i];
    rd_kafka_resp_err_t rc = rd_kafka_assign(rk, list);
    rd_kafka_topic_partition_list_destroy(list);
    if (rc == RD_KAFKA_RESP_ERR_NO_ERROR)
        return true;
    err_set(err, ERR_FATAL, "cannot read %s: %s", o->topic,
            rd_kafka_err2str(rc));
    return false;
}

struct kafka_reader *kafka_reader_new(const struct kafka_reader_options *o,
                                      struct err *err)
{
    rd_kafka_conf_t *conf = conf_make(o, err);
    if (!conf)
        return NULL;
    char why[256];
    AUTO(kafka_reader) r = xcalloc(1, sizeof *r);
    r->rk = rd_kafka_new(RD_KAFKA_CONSUMER, conf, why, sizeof why);
    if (!r->rk) {
        rd_kafka_conf_destroy(conf);
        err_set(err, ERR_FATAL, "Kafka consumer: %s", why);
        return NULL;
    }
    rd_kafka_poll_set_consumer(r->rk);
    if (!parts_assign(r->rk, o, err))
        return NULL;
    return MOVE(r);
}

void kafka_reader_free(struct kafka_reader *r)
{
    if (!r)
        return;
    if (r->held)
        rd_kafka_message_destroy(r->held);
    if (r->rk) {
        rd_kafka_consumer_close(r->rk);
        rd_kafka_destroy(r->rk);
    }
    free(r);
}

static void fault_note(const rd_kafka_message_t *m, struct err *err)
{
    bool fatal = m->err == RD_KAFKA_RESP_ERR__AUTO_OFFSET_RESET ||
                 m->err == RD_KAFKA_RESP_ERR_OFFSET_OUT_OF_RANGE ||
                 m->err == RD_KAFKA_RESP_ERR__UNKNOWN_TOPIC ||
                 m->err == RD_KAFKA_RESP_ERR__UNKNOWN_PARTITION ||
                 m->err == RD_KAFKA_RESP_ERR_UNKNOWN_TOPIC_OR_PART;
    err_set(err, fatal ? ERR_FATAL : ERR_RETRY, "%s",
            rd_kafka_message_errstr(m));
}

bool kafka_reader_next(struct kafka_reader *r, int64_t timeout_ms,
                       struct kafka_reading *out, struct err *err)
{
    if (r->held)
        rd_kafka_message_destroy(r->held);
    r->held = rd_kafka_consumer_poll(r->rk, (int)timeout_ms);
    if (!r->held)
        return false;
    const rd_kafka_message_t *m = r->held;
    if (m->err) {
        fault_note(m, err);
        return false;
    }
    *out = (struct kafka_reading){
        .part = m->partition,
        .offset = m->offset,
        .key = {m->key, m->key_len},
        .payload = {m->payload, m->len},
    };
    return true;
}
