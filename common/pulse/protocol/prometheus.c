/* SPDX-License-Identifier: Apache-2.0 */
#include "common/pulse/protocol/prometheus.h"

#include <math.h>
#include <string.h>

#include "build/gen/prometheus.pb-c.h"
#include "common/proto_arena.h"
#include "common/pulse/endpoint.h"
#include "common/pulse/protocol/metric_build.h"
#include "common/pulse/protocol/metric_letter.h"

typedef Pulse__Prometheus__WriteRequest write_request;
typedef Pulse__Prometheus__TimeSeries time_series;
typedef Pulse__Prometheus__Label pair;
typedef Pulse__Prometheus__Sample sample;

struct state {
    const write_request *request;
    size_t next;             /* series that is opened next */
    const time_series *open; /* the one at hand; NULL: none yet */
    size_t sample_next, histogram_next;
    struct str name;
    struct metric_build build; /* its labels */
    struct fault fault;        /* of its labels: the fault of each sample */
    struct label *given;       /* as letters show them; NULL: not yet */
    size_t given_count;
    size_t units;
    struct metric_letters letters;
};

/* --- the body ------------------------------------------------------------- */

bool prometheus_media(struct str content_type)
{
    struct str type = content_type, rest = {0}, parameter, name, value;

    str_cut(content_type, ';', &type, &rest);
    if (content_type.n > 0 &&
        !str_eq_nocase(str_trim(type), STR("application/x-protobuf")))
        return false;
    while (str_next(&rest, ';', &parameter)) {
        if (!str_cut(str_trim(parameter), '=', &name, &value) ||
            !str_eq_nocase(name, STR("proto")))
            continue;
        if (!str_is(value, "prometheus.WriteRequest") &&
            !str_is(value, "\"prometheus.WriteRequest\""))
            return false;
    }
    return true;
}

/* Reads no further than it must to say what is left out beside samples. */
static void request_count(struct body *b, const write_request *request)
{
    b->skipped[SKIP_METADATA] += request->n_metadata;
    for (size_t i = 0; i < request->n_timeseries; i++) {
        const time_series *one = request->timeseries[i];
        b->records_max += one->n_samples + one->n_histograms;
        b->skipped[SKIP_EXEMPLAR] += one->n_exemplars;
    }
}

static bool prometheus_open(struct body *b)
{
    struct check *c = b->check;
    struct str text = b->posted.text;
    struct proto_arena memory;
    struct state *s = arena_zalloc(c->arena, 1, sizeof *s);

    b->state = s;
    metric_letters_init(&s->letters, text.n);
    proto_arena_init(&memory, c->arena, proto_arena_bound(text.n));
    s->request = (const write_request *)proto_arena_unpack(
        &memory, &pulse__prometheus__write_request__descriptor, text);
    if (memory.spent)
        return fault_set(&c->fault, c->arena, FAULT_UNPACKED_TOO_LARGE,
                         STR("body"),
                         "takes too much memory when it is unpacked");
    if (!s->request)
        return fault_set(&c->fault, c->arena, FAULT_MALFORMED_PROTOBUF,
                         STR("body"), "is no prometheus.WriteRequest");
    request_count(b, s->request);
    return true;
}

/* --- a series ------------------------------------------------------------- */

static struct str text_of(ProtobufCBinaryData data)
{
    return (struct str){(const char *)data.data, data.len};
}

static bool name_take(struct state *s, struct check *c, struct str name)
{
    if (s->name.p)
        return fault_set(&c->fault, c->arena, FAULT_DUPLICATE_KEY,
                         STR("labels.__name__"), "appears twice");
    s->name = name;
    return true;
}

/* A label without a value is, to Prometheus, a label that is not there. */
static bool labels_take(struct state *s, struct check *c)
{
    for (size_t i = 0; i < s->open->n_labels; i++) {
        const pair *label = s->open->labels[i];
        struct str name = text_of(label->name), value = text_of(label->value);
        if (value.n == 0)
            continue;
        if (!(str_is(name, "__name__") ? name_take(s, c, value)
                                       : metric_label(&s->build, name, value)))
            return false;
    }
    return s->name.p || fault_set(&c->fault, c->arena, FAULT_MISSING_FIELD,
                                  STR("labels.__name__"), "is required");
}

static void series_open(struct state *s, struct check *c,
                        const time_series *series)
{
    s->open = series;
    s->sample_next = s->histogram_next = 0;
    s->name = (struct str){0};
    s->fault = (struct fault){0};
    s->given = NULL;
    metric_begin(&s->build, c, series->n_labels);
    if (!labels_take(s, c))
        s->fault = c->fault;
}

/* --- a sample ------------------------------------------------------------- */

/* ms to µs; what does not fit is far outside of every window. */
static int64_t time_us(int64_t ms)
{
    int64_t us;

    if (__builtin_mul_overflow(ms, 1000, &us))
        us = ms > 0 ? INT64_MAX : CHECK_NO_TIME + 1;
    return us;
}

/* No sample that could be stored, though no mistake of the sender's either:
 * the end of a series, or the quantile of nothing. */
static bool sample_skipped(struct body *b, const sample *one)
{
    uint64_t bits;

    if (isfinite(one->value))
        return false;
    memcpy(&bits, &one->value, sizeof bits);
    b->skipped[bits == PROMETHEUS_STALE_BITS ? SKIP_STALE : SKIP_NOT_FINITE]++;
    return true;
}

static bool unit_begin(struct state *s, struct check *c, struct unit *u,
                       const sample *one)
{
    u->index = s->units++;
    u->value = one;
    c->fault = s->fault;
    return c->fault.code == FAULT_NONE;
}

static bool prometheus_next(struct body *b, struct unit *u)
{
    struct state *s = b->state;
    struct check *c = b->check;

    for (;;) {
        while (s->open && s->sample_next < s->open->n_samples) {
            const sample *one = s->open->samples[s->sample_next++];
            if (sample_skipped(b, one))
                continue;
            u->good = unit_begin(s, c, u, one) &&
                      metric_finish(&s->build, s->name, one->value,
                                    time_us(one->timestamp), &u->record);
            return true;
        }
        if (s->open && s->histogram_next < s->open->n_histograms) {
            s->histogram_next++;
            u->good = unit_begin(s, c, u, NULL) &&
                      fault_set(&c->fault, c->arena, FAULT_NATIVE_HISTOGRAM,
                                (struct str){0},
                                "is a native histogram, which is not taken");
            return true;
        }
        if (s->next == s->request->n_timeseries)
            return false;
        series_open(s, c, s->request->timeseries[s->next++]);
    }
}

/* --- dead letters --------------------------------------------------------- */

enum { GIVEN_MAX = 1024 };

/* The labels as they came, but for the name; too many are not all kept. Once
 * for a series, which may have thousands of bad samples. */
static void given_take(struct state *s, struct arena *a)
{
    size_t n = s->open->n_labels < GIVEN_MAX ? s->open->n_labels : GIVEN_MAX;

    if (s->given)
        return;
    s->given = arena_alloc(a, (n + 1) * sizeof *s->given);
    s->given_count = 0;
    for (size_t i = 0; i < n; i++) {
        struct str name = text_of(s->open->labels[i]->name);
        struct str value = text_of(s->open->labels[i]->value);
        if (value.n > 0 && (!str_is(name, "__name__") || s->name.p != value.p))
            s->given[s->given_count++] = (struct label){name, value};
    }
}

static struct str prometheus_text(const struct body *b, const struct unit *u)
{
    struct state *s = b->state;
    const sample *one = u->value;
    struct metric_lost lost = {.name = s->name, .time_us = CHECK_NO_TIME};

    if (s->letters.left > 0) {
        given_take(s, b->check->arena);
        lost.labels = s->given;
        lost.label_count = s->given_count;
    }
    if (one) {
        lost.value = &one->value;
        lost.time_us = time_us(one->timestamp);
    }
    return metric_letter(&s->letters, b->check->arena, &lost);
}

static struct str prometheus_text_type(const struct body *b)
{
    (void)b;
    return STR(METRIC_JSON_TYPE);
}

const struct protocol prometheus_protocol = {
    .name = "prometheus",
    .open = prometheus_open,
    .next = prometheus_next,
    .text = prometheus_text,
    .text_type = prometheus_text_type,
};
