/* SPDX-License-Identifier: Apache-2.0 */
/* peer_insert: what a careful team writes in a day. librdkafka's consumer,
 * Pulse's decoder, a hash table from series to number, and prepared INSERTs of
 * 1,000 rows each with ON CONFLICT DO NOTHING; ten of them and the offsets in
 * one transaction. Right, and as fast as that is.
 *   peer_insert BROKERS POSTGRES_URL FROM [MESSAGES]
 * Ends at the end of the topic, or after that many messages; prints
 * {"rows":n,"seconds":s}. */
#include <libpq-fe.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/clock.h"
#include "common/pulse/topology.h"
#include "tests/bench/client.h"
#include "tests/bench/series_book.h"
#include "tests/bench/tap.h"

enum { ROWS = 1000, INSERTS = 10, PARTITIONS_MAX = 64, TEXT = 32 };

struct peer {
    PGconn *pg;
    struct record_codec *codec;
    struct arena *arena;
    struct series_book *book;
    struct sample samples[ROWS];
    char texts[ROWS * 3][TEXT];
    const char *values[ROWS * 3];
    int64_t next[PARTITIONS_MAX]; /* 0: not read */
    size_t count, inserts, rows;
};

static void run(struct peer *p, PGresult *r)
{
    check(PQresultStatus(r) == PGRES_COMMAND_OK, PQerrorMessage(p->pg));
    PQclear(r);
}

static void prepare(struct peer *p, const char *name, size_t rows)
{
    AUTO_RELEASE(buf) sql = {0};
    buf_add_text(&sql,
                 "INSERT INTO store.samples (time, series_id, value) VALUES ");
    for (size_t i = 0; i < rows; i++)
        buf_addf(&sql,
                 "%s(to_timestamp($%zu::float8 / 1000000), $%zu::int8,"
                 " $%zu::float8)",
                 i == 0 ? "" : ",", i * 3 + 1, i * 3 + 2, i * 3 + 3);
    buf_add_text(&sql, " ON CONFLICT DO NOTHING");
    run(p, PQprepare(p->pg, name, sql.p, 0, NULL));
}

static void commit(struct peer *p)
{
    char sql[256];
    for (int i = 0; i < PARTITIONS_MAX; i++) {
        if (p->next[i] == 0)
            continue;
        snprintf(sql, sizeof sql,
                 "INSERT INTO bench_offset VALUES (%d, %lld) ON CONFLICT"
                 " (part) DO UPDATE SET next = excluded.next",
                 i, (long long)p->next[i]);
        run(p, PQexec(p->pg, sql));
    }
    run(p, PQexec(p->pg, "COMMIT"));
    p->inserts = 0;
}

static void insert(struct peer *p)
{
    if (p->count == 0)
        return;
    if (p->inserts == 0)
        run(p, PQexec(p->pg, "BEGIN"));
    for (size_t i = 0; i < p->count; i++) {
        const struct sample *s = &p->samples[i];
        char(*t)[TEXT] = &p->texts[i * 3];
        snprintf(t[0], TEXT, "%lld", (long long)s->time_us);
        snprintf(t[1], TEXT, "%lld", (long long)s->series);
        snprintf(t[2], TEXT, "%.17g", s->value);
    }
    if (p->count < ROWS)
        prepare(p, "rest", p->count);
    run(p, PQexecPrepared(p->pg, p->count < ROWS ? "rest" : "full",
                          (int)p->count * 3, p->values, NULL, NULL, 0));
    p->rows += p->count;
    p->count = 0;
    if (++p->inserts == INSERTS)
        commit(p);
}

static void add(struct peer *p, const rd_kafka_message_t *m)
{
    struct record r;
    struct err err;
    struct sample made[SAMPLES_MAX];
    arena_reset(p->arena);
    check(record_decode(p->codec, (struct str){m->payload, m->len}, p->arena,
                        &r, &err),
          err.text);
    check(m->partition < PARTITIONS_MAX &&
              series_book_samples(p->book, &r, made) == 1,
          "not a metric");
    p->samples[p->count++] = made[0];
    p->next[m->partition] = m->offset + 1;
    if (p->count == ROWS)
        insert(p);
}

int main(int argc, char **argv)
{
    check(argc >= 4, "usage: peer_insert BROKERS POSTGRES_URL FROM [MESSAGES]");
    struct peer *p = xcalloc(1, sizeof *p);
    size_t most = argc > 4 ? strtoul(argv[4], NULL, 10) : SIZE_MAX;
    struct err err;
    for (size_t i = 0; i < ARRAY_LEN(p->values); i++)
        p->values[i] = p->texts[i];
    p->pg = PQconnectdb(argv[2]);
    check(PQstatus(p->pg) == CONNECTION_OK, PQerrorMessage(p->pg));
    p->codec = record_codec_new(&err);
    p->arena = arena_new(1 << 16);
    p->book = series_book_new(p->pg);
    prepare(p, "full", ROWS);
    struct tap *t = tap_open(argv[1], topic_names[AT_METRICS], argv[3]);
    int64_t begin_us = clock_mono_us();
    rd_kafka_message_t *m;
    for (size_t n = 0; n < most && (m = tap_next(t)) != NULL; n++) {
        add(p, m);
        rd_kafka_message_destroy(m);
    }
    insert(p);
    if (p->inserts > 0)
        commit(p);
    printf("{\"rows\":%zu,\"seconds\":%.4f}\n", p->rows,
           (double)(clock_mono_us() - begin_us) / 1e6);
    tap_close(t);
    PQfinish(p->pg);
    return 0;
}
