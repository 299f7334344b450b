/* SPDX-License-Identifier: Apache-2.0 */
/* tail: the records of a topic as JSON lines. */
#include <signal.h>
#include <stdlib.h>
#include <string.h>

#include "common/json.h"
#include "common/kafka_reader.h"
#include "common/pulse/record.h"
#include "tools/pulse/commands.h"
#include "tools/pulse/world.h"

enum { HEX_BYTES_MAX = 256, WAIT_MS = 100, QUEUE_BYTES = 4 << 20 };

struct tail {
    const char *topic;
    struct str tenant; /* p == NULL: all */
    int64_t left;      /* lines still to print; < 0: no limit */
    bool until_end;    /* stop where the log ended at the start */
    struct kafka_log_range *ranges;
    int64_t *next; /* per partition, offset read next */
    int parts;
    struct record_codec *codec;
    struct arena *arena;
};

static volatile sig_atomic_t interrupted;

static void interrupt(int signo)
{
    (void)signo;
    interrupted = 1;
}

static void hex_add(struct buf *out, struct str bytes)
{
    size_t n = bytes.n < HEX_BYTES_MAX ? bytes.n : HEX_BYTES_MAX;
    buf_add_char(out, '"');
    for (size_t i = 0; i < n; i++)
        buf_addf(out, "%02x", (unsigned)(unsigned char)bytes.p[i]);
    buf_add_text(out, n < bytes.n ? "…\"" : "\"");
}

static void place_add(const struct tail *t, const struct kafka_reading *m,
                      struct buf *out)
{
    buf_add_text(out, "{\"topic\":");
    json_add_str(out, str_of(t->topic));
    buf_addf(out, ",\"part\":%d,\"offset\":", m->part);
    json_add_i64(out, m->offset);
}

/* False: not asked for. */
static bool line_make(struct tail *t, const struct kafka_reading *m,
                      struct buf *out)
{
    struct record r;
    struct err err = {0};
    arena_reset(t->arena);
    bool good = record_decode(t->codec, m->payload, t->arena, &r, &err);
    if (t->tenant.p && (!good || !str_eq(record_tenant(&r), t->tenant)))
        return false;
    place_add(t, m, out);
    if (good) {
        buf_add_text(out, ",\"record\":");
        record_json(&r, out);
    } else {
        buf_add_text(out, ",\"error\":");
        json_add_str(out, str_of(err.text));
        buf_addf(out, ",\"bytes\":%zu,\"hex\":", m->payload.n);
        hex_add(out, m->payload);
    }
    buf_add_text(out, "}\n");
    return true;
}

static bool tail_done(const struct tail *t)
{
    if (interrupted || t->left == 0)
        return true;
    if (!t->until_end)
        return false;
    for (int i = 0; i < t->parts; i++)
        if (t->next[i] < t->ranges[i].end)
            return false;
    return true;
}

static bool tail_run(struct tail *t, struct kafka_reader *reader,
                     struct err *err)
{
    AUTO_RELEASE(buf) line = {0};
    while (!tail_done(t)) {
        struct kafka_reading m;
        struct err fault = {0};
        if (!kafka_reader_next(reader, WAIT_MS, &m, &fault)) {
            if (fault.kind == ERR_FATAL) {
                *err = fault;
                return false;
            }
            continue;
        }
        if (t->until_end && m.offset >= t->ranges[m.part].end)
            continue;
        t->next[m.part] = m.offset + 1;
        buf_reset(&line);
        if (!line_make(t, &m, &line))
            continue;
        print(&line);
        if (t->left > 0)
            t->left--;
    }
    return true;
}

/* Offset to start at: begin, end, N, or -N (that many before the end). */
static bool start_find(const char *from, const struct kafka_log_range *range,
                       int64_t *out, struct err *err)
{
    int64_t n = 0;
    bool number = str_to_i64(str_of(from), &n);
    if (strcmp(from, "begin") == 0)
        *out = range->first;
    else if (strcmp(from, "end") == 0)
        *out = range->end;
    else if (number)
        *out = n < 0 ? range->end + n : n;
    else {
        err_set(err, ERR_INPUT, "--from \"%s\": begin, end, an offset, or -N",
                from);
        return false;
    }
    if (*out < range->first)
        *out = range->first;
    if (*out > range->end)
        *out = range->end;
    return true;
}

static bool parts_find(struct tail *t, struct world *w, struct err *err)
{
    struct kafka_topic_info info;
    struct kafka_admin *admin = world_admin(w, err);
    if (!admin || !kafka_topic_describe(admin, t->topic, &info, err))
        return kafka_failed(err);
    t->parts = info.partitions;
    t->ranges = xcalloc((size_t)t->parts, sizeof *t->ranges);
    t->next = xcalloc((size_t)t->parts, sizeof *t->next);
    for (int i = 0; i < t->parts; i++)
        t->ranges[i] = (struct kafka_log_range){.topic = t->topic, .part = i};
    return kafka_log_ranges(admin, t->ranges, (size_t)t->parts, err) ||
           kafka_failed(err);
}

static bool tail_open_and_run(struct tail *t, const struct call *c,
                              struct err *err)
{
    const char *from = call_value(c, "--from");
    if (!parts_find(t, c->world, err))
        return false;
    for (int i = 0; i < t->parts; i++)
        if (!start_find(from ? from : "end", &t->ranges[i], &t->next[i], err))
            return false;
    const struct kafka_reader_options options = {
        .brokers = c->world->settings->kafka_brokers,
        .client_id = "pulse-tail",
        .topic = t->topic,
        .from = t->next,
        .partitions = t->parts,
        .queue_bytes = QUEUE_BYTES,
    };
    AUTO(kafka_reader) reader = kafka_reader_new(&options, err);
    return reader && tail_run(t, reader, err);
}

static int tail(const struct call *c)
{
    struct err err = {0};
    struct tail t = {
        .topic = c->positional[0],
        .tenant = str_of(call_value(c, "--tenant")),
        .left = -1,
        .until_end = call_flag(c, "--until-end"),
    };
    if (!call_int(c, "-n", 1, INT64_MAX, &t.left, &err))
        return usage_error(c, &err);
    signal(SIGINT, interrupt);
    signal(SIGTERM, interrupt);
    AUTO(arena) arena = arena_new(64 << 10);
    AUTO(record_codec) codec = record_codec_new(&err);
    t.arena = arena;
    t.codec = codec;
    bool good = codec && tail_open_and_run(&t, c, &err);
    free(t.ranges);
    free(t.next);
    if (good)
        return 0;
    return err.kind == ERR_INPUT ? usage_error(c, &err) : failure(&err);
}

static const struct option options[] = {
    {"-n", "COUNT", "stop after COUNT lines", false},
    {"--from", "WHERE",
     "begin, end (default), an offset, or -N: N before the "
     "end of each partition",
     false},
    {"--until-end", NULL, "stop where the log ended at the start", false},
    {"--tenant", "TENANT", "only this tenant's records", false},
};
const struct command tail_command = {
    .name = "tail",
    .positional = "TOPIC",
    .positional_count = 1,
    .summary = "Print a topic's records as JSON lines",
    .details =
        "Topics: pulse.metrics, pulse.telemetry, pulse.events, "
        "pulse.deadletter. What cannot be\ndecoded is shown with the reason "
        "and its first 256 bytes in hex. Joins no consumer group.\n",
    .examples = "  pulse tail pulse.telemetry\n"
                "  pulse tail pulse.metrics --tenant demo -n 5\n"
                "  pulse tail pulse.deadletter --from begin --until-end\n",
    .options = options,
    .option_count = ARRAY_LEN(options),
    .run = tail,
};
