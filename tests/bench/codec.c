/* SPDX-License-Identifier: Apache-2.0 */
/* codec: what a record costs between its JSON and its Avro bytes, ours beside
 * libavro, in turns; ns of CPU and allocations a record, as Markdown.
 * usage: codec [rounds [records]] */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "common/json.h"
#include "common/pulse/protocol/metric_json.h"
#include "common/pulse/protocol/telemetry_json.h"
#include "tests/bench/client.h"
#include "tests/unit/record_oracle.h"

enum { BODIES = 256, TURN_RECORDS = 20000, ROUNDS = 15, MANY = 100 };

/* ---- allocations: the program's and its libraries' ---- */

void *__libc_malloc(size_t n);
void *__libc_calloc(size_t n, size_t size);
void *__libc_realloc(void *p, size_t n);
static uint64_t allocations;

void *malloc(size_t n)
{
    allocations++;
    return __libc_malloc(n);
}

void *calloc(size_t n, size_t size)
{
    allocations++;
    return __libc_calloc(n, size);
}

void *realloc(void *p, size_t n)
{
    allocations++;
    return __libc_realloc(p, n);
}

/* ---- what is worked on ---- */

/* One kind of record, many of it: as bodies, records and messages. */
struct sample {
    const char *name;
    bool (*parse)(struct check *c, yyjson_val *v, struct record *out);
    void (*body)(int i, struct buf *out);
    struct buf bodies[BODIES], messages[BODIES];
    struct buf many; /* the first MANY as one array */
    struct record records[BODIES];
};

struct bench {
    struct check check;
    struct arena *arena, *kept;
    struct record_codec *codec;
    struct oracle *oracle;
    struct buf out;
    struct sample *sample;
};

static void metric_body(int i, struct buf *out)
{
    buf_addf(out,
             "{\"name\":\"cpu_usage\",\"value\":%d.%02d,\"labels\":{\"host\":"
             "\"host-%04d\",\"region\":\"eu-central-1\"},"
             "\"timestamp\":%" PRId64 "}",
             i % 100, i * 37 % 100, i, INT64_C(1767225600000) + i * 1013);
}

static void telemetry_body(int i, struct buf *out)
{
    buf_addf(out,
             "{\"device_id\":\"device-%04d\",\"seq\":%d,\"metrics\":{"
             "\"temperature\":%d.%d,\"humidity\":%d,\"voltage\":3.%02d,"
             "\"on\":%s},\"time\":%" PRId64 "}",
             i, 1000 + i * 7, i % 40, i % 10, i % 100, i % 90,
             i % 3 ? "true" : "false", INT64_C(1767225600000) + i * 1013);
}

static void parse_one(struct bench *b, yyjson_val *v, struct record *r)
{
    check(b->sample->parse(&b->check, v, r), "a body is bad");
}

static void parse(struct bench *b, struct str text, struct record *r)
{
    struct err err;
    yyjson_doc *doc = json_parse(b->check.arena, text, &err);
    check(doc != NULL, err.text);
    parse_one(b, yyjson_doc_get_root(doc), r);
}

static void encode(struct bench *b, const struct record *r)
{
    struct err err;
    buf_reset(&b->out);
    check(record_encode(b->codec, r, &b->out, &err), err.text);
}

static void encode_libavro(struct bench *b, const struct record *r)
{
    buf_reset(&b->out);
    check(oracle_encode(b->oracle, r, &b->out), "libavro cannot encode");
}

/* ---- the contenders: each does count records ---- */

/* The limit: what yyjson alone takes. */
static void run_yyjson(struct bench *b, int count)
{
    struct err err;
    for (int i = 0; i < count; i++) {
        check(json_parse(b->arena, buf_str(&b->sample->bodies[i % BODIES]),
                         &err) != NULL,
              err.text);
        arena_reset(b->arena);
    }
}

static void run_json(struct bench *b, int count)
{
    struct record r;
    for (int i = 0; i < count; i++) {
        parse(b, buf_str(&b->sample->bodies[i % BODIES]), &r);
        arena_reset(b->arena);
    }
}

static void run_all(struct bench *b, int count)
{
    struct record r;
    for (int i = 0; i < count; i++) {
        parse(b, buf_str(&b->sample->bodies[i % BODIES]), &r);
        encode(b, &r);
        arena_reset(b->arena);
    }
}

static void run_all_libavro(struct bench *b, int count)
{
    struct record r;
    for (int i = 0; i < count; i++) {
        parse(b, buf_str(&b->sample->bodies[i % BODIES]), &r);
        encode_libavro(b, &r);
        arena_reset(b->arena);
    }
}

static void run_many(struct bench *b, int count)
{
    struct record r;
    struct err err;
    for (int done = 0; done < count; done += MANY) {
        yyjson_doc *doc = json_parse(b->arena, buf_str(&b->sample->many), &err);
        yyjson_arr_iter items;
        check(yyjson_arr_iter_init(yyjson_doc_get_root(doc), &items),
              "no array");
        for (yyjson_val *v; (v = yyjson_arr_iter_next(&items)) != NULL;) {
            parse_one(b, v, &r);
            encode(b, &r);
        }
        arena_reset(b->arena);
    }
}

static void run_encode(struct bench *b, int count)
{
    for (int i = 0; i < count; i++)
        encode(b, &b->sample->records[i % BODIES]);
}

static void run_encode_libavro(struct bench *b, int count)
{
    for (int i = 0; i < count; i++)
        encode_libavro(b, &b->sample->records[i % BODIES]);
}

static void run_decode(struct bench *b, int count)
{
    struct record r;
    struct err err;
    for (int i = 0; i < count; i++) {
        check(record_decode(b->codec, buf_str(&b->sample->messages[i % BODIES]),
                            b->arena, &r, &err),
              err.text);
        arena_reset(b->arena);
    }
}

static void run_decode_libavro(struct bench *b, int count)
{
    struct record r;
    for (int i = 0; i < count; i++) {
        check(oracle_decode(b->oracle,
                            buf_str(&b->sample->messages[i % BODIES]), b->arena,
                            &r),
              "libavro cannot decode");
        arena_reset(b->arena);
    }
}

static const struct contender {
    const char *name;
    void (*run)(struct bench *b, int count);
} contenders[] = {
    {"JSON → values, yyjson alone", run_yyjson},
    {"JSON → record", run_json},
    {"record → Avro", run_encode},
    {"record → Avro, libavro", run_encode_libavro},
    {"JSON → record → Avro", run_all},
    {"JSON → record → Avro, a hundred a body", run_many},
    {"JSON → record → Avro, libavro", run_all_libavro},
    {"Avro → record", run_decode},
    {"Avro → record, libavro", run_decode_libavro},
};
enum { CONTENDERS = ARRAY_LEN(contenders) };

/* ---- measuring ---- */

static struct sample samples[] = {
    {.name = "metric", .parse = metric_json_parse, .body = metric_body},
    {.name = "telemetry",
     .parse = telemetry_json_parse,
     .body = telemetry_body},
};

struct result {
    double *ns; /* of each round */
    double allocations;
};

static int64_t cpu_ns(void)
{
    struct timespec t;
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
    return t.tv_sec * INT64_C(1000000000) + t.tv_nsec;
}

static void measure(struct bench *b, const struct contender *c, int count,
                    double *ns, double *allocated)
{
    uint64_t allocations_before = allocations;
    int64_t before = cpu_ns();
    c->run(b, count);
    *ns = (double)(cpu_ns() - before) / count;
    *allocated = (double)(allocations - allocations_before) / count;
}

static int by_size(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

static void print_result(const struct sample *s, const struct contender *c,
                         struct result *r, int rounds)
{
    qsort(r->ns, (size_t)rounds, sizeof *r->ns, by_size);
    printf("| %s | %s | %.0f | %.0f … %.0f | %.1f |\n", s->name, c->name,
           r->ns[rounds / 2], r->ns[0], r->ns[rounds - 1], r->allocations);
}

/* The records stay: their arena is not the one that is reset. */
static void prepare(struct bench *b, struct sample *s)
{
    b->sample = s;
    b->check.arena = b->kept;
    buf_add_char(&s->many, '[');
    for (int i = 0; i < BODIES; i++) {
        s->body(i, &s->bodies[i]);
        parse(b, buf_str(&s->bodies[i]), &s->records[i]);
        encode(b, &s->records[i]);
        buf_add_str(&s->messages[i], buf_str(&b->out));
        if (i < MANY)
            buf_addf(&s->many, "%s%s", i > 0 ? "," : "", s->bodies[i].p);
    }
    buf_add_char(&s->many, ']');
    b->check.arena = b->arena;
}

static void compare(struct bench *b, struct sample *s, int rounds, int count)
{
    struct result results[CONTENDERS] = {0};
    double warm;
    prepare(b, s);
    for (size_t i = 0; i < CONTENDERS; i++) {
        results[i].ns = xcalloc((size_t)rounds, sizeof(double));
        measure(b, &contenders[i], count / 10, &warm, &warm);
    }
    for (int round = 0; round < rounds; round++)
        for (size_t i = 0; i < CONTENDERS; i++)
            measure(b, &contenders[i], count, &results[i].ns[round],
                    &results[i].allocations);
    for (size_t i = 0; i < CONTENDERS; i++) {
        print_result(s, &contenders[i], &results[i], rounds);
        free(results[i].ns);
    }
}

int main(int argc, char **argv)
{
    static const struct check_rules rules = {.past_us = INT64_MAX / 4,
                                             .future_us = INT64_MAX / 4,
                                             .labels_max = 64,
                                             .fields_max = 256};
    static const struct caller caller = {.tenant_id = {"acme", 4}};
    int64_t rounds = ROUNDS, count = TURN_RECORDS;
    struct bench b = {.arena = arena_new(64 * 1024),
                      .kept = arena_new(64 * 1024),
                      .codec = record_codec_new(NULL),
                      .oracle = oracle_new()};
    b.check = (struct check){.rules = &rules,
                             .caller = &caller,
                             .received_us = INT64_C(1767225600000000)};
    check((argc <= 1 || str_to_i64(str_of(argv[1]), &rounds)) &&
              (argc <= 2 || str_to_i64(str_of(argv[2]), &count)) &&
              rounds >= 1 && rounds <= 1000 && count >= MANY &&
              count <= 10000000,
          "usage: codec [rounds [records]]");
    printf("| record | way | ns, median | least … most | allocations |\n"
           "|---|---|---|---|---|\n");
    for (size_t i = 0; i < ARRAY_LEN(samples); i++)
        compare(&b, &samples[i], (int)rounds, (int)count);
    return 0;
}
