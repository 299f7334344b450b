/* SPDX-License-Identifier: Apache-2.0 */
#include "common/pulse/protocol/otlp.h"

#include <assert.h>
#include <math.h>
#include <string.h>

#include "common/pulse/endpoint.h"
#include "common/pulse/protocol/metric_build.h"
#include "common/pulse/protocol/otlp_json.h"
#include "common/pulse/protocol/otlp_labels.h"
#include "common/pulse/protocol/otlp_letter.h"
#include "common/pulse/protocol/otlp_samples.h"

/* Points of one metric have the same bounds: their texts, by their place. */
struct bound_texts {
    double bounds[OTLP_BUCKETS_MAX];
    struct str texts[OTLP_BUCKETS_MAX]; /* p == NULL: none yet */
};

struct state {
    struct proto_arena memory; /* of what is unpacked */
    struct str wanted;         /* resource attributes */
    bool utf8;                 /* the JSON reader saw to it */
    struct otlp_points points;
    /* The scope at hand: its labels, or why its points are all bad. */
    const Pulse__Otlp__ScopeMetrics *scope;
    struct otlp_labels inherited;
    bool inherited_good;
    struct fault inherited_fault;
    /* The data point at hand. */
    struct otlp_point point;
    struct otlp_labels labels;
    struct otlp_samples samples;
    size_t sample_next;
    struct metric_build plain, marked; /* marked: with le or quantile */
    struct str *mark;                  /* where its value goes */
    struct bound_texts *bounds;        /* NULL: none was needed */
    struct metric_letters letters;
};

/* --- the body ----------------------------------------------------------- */

static bool is_json(struct str content_type)
{
    struct str type = content_type, parameters;

    str_cut(type, ';', &type, &parameters);
    return str_eq_nocase(str_trim(type), STR(OTLP_JSON_TYPE));
}

static bool body_fault(struct body *b, const struct proto_arena *memory)
{
    struct check *c = b->check;

    if (memory->spent)
        return fault_set(&c->fault, c->arena, FAULT_UNPACKED_TOO_LARGE,
                         (struct str){0},
                         "takes too much memory when it is unpacked");
    return fault_set(&c->fault, c->arena, FAULT_MALFORMED_PROTOBUF,
                     (struct str){0},
                     "the body is no ExportMetricsServiceRequest");
}

static ProtobufCMessage *json_unpack(struct body *b, struct proto_arena *memory)
{
    yyjson_val *root =
        json_text_read(b->check->arena, b->posted.text, &b->check->fault);

    return root ? otlp_json_read(
                      memory,
                      &pulse__otlp__export_metrics_service_request__descriptor,
                      root, &b->check->fault)
                : NULL;
}

static ProtobufCMessage *protobuf_unpack(struct body *b,
                                         struct proto_arena *memory)
{
    ProtobufCMessage *m = proto_arena_unpack(
        memory, &pulse__otlp__export_metrics_service_request__descriptor,
        b->posted.text);

    if (!m)
        body_fault(b, memory);
    return m;
}

static size_t records_bound(struct otlp_points points)
{
    struct otlp_point p;
    size_t n = 0;

    while (otlp_points_next(&points, &p))
        n += otlp_samples_bound(&p);
    return n;
}

static bool otlp_open(struct body *b)
{
    struct state *s = arena_zalloc(b->check->arena, 1, sizeof *s);

    b->state = s;
    proto_arena_init(&s->memory, b->check->arena,
                     proto_arena_bound(b->posted.text.n));
    s->wanted = b->posted.resource_attributes.n > 0
                    ? b->posted.resource_attributes
                    : STR(OTLP_RESOURCE_ATTRIBUTES);
    s->utf8 = is_json(b->posted.content_type);
    const ProtobufCMessage *m =
        s->utf8 ? json_unpack(b, &s->memory) : protobuf_unpack(b, &s->memory);
    if (!m)
        return false;
    s->points.request = (const Pulse__Otlp__ExportMetricsServiceRequest *)m;
    b->records_max = records_bound(s->points);
    metric_letters_init(&s->letters, b->posted.text.n);
    return true;
}

/* --- a data point ------------------------------------------------------- */

/* Before they are written down for each of thousands of points. */
static bool labels_fit(const struct otlp_labels *l, struct check *c)
{
    return (!l->overfull && l->count <= c->rules->labels_max) ||
           fault_set(&c->fault, c->arena, FAULT_TOO_MANY_LABELS, STR("labels"),
                     "has %s%zu labels, at most %zu allowed",
                     l->overfull ? "more than " : "", l->count,
                     c->rules->labels_max);
}

/* Resource's and scope's, read once for all points of the scope. */
static bool inherited_read(struct state *s, struct check *c)
{
    if (s->scope != s->point.scope) {
        s->scope = s->point.scope;
        s->inherited_good = otlp_labels_begin(&s->inherited, c, &s->memory,
                                              s->wanted, &s->point);
        s->inherited_fault = c->fault;
    }
    if (!s->inherited_good)
        c->fault = s->inherited_fault;
    return s->inherited_good;
}

static bool labels_read(struct state *s, struct check *c)
{
    bool good = inherited_read(s, c);

    s->labels.count = s->inherited.count;
    s->labels.overfull = s->inherited.overfull;
    memcpy(s->labels.items, s->inherited.items,
           s->inherited.count * sizeof *s->labels.items);
    return good && otlp_labels_point(&s->labels, c, &s->memory, &s->point) &&
           labels_fit(&s->labels, c);
}

/* All labels but the one that samples of this point may bring. */
static bool build_begin(struct state *s, struct check *c,
                        struct metric_build *build, const char *mark)
{
    metric_begin(build, c, s->labels.count + 1);
    build->utf8 = s->utf8;
    for (size_t i = 0; i < s->labels.count; i++) {
        const struct label *l = &s->labels.items[i];
        if (!(mark && str_is(l->name, mark)) &&
            !metric_label(build, l->name, l->value))
            return false;
    }
    return !mark || metric_label(build, str_of(mark), STR("+Inf"));
}

/* After the labels were sorted. */
static struct str *mark_find(struct metric_build *build, const char *mark)
{
    for (size_t i = 0; i < build->count; i++)
        if (str_is(build->labels[i].name, mark))
            return &build->labels[i].value;
    return NULL;
}

static int64_t point_time(const struct otlp_point *p)
{
    return p->time_ns > 0 ? (int64_t)(p->time_ns / 1000) : CHECK_NO_TIME;
}

/* The metric's name and suffix; text lives in a. */
static struct str sample_name(struct arena *a, const struct otlp_point *p,
                              const char *suffix)
{
    size_t n = strlen(suffix);

    if (n == 0)
        return p->name;
    char *text = arena_alloc(a, p->name.n + n);
    if (p->name.n > 0)
        memcpy(text, p->name.p, p->name.n);
    memcpy(text + p->name.n, suffix, n);
    return (struct str){text, p->name.n + n};
}

/* A point of one sample is judged when that is taken; of several, here, so that
 * all are taken or none. */
static bool several_judge(struct state *s, struct check *c)
{
    const char *mark = NULL, *longest = "";
    struct record r;

    if (s->point.name.n == 0 || s->point.name.n > CHECK_NAME_MAX)
        return check_name(c, STR("name"), s->point.name);
    for (size_t i = 0; i < s->samples.count; i++) {
        if (strlen(s->samples.items[i].suffix) > strlen(longest))
            longest = s->samples.items[i].suffix;
        if (s->samples.items[i].label)
            mark = s->samples.items[i].label;
    }
    struct str name = sample_name(c->arena, &s->point, longest);
    if (!metric_finish(&s->plain, name, 0, point_time(&s->point), &r))
        return false;
    if (!mark)
        return true;
    if (!build_begin(s, c, &s->marked, mark) ||
        !metric_finish(&s->marked, name, 0, point_time(&s->point), &r))
        return false;
    s->mark = mark_find(&s->marked, mark);
    return true;
}

static bool point_read(struct state *s, struct check *c)
{
    s->sample_next = 0;
    bool good = otlp_samples_make(c, &s->point, &s->samples);

    return labels_read(s, c) && good && build_begin(s, c, &s->plain, NULL) &&
           (s->samples.count == 1 || several_judge(s, c));
}

static struct str bound_text(struct state *s, struct arena *a, double bound)
{
    size_t at = s->sample_next % OTLP_BUCKETS_MAX;

    if (!s->bounds)
        s->bounds = arena_zalloc(a, 1, sizeof *s->bounds);
    if (!s->bounds->texts[at].p || s->bounds->bounds[at] != bound) {
        s->bounds->bounds[at] = bound;
        s->bounds->texts[at] = otlp_bound_text(a, bound);
    }
    return s->bounds->texts[at];
}

static bool sample_take(struct state *s, struct check *c, struct record *out)
{
    const struct otlp_sample *sample = &s->samples.items[s->sample_next++];
    struct metric_build *build = &s->plain;

    if (sample->label) {
        build = &s->marked;
        *s->mark = bound_text(s, c->arena, sample->bound);
    }
    return metric_finish(build,
                         sample_name(c->arena, &s->point, sample->suffix),
                         sample->value, point_time(&s->point), out);
}

/* The device that a bad point speaks for, as far as it can be read. */
static struct str device_of(const struct state *s)
{
    for (size_t i = 0; i < s->labels.count; i++) {
        struct str id = s->labels.items[i].value;
        if (str_is(s->labels.items[i].name, "device_id") &&
            id.n <= CHECK_ID_MAX && !str_has_nul(id) && str_utf8_valid(id))
            return id;
    }
    return (struct str){0};
}

static bool otlp_next(struct body *b, struct unit *u)
{
    struct state *s = b->state;
    struct check *c = b->check;

    c->fault = (struct fault){0};
    u->value = s;
    u->good = true;
    if (s->sample_next == s->samples.count) {
        do
            if (!otlp_points_next(&s->points, &s->point))
                return false;
        while (otlp_point_empty(&s->point));
        u->good = point_read(s, c);
    }
    u->index = s->point.index;
    u->good = u->good && sample_take(s, c, &u->record);
    if (!u->good) {
        s->sample_next = s->samples.count;
        u->device_id = device_of(s);
    }
    return true;
}

static struct str otlp_text(const struct body *b, const struct unit *u)
{
    struct state *s = b->state;

    (void)u;
    return otlp_letter(&s->letters, b->check->arena,
                       &(struct otlp_lost){
                           .common = {.name = s->point.name,
                                      .labels = s->labels.items,
                                      .label_count = s->labels.count,
                                      .time_us = point_time(&s->point)},
                           .samples = s->samples.items,
                           .sample_count = s->samples.count,
                       });
}

static struct str otlp_text_type(const struct body *b)
{
    (void)b;
    return STR(METRIC_JSON_TYPE);
}

const struct protocol otlp_protocol = {
    .name = "otlp",
    .open = otlp_open,
    .next = otlp_next,
    .text = otlp_text,
    .text_type = otlp_text_type,
};
