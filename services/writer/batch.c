/* SPDX-License-Identifier: Apache-2.0 */
#include "services/writer/batch.h"

#define XXH_INLINE_ALL
#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <xxhash.h>

#include "common/clock.h"
#include "common/json.h"
#include "services/writer/raw.h"

enum {
    ARENA_BLOCK = 1024 * 1024,
    INDEXED_MAX = 1024, /* of a dead letter's texts that an index has */
};

/* 1970 to 9999: what every part of Pulse can write as RFC 3339. */
static const int64_t time_max_us = INT64_C(253402300799999999);
/* As the edge allows it. */
static const int64_t ahead_max_us = INT64_C(10) * 60 * 1000 * 1000;

struct batch *batch_new(const struct batch_options *options, struct err *err)
{
    AUTO(batch) b = xcalloc(1, sizeof *b);
    b->arena = arena_new(ARENA_BLOCK);
    tickets_init(&b->tickets, b->arena);
    b->series = options->series;
    b->topics = options->topics;
    b->raw_tenant = str_of(options->raw_tenant);
    b->telemetry_series = options->telemetry_series;
    rows_init(&b->telemetry, sizeof(struct telemetry_row));
    rows_init(&b->samples, sizeof(struct sample_row));
    rows_init(&b->events, sizeof(struct event_row));
    b->codec = record_codec_new(err);
    return b->codec == NULL ? NULL : MOVE(b);
}

void batch_free(struct batch *b)
{
    if (b == NULL)
        return;
    record_codec_free(b->codec);
    tickets_release(&b->tickets);
    arena_free(b->arena);
    rows_release(&b->telemetry);
    rows_release(&b->samples);
    rows_release(&b->events);
    buf_release(&b->scratch);
    free(b->slices);
    free(b->messages);
    free(b->letters);
    free(b->letter_messages);
    free(b);
}

void batch_reset(struct batch *b)
{
    series_learn(b->series, &b->tickets);
    tickets_reset(&b->tickets);
    arena_reset(b->arena);
    b->sorted = false;
    b->slice_count = b->message_count = b->letter_count = 0;
    b->telemetry.count = b->samples.count = b->events.count = 0;
}

const char *batch_topic(const struct batch *b, const struct slice *s)
{
    return b->topics->names[s->topic];
}

bool batch_empty(const struct batch *b)
{
    for (size_t i = 0; i < b->slice_count; i++)
        if (b->slices[i].next != b->slices[i].from)
            return false;
    return true;
}

size_t batch_rows(const struct batch *b)
{
    return b->message_count + b->samples.count;
}

size_t batch_bytes(const struct batch *b)
{
    return arena_bytes(b->arena) + b->message_count * sizeof(struct message) +
           b->samples.count * sizeof(struct sample_row) +
           b->telemetry.count * sizeof(struct telemetry_row);
}

/* ---- slices ---- */

static struct slice *slice_find(struct batch *b, size_t topic, int32_t part)
{
    for (size_t i = 0; i < b->slice_count; i++)
        if (b->slices[i].topic == topic && b->slices[i].part == part)
            return &b->slices[i];
    return NULL;
}

struct slice *batch_slice(struct batch *b, size_t topic, int32_t part,
                          int64_t from, uint32_t assignment)
{
    struct slice *s = slice_find(b, topic, part);
    if (s != NULL)
        return s;
    if (b->slice_count == b->slice_cap) {
        b->slice_cap = b->slice_cap == 0 ? 32 : b->slice_cap * 2;
        b->slices = xreallocarray(b->slices, b->slice_cap, sizeof *b->slices);
    }
    s = &b->slices[b->slice_count++];
    *s = (struct slice){.topic = topic,
                        .part = part,
                        .assignment = assignment,
                        .from = from,
                        .next = from};
    return s;
}

void batch_gap(struct slice *slice, int64_t to)
{
    assert(to >= slice->next);
    slice->gap += to - slice->next;
    slice->next = to;
}

/* ---- from messages to rows ---- */

static struct row *row_add(struct batch *b, struct rows *rows, int64_t time_us)
{
    struct row *row = rows_add(rows);
    row->time_us = time_us;
    row->message = (uint32_t)(b->message_count - 1);
    row->decides = true;
    return row;
}

static void sample_add(struct batch *b, int64_t time_us, int64_t series_id,
                       double value, bool decides)
{
    struct row *row = row_add(b, &b->samples, time_us);
    struct sample_row *sample = (struct sample_row *)row;
    row->decides = decides;
    sample->series_id = series_id;
    sample->value = value;
}

static void add_metric(struct batch *b, const struct metric_record *m)
{
    int64_t id = series_of_metric(b->series, &b->tickets, m);
    sample_add(b, m->time_us, id, m->value, true);
}

static struct str metrics_json(struct batch *b,
                               const struct telemetry_record *t)
{
    struct buf *out = &b->scratch;
    buf_reset(out);
    fields_json(t->metrics, t->metric_count, out);
    return arena_str(b->arena, buf_str(out));
}

static void add_telemetry_samples(struct batch *b,
                                  const struct telemetry_record *t)
{
    series_begin(b->series, t);
    for (size_t i = 0; i < t->metric_count; i++) {
        const struct field *f = &t->metrics[i];
        if (f->type != FIELD_REAL && f->type != FIELD_INTEGER)
            continue;
        double value = f->type == FIELD_REAL ? f->real : (double)f->integer;
        int64_t id = series_of_field(b->series, &b->tickets, f->name);
        sample_add(b, t->time_us, id, value, false);
    }
}

/* Of tenant and device; never 0. A collision costs a detour, see seen.h. */
static uint64_t device_key(struct batch *b, const struct telemetry_record *t)
{
    buf_reset(&b->scratch);
    buf_add(&b->scratch, &t->tenant_id.n, sizeof t->tenant_id.n);
    buf_add_str(&b->scratch, t->tenant_id);
    buf_add_str(&b->scratch, t->device_id);
    return XXH3_64bits(b->scratch.p, b->scratch.n) | 1;
}

static void add_telemetry(struct batch *b, const struct telemetry_record *t)
{
    struct row *row = row_add(b, &b->telemetry, t->time_us);
    struct telemetry_row *out = (struct telemetry_row *)row;
    row->seen_key = device_key(b, t);
    out->tenant_id = t->tenant_id;
    out->device_id = t->device_id;
    out->site_id = t->site_id;
    out->msg_type = t->msg_type;
    out->seq = t->seq;
    out->metrics = metrics_json(b, t);
    if (b->telemetry_series)
        add_telemetry_samples(b, t);
}

static void add_json_text(struct buf *out, const char *name, struct str value)
{
    if (value.p == NULL)
        return;
    buf_addf(out, "\"%s\":", name);
    json_add_str(out, value);
    buf_add_char(out, ',');
}

/* {"level":…,"service":…,"msg":…,"kind":…,"attributes":{…}} */
static struct str event_json(struct batch *b, const struct event_record *e,
                             struct str attributes)
{
    struct buf *out = &b->scratch;
    buf_reset(out);
    buf_add_char(out, '{');
    add_json_text(out, "level", e->level);
    add_json_text(out, "service", e->service);
    add_json_text(out, "msg", e->message);
    buf_addf(out, "\"kind\":\"%s\",\"attributes\":",
             e->kind == EVENT_LOG ? "log" : "event");
    buf_add_str(out, attributes);
    buf_add_char(out, '}');
    return arena_str(b->arena, buf_str(out));
}

/* Whatever they hold, the attributes stay inside their object. */
static bool is_json_object(struct batch *b, struct str text, struct err *err)
{
    yyjson_doc *doc = json_parse(b->arena, text, err);
    if (doc == NULL)
        return false;
    if (yyjson_is_obj(yyjson_doc_get_root(doc)))
        return true;
    err_set(err, ERR_INPUT, "is no JSON object");
    return false;
}

static void add_event(struct batch *b, const struct event_record *e,
                      struct message *m)
{
    struct str attributes = e->attributes.n == 0 ? STR("{}") : e->attributes;
    struct err err;
    if (!is_json_object(b, attributes, &err)) {
        err_in(&err, "attributes");
        batch_poison(b, m, "invalid_attributes", err.text);
        return;
    }
    struct event_row *out =
        (struct event_row *)row_add(b, &b->events, e->time_us);
    out->id = e->id;
    out->tenant_id = e->tenant_id;
    out->data = event_json(b, e, attributes);
}

static bool is_time(int64_t us)
{
    return us >= 0 && us <= time_max_us;
}

/* What is no time is unknown; PostgreSQL would refuse it. */
static int64_t known_time(int64_t received_at_us)
{
    return is_time(received_at_us) ? received_at_us : 0;
}

static void add_dead_letter(struct batch *b, const struct dead_letter_record *d,
                            struct message *m)
{
    if (d->reason.n > INDEXED_MAX) {
        batch_poison(b, m, "identity_too_long", "the reason is too long");
        return;
    }
    if (!str_is(d->stage, "ingest") && !str_is(d->stage, "writer")) {
        batch_poison(b, m, "invalid_stage",
                     "stage is neither ingest nor writer");
        return;
    }
    if (b->letter_count == b->letter_cap) {
        b->letter_cap = b->letter_cap == 0 ? 16 : b->letter_cap * 2;
        b->letters = xreallocarray(b->letters, b->letter_cap, sizeof *d);
        b->letter_messages =
            xreallocarray(b->letter_messages, b->letter_cap, sizeof(uint32_t));
    }
    b->letters[b->letter_count] = *d;
    b->letters[b->letter_count].received_at_us = known_time(d->received_at_us);
    b->letter_messages[b->letter_count++] = (uint32_t)(b->message_count - 1);
}

static struct message *message_add(struct batch *b, const struct slice *slice,
                                   const struct kafka_event *event)
{
    if (b->message_count == b->message_cap) {
        b->message_cap = b->message_cap == 0 ? 256 : b->message_cap * 2;
        b->messages =
            xreallocarray(b->messages, b->message_cap, sizeof *b->messages);
    }
    struct message *m = &b->messages[b->message_count++];
    *m = (struct message){.slice = (uint32_t)(slice - b->slices),
                          .offset = event->offset,
                          .payload = arena_str(b->arena, event->payload)};
    return m;
}

/* False: the message is poison, its tenant or time can be none. */
static bool note(struct batch *b, struct message *m, struct str tenant_id,
                 struct str device_id, int64_t time_us, int64_t received_at_us)
{
    m->device_id = device_id;
    m->received_at_us = known_time(received_at_us);
    if (tenant_id.n > INDEXED_MAX) {
        batch_poison(b, m, "identity_too_long", "the tenant_id is too long");
        return false;
    }
    m->tenant_id = tenant_id;
    if (is_time(time_us))
        return true;
    batch_poison(b, m, "time_out_of_range", "time is not within 1970 to 9999");
    return false;
}

static void add_record(struct batch *b, struct message *m,
                       const struct record *r)
{
    const struct metric_record *metric = &r->metric;
    const struct telemetry_record *telemetry = &r->telemetry;
    const struct event_record *event = &r->event;
    const struct dead_letter_record *letter = &r->dead_letter;
    const struct str none = {NULL, 0};
    switch (r->kind) {
    case RECORD_METRIC:
        if (note(b, m, metric->tenant_id, none, metric->time_us,
                 metric->received_at_us))
            add_metric(b, metric);
        break;
    case RECORD_TELEMETRY:
        if (note(b, m, telemetry->tenant_id, telemetry->device_id,
                 telemetry->time_us, telemetry->received_at_us))
            add_telemetry(b, telemetry);
        break;
    case RECORD_EVENT:
        if (note(b, m, event->tenant_id, none, event->time_us,
                 event->received_at_us))
            add_event(b, event, m);
        break;
    case RECORD_DEAD_LETTER:
        if (note(b, m, letter->tenant_id, letter->device_id,
                 letter->failed_at_us, letter->received_at_us))
            add_dead_letter(b, letter, m);
        break;
    }
}

/* A timestamp that is none, or far ahead (a chunk of its own that retention
 * does not reach for long), is no use: now. */
static int64_t raw_time(int64_t stamp_us)
{
    int64_t now_us = clock_wall_us();
    bool usable = stamp_us > 0 && stamp_us < now_us + ahead_max_us;
    return usable ? stamp_us : now_us;
}

/* Its place names it: read anew, it is a duplicate. */
static void add_raw(struct batch *b, struct message *m,
                    const struct slice *slice, const struct kafka_event *event)
{
    char id[300];
    int n = snprintf(id, sizeof id, "%s/%d/%lld", batch_topic(b, slice),
                     slice->part, (long long)event->offset);
    m->tenant_id = b->raw_tenant;
    struct event_row *out =
        (struct event_row *)row_add(b, &b->events, raw_time(event->time_us));
    out->id = arena_str(b->arena, (struct str){id, (size_t)n});
    out->tenant_id = b->raw_tenant;
    raw_json(m->payload, b->arena, &b->scratch);
    out->data = arena_str(b->arena, buf_str(&b->scratch));
}

/* Which record belongs to which topic. */
static const enum record_kind kinds[TOPIC_COUNT] = {
    [AT_METRICS] = RECORD_METRIC,
    [AT_TELEMETRY] = RECORD_TELEMETRY,
    [AT_EVENTS] = RECORD_EVENT,
    [AT_DEADLETTER] = RECORD_DEAD_LETTER,
};

void batch_add(struct batch *b, struct slice *slice,
               const struct kafka_event *event)
{
    b->sorted = false;
    assert(slice->topic < b->topics->count);
    batch_gap(slice, event->offset);
    slice->next = event->offset + 1;
    struct message *m = message_add(b, slice, event);
    struct record r;
    struct err err;
    if (slice->topic >= TOPIC_COUNT)
        add_raw(b, m, slice, event);
    else if (event->payload.p == NULL)
        batch_poison(b, m, "undecodable", "the message has no payload");
    else if (!record_decode(b->codec, m->payload, b->arena, &r, &err))
        batch_poison(b, m, "undecodable", err.text);
    else if (r.kind != kinds[slice->topic])
        batch_poison(b, m, "wrong_record",
                     "the record belongs to another topic");
    else
        add_record(b, m, &r);
}

void batch_poison(struct batch *b, struct message *m, const char *reason,
                  const char *detail)
{
    m->poison = true;
    m->verdict = VERDICT_DEAD;
    m->reason = reason;
    m->detail = arena_str(b->arena, str_of(detail));
}

void batch_rewind(struct batch *b)
{
    for (size_t i = 0; i < b->message_count; i++)
        if (!b->messages[i].poison)
            b->messages[i].verdict = VERDICT_NONE;
}
