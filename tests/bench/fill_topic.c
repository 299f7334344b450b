/* SPDX-License-Identifier: Apache-2.0 */
/* fill_topic: puts records into Kafka as the edge would: Avro, one a message,
 * key and partition as in production, lz4.
 *   fill_topic BROKERS metric|telemetry key=value…
 * rows, series (of telemetry: devices, five numbers each), start_us, step_us
 * (between two of one series), shape (walk|counter|noise), repeat (every n-th
 * message again, 200000 messages later; 0: none), rate (messages/s; 0: all it
 * can). Prints {"messages":n,"seconds":s} when all are acknowledged. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/clock.h"
#include "common/pulse/record.h"
#include "common/pulse/topology.h"
#include "tests/bench/client.h"

enum { FIELDS = 5, REPEAT_AFTER = 200000 };

struct plan {
    bool telemetry;
    int64_t rows, series, start_us, step_us, repeat, rate;
    char shape; /* w, c, n */
};

struct fill {
    struct plan plan;
    struct record_codec *codec;
    struct buf payload, key;
    rd_kafka_t *rk;
    rd_kafka_topic_t *topic;
    int64_t sent, failed;
};

/* splitmix64 of its argument: the same message has the same values again. */
static uint64_t mix(uint64_t x)
{
    x += UINT64_C(0x9e3779b97f4a7c15);
    x = (x ^ x >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
    x = (x ^ x >> 27) * UINT64_C(0x94d049bb133111eb);
    return x ^ x >> 31;
}

static double value_of(const struct plan *p, int64_t series, int64_t turn)
{
    uint64_t r = mix((uint64_t)(series * 1000003 + turn));
    if (p->shape == 'c') /* a counter that mostly stands still */
        return (double)(turn / 16 + series % 7);
    if (p->shape == 'n') /* a mantissa full of noise */
        return (double)(r >> 11) * 0x1p-53 * 100;
    /* A decimal that wanders: steps of 0.01 around a level of its own. */
    return (double)(2000 + series % 500 + (int64_t)(r % 201) - 100) / 100;
}

static void make_metric(const struct plan *p, int64_t i, struct record *r,
                        char texts[2][32], struct label *labels)
{
    int64_t series = i % p->series;
    static const char *const names[] = {"cpu_usage", "memory_used", "disk_io",
                                        "net_rx", "net_tx"};
    int host = snprintf(texts[0], 32, "host-%06lld", (long long)(series / 5));
    labels[0] = (struct label){STR("host"), {texts[0], (size_t)host}};
    labels[1] = (struct label){STR("region"), STR("eu-central-1")};
    *r = (struct record){
        .kind = RECORD_METRIC,
        .metric = {.tenant_id = STR("acme"),
                   .name = str_of(names[series % 5]),
                   .labels = labels,
                   .label_count = 2,
                   .value = value_of(p, series, i / p->series)}};
    r->metric.time_us = p->start_us + i / p->series * p->step_us;
    r->metric.received_at_us = r->metric.time_us + 5000;
}

static void make_telemetry(const struct plan *p, int64_t i, struct record *r,
                           char texts[2][32], struct field *fields)
{
    int64_t device = i % p->series;
    static const char *const names[FIELDS] = {"temperature", "humidity",
                                              "pressure", "voltage", "rssi"};
    int id = snprintf(texts[0], 32, "device-%06lld", (long long)device);
    int site = snprintf(texts[1], 32, "site-%03lld", (long long)device % 100);
    for (int f = 0; f < FIELDS; f++)
        fields[f] = (struct field){
            .name = str_of(names[f]),
            .type = FIELD_REAL,
            .real = value_of(p, device * FIELDS + f, i / p->series)};
    *r = (struct record){.kind = RECORD_TELEMETRY,
                         .telemetry = {.tenant_id = STR("acme"),
                                       .device_id = {texts[0], (size_t)id},
                                       .site_id = {texts[1], (size_t)site},
                                       .msg_type = STR("telemetry"),
                                       .seq = i / p->series,
                                       .metrics = fields,
                                       .metric_count = FIELDS}};
    r->telemetry.time_us = p->start_us + i / p->series * p->step_us;
    r->telemetry.received_at_us = r->telemetry.time_us + 5000;
}

static void send_one(struct fill *f, int64_t i)
{
    struct label labels[2];
    struct field fields[FIELDS];
    char texts[2][32];
    struct record r;
    struct err err;
    if (f->plan.telemetry)
        make_telemetry(&f->plan, i, &r, texts, fields);
    else
        make_metric(&f->plan, i, &r, texts, labels);
    buf_reset(&f->payload);
    buf_reset(&f->key);
    check(record_encode(f->codec, &r, &f->payload, &err), "cannot encode");
    record_key(&r, &f->key);
    while (rd_kafka_produce(f->topic, RD_KAFKA_PARTITION_UA,
                            RD_KAFKA_MSG_F_COPY, f->payload.p, f->payload.n,
                            f->key.p, f->key.n, NULL) != 0) {
        check(rd_kafka_last_error() == RD_KAFKA_RESP_ERR__QUEUE_FULL,
              "cannot produce");
        rd_kafka_poll(f->rk, 10);
    }
    f->sent++;
}

static void report(rd_kafka_t *rk, const rd_kafka_message_t *m, void *arg)
{
    (void)rk;
    ((struct fill *)arg)->failed += m->err != 0;
}

static void connect_to(struct fill *f, const char *brokers, const char *topic)
{
    static const char *const settings[][2] = {
        {"enable.idempotence", "true"},
        {"linger.ms", "20"},
        {"compression.type", "lz4"},
        {"partitioner", "murmur2_random"},
        {"batch.size", "262144"},
        {"queue.buffering.max.messages", "500000"}};
    rd_kafka_conf_t *conf = client_conf(brokers, settings, ARRAY_LEN(settings));
    rd_kafka_conf_set_dr_msg_cb(conf, report);
    rd_kafka_conf_set_opaque(conf, f);
    f->rk = client_new(RD_KAFKA_PRODUCER, conf);
    f->topic = rd_kafka_topic_new(f->rk, topic, NULL);
}

static void set(struct plan *p, const char *text)
{
    const struct {
        const char *name;
        int64_t *to;
    } numbers[] = {{"rows", &p->rows},         {"series", &p->series},
                   {"start_us", &p->start_us}, {"step_us", &p->step_us},
                   {"repeat", &p->repeat},     {"rate", &p->rate}};
    struct str name, value;
    check(str_cut(str_of(text), '=', &name, &value), text);
    if (str_is(name, "shape")) {
        p->shape = value.p[0];
        return;
    }
    for (size_t i = 0; i < ARRAY_LEN(numbers); i++)
        if (str_is(name, numbers[i].name)) {
            check(str_to_i64(value, numbers[i].to), text);
            return;
        }
    check(false, text);
}

/* Message i is due at its time of the rate. */
static void wait_turn(struct fill *f, int64_t i, int64_t begin_us)
{
    if (f->plan.rate == 0)
        return;
    while (clock_mono_us() < begin_us + i * 1000000 / f->plan.rate)
        rd_kafka_poll(f->rk, 1);
}

int main(int argc, char **argv)
{
    struct fill f = {.plan = {.rows = 1000000,
                              .series = 10000,
                              .step_us = 10000000,
                              .shape = 'w'}};
    struct err err;
    check(argc >= 3, "usage: fill_topic BROKERS metric|telemetry key=value…");
    f.plan.telemetry = strcmp(argv[2], "telemetry") == 0;
    for (int i = 3; i < argc; i++)
        set(&f.plan, argv[i]);
    f.codec = record_codec_new(&err);
    connect_to(&f, argv[1],
               topic_names[f.plan.telemetry ? AT_TELEMETRY : AT_METRICS]);
    int64_t begin_us = clock_mono_us();
    for (int64_t i = 0; i < f.plan.rows; i++) {
        wait_turn(&f, i, begin_us);
        send_one(&f, i);
        if (f.plan.repeat > 0 && i >= REPEAT_AFTER && i % f.plan.repeat == 0)
            send_one(&f, i - REPEAT_AFTER);
        if (i % 1000 == 0)
            rd_kafka_poll(f.rk, 0);
    }
    check(rd_kafka_flush(f.rk, 60000) == 0 && f.failed == 0,
          "not acknowledged");
    printf("{\"messages\":%lld,\"seconds\":%.3f}\n", (long long)f.sent,
           (double)(clock_mono_us() - begin_us) / 1e6);
    rd_kafka_topic_destroy(f.topic);
    rd_kafka_destroy(f.rk);
    record_codec_free(f.codec);
    buf_release(&f.payload);
    buf_release(&f.key);
    return 0;
}
