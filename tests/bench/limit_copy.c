/* SPDX-License-Identifier: Apache-2.0 */
/* limit_copy: what PostgreSQL itself can take. Reads the messages of a topic
 * beforehand, in the order of their arrival, and makes each batch of them one
 * ready block of binary COPY data, sorted as pulse-writer sorts; then only
 * sends: per batch BEGIN, COPY store.samples (telemetry: store.telemetry
 * before), COMMIT.
 *   limit_copy BROKERS POSTGRES_URL metric|telemetry BATCH FROM [DIR]
 * DIR: writes batch-N.txt for psql's \copy too. BATCH counts messages and
 * samples, as PULSE_WRITER_BATCH_ROWS does. Says "ready", waits for a line,
 * prints {"samples":n,"rows":n,"batches":n,"seconds":s}. */
#include <libpq-fe.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/clock.h"
#include "common/pulse/topology.h"
#include "common/timestamp.h"
#include "tests/bench/client.h"
#include "tests/bench/series_book.h"
#include "tests/bench/tap.h"

#define PG_EPOCH_US INT64_C(946684800000000)
enum { SEND_BYTES = 64 * 1024 };

struct device_row {
    struct str device, copy; /* copy: encoded */
    int64_t time_us;
};

struct block {
    struct buf telemetry, samples; /* COPY data, header and trailer included */
};

struct limit {
    bool telemetry;
    size_t batch_rows;
    const char *folder;
    PGconn *pg;
    struct record_codec *codec;
    struct series_book *book;
    struct arena *arena;
    struct device_row *devices;
    struct sample *samples;
    size_t device_count, sample_count, messages;
    size_t samples_all, devices_all;
    struct block *blocks;
    size_t block_count;
};

/* ---- encoding, beforehand ---- */

static void put16(struct buf *b, uint16_t v)
{
    v = __builtin_bswap16(v);
    buf_add(b, &v, sizeof v);
}

static void put32(struct buf *b, uint32_t v)
{
    v = __builtin_bswap32(v);
    buf_add(b, &v, sizeof v);
}

static void put64(struct buf *b, const void *eight)
{
    uint64_t v;
    memcpy(&v, eight, sizeof v);
    v = __builtin_bswap64(v);
    put32(b, 8);
    buf_add(b, &v, sizeof v);
}

static void put_time(struct buf *b, int64_t us)
{
    us -= PG_EPOCH_US;
    put64(b, &us);
}

static void put_text(struct buf *b, struct str s)
{
    put32(b, s.p == NULL ? UINT32_MAX : (uint32_t)s.n);
    buf_add_str(b, s);
}

static int by_series(const void *a, const void *b)
{
    const struct sample *x = a, *y = b;
    if (x->series != y->series)
        return x->series < y->series ? -1 : 1;
    return (x->time_us > y->time_us) - (x->time_us < y->time_us);
}

static int by_device(const void *a, const void *b)
{
    const struct device_row *x = a, *y = b;
    int c = str_cmp(x->device, y->device);
    return c != 0 ? c : (x->time_us > y->time_us) - (x->time_us < y->time_us);
}

static void begin(struct buf *b)
{
    buf_add(b, "PGCOPY\n\377\r\n\0\0\0\0\0\0\0\0", 19);
}

static void write_text(const struct limit *l)
{
    char name[512], time[TIMESTAMP_MAX];
    snprintf(name, sizeof name, "%s/batch-%04zu.txt", l->folder,
             l->block_count);
    FILE *out = fopen(name, "w");
    if (out == NULL) {
        perror(name);
        exit(1);
    }
    for (size_t i = 0; i < l->sample_count; i++) {
        const struct sample *s = &l->samples[i];
        fprintf(out, "%s\t%lld\t%.17g\n", timestamp_format(s->time_us, time),
                (long long)s->series, s->value);
    }
    fclose(out);
}

static void block_close(struct limit *l)
{
    if (l->messages == 0)
        return;
    if (l->folder != NULL)
        write_text(l);
    qsort(l->samples, l->sample_count, sizeof *l->samples, by_series);
    qsort(l->devices, l->device_count, sizeof *l->devices, by_device);
    l->blocks = xreallocarray(l->blocks, l->block_count + 1, sizeof *l->blocks);
    struct block *b = &l->blocks[l->block_count++];
    *b = (struct block){0};
    begin(&b->telemetry);
    for (size_t i = 0; i < l->device_count; i++)
        buf_add_str(&b->telemetry, l->devices[i].copy);
    put16(&b->telemetry, UINT16_MAX);
    begin(&b->samples);
    for (size_t i = 0; i < l->sample_count; i++) {
        put16(&b->samples, 3);
        put_time(&b->samples, l->samples[i].time_us);
        put64(&b->samples, &l->samples[i].series);
        put64(&b->samples, &l->samples[i].value);
    }
    put16(&b->samples, UINT16_MAX);
    l->samples_all += l->sample_count;
    l->devices_all += l->device_count;
    l->sample_count = l->device_count = l->messages = 0;
    arena_reset(l->arena);
}

static void add_device(struct limit *l, const struct telemetry_record *t)
{
    AUTO_RELEASE(buf) row = {0};
    AUTO_RELEASE(buf) json = {0};
    put16(&row, 7);
    put_time(&row, t->time_us);
    put_text(&row, t->tenant_id);
    put_text(&row, t->device_id);
    put_text(&row, t->site_id);
    put_text(&row, t->msg_type);
    put64(&row, &t->seq);
    fields_json(t->metrics, t->metric_count, &json);
    put32(&row, (uint32_t)json.n + 1);
    buf_add_char(&row, 1);
    buf_add_str(&row, buf_str(&json));
    l->devices[l->device_count++] =
        (struct device_row){.device = t->device_id,
                            .copy = arena_str(l->arena, buf_str(&row)),
                            .time_us = t->time_us};
}

static void add(struct limit *l, const rd_kafka_message_t *m)
{
    struct record r;
    struct err err;
    struct str payload = arena_str(l->arena, (struct str){m->payload, m->len});
    check(record_decode(l->codec, payload, l->arena, &r, &err), err.text);
    if (r.kind == RECORD_TELEMETRY)
        add_device(l, &r.telemetry);
    l->sample_count +=
        series_book_samples(l->book, &r, &l->samples[l->sample_count]);
    l->messages++;
    if (l->messages + l->sample_count >= l->batch_rows)
        block_close(l);
}

static void read_all(struct limit *l, const char *brokers, const char *from)
{
    struct tap *t = tap_open(
        brokers, topic_names[l->telemetry ? AT_TELEMETRY : AT_METRICS], from);
    rd_kafka_message_t *m;
    while ((m = tap_next(t)) != NULL) {
        add(l, m);
        rd_kafka_message_destroy(m);
    }
    block_close(l);
    tap_close(t);
}

/* ---- sending, measured ---- */

static void run(PGconn *pg, const char *sql)
{
    PGresult *r = PQexec(pg, sql);
    check(PQresultStatus(r) == PGRES_COMMAND_OK ||
              PQresultStatus(r) == PGRES_COPY_IN,
          PQerrorMessage(pg));
    PQclear(r);
}

static void copy(PGconn *pg, const char *sql, struct str data)
{
    PGresult *r;
    run(pg, sql);
    for (size_t at = 0; at < data.n; at += SEND_BYTES) {
        size_t n = data.n - at < SEND_BYTES ? data.n - at : SEND_BYTES;
        check(PQputCopyData(pg, data.p + at, (int)n) == 1, PQerrorMessage(pg));
    }
    check(PQputCopyEnd(pg, NULL) == 1, PQerrorMessage(pg));
    while ((r = PQgetResult(pg)) != NULL) {
        check(PQresultStatus(r) == PGRES_COMMAND_OK, PQerrorMessage(pg));
        PQclear(r);
    }
}

static void send_all(const struct limit *l)
{
    for (size_t i = 0; i < l->block_count; i++) {
        run(l->pg, "BEGIN");
        if (l->telemetry)
            copy(l->pg,
                 "COPY store.telemetry (time, tenant_id, device_id, site_id,"
                 " msg_type, seq, metrics) FROM STDIN (FORMAT binary)",
                 buf_str(&l->blocks[i].telemetry));
        copy(l->pg,
             "COPY store.samples (time, series_id, value) FROM STDIN"
             " (FORMAT binary)",
             buf_str(&l->blocks[i].samples));
        run(l->pg, "COMMIT");
    }
}

int main(int argc, char **argv)
{
    check(argc >= 6, "BROKERS POSTGRES_URL metric|telemetry BATCH FROM [DIR]");
    struct limit l = {.telemetry = strcmp(argv[3], "telemetry") == 0,
                      .batch_rows = strtoul(argv[4], NULL, 10),
                      .folder = argc > 6 ? argv[6] : NULL};
    struct err err;
    char line[8];
    l.pg = PQconnectdb(argv[2]);
    check(PQstatus(l.pg) == CONNECTION_OK, PQerrorMessage(l.pg));
    l.codec = record_codec_new(&err);
    l.book = series_book_new(l.pg);
    l.arena = arena_new(1 << 20);
    l.devices = xcalloc(l.batch_rows + 1, sizeof *l.devices);
    l.samples = xcalloc(l.batch_rows + SAMPLES_MAX, sizeof *l.samples);
    read_all(&l, argv[1], argv[5]);
    puts("ready");
    fflush(stdout);
    if (fgets(line, sizeof line, stdin) == NULL)
        return 0;
    int64_t begin_us = clock_mono_us();
    send_all(&l);
    printf("{\"samples\":%zu,\"rows\":%zu,\"batches\":%zu,\"seconds\":%.4f}\n",
           l.samples_all, l.samples_all + l.devices_all, l.block_count,
           (double)(clock_mono_us() - begin_us) / 1e6);
    PQfinish(l.pg);
    return 0;
}
