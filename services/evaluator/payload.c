/* SPDX-License-Identifier: Apache-2.0 */
#include "services/evaluator/payload.h"

#include "common/json.h"
#include "common/pulse/topology.h"

/* Together with ten samples this stays under 20 kB, also when every byte of a
 * text has to be escaped. */
enum { TEXT_MAX = 300, LABELS_MAX = 6000 };

/* At most max bytes, cut between characters. */
static struct str clip(struct str s, size_t max)
{
    if (s.n <= max)
        return s;
    while (max > 0 && ((unsigned char)s.p[max] & 0xc0) == 0x80)
        max--;
    return (struct str){s.p, max};
}

/* ,"key": or, behind a brace, "key": */
static void key(struct buf *out, const char *name)
{
    if (out->n > 0 && out->p[out->n - 1] != '{' && out->p[out->n - 1] != '[')
        buf_add_char(out, ',');
    buf_addf(out, "\"%s\":", name);
}

static void text(struct buf *out, const char *name, struct str value)
{
    key(out, name);
    json_add_str(out, clip(value, TEXT_MAX));
}

static void number(struct buf *out, const char *name, double value)
{
    key(out, name);
    json_add_double(out, value);
}

static void integer(struct buf *out, const char *name, int64_t value)
{
    key(out, name);
    json_add_i64(out, value);
}

static void moment(struct buf *out, const char *name, int64_t us)
{
    key(out, name);
    if (us == INT64_MIN)
        buf_add_text(out, "null");
    else
        json_add_time(out, us);
}

static void open(struct buf *out, const char *name)
{
    key(out, name);
    buf_add_char(out, '{');
}

static void close(struct buf *out)
{
    buf_add_char(out, '}');
}

/* ---- evidence ---- */

static void sample(struct buf *out, const struct place *place,
                   const struct sample *s)
{
    text(out, "topic", str_of(topic_names[place->topic]));
    integer(out, "partition", place->part);
    integer(out, "offset", s->offset);
    moment(out, "time", s->time_us);
    moment(out, "received_at", s->received_at_us);
    number(out, "value", s->value);
}

void payload_evidence(const struct transition_write *t, struct buf *out)
{
    buf_add_char(out, '{');
    key(out, "samples");
    buf_add_char(out, '[');
    for (size_t i = 0; i < t->sample_count; i++) {
        if (i > 0)
            buf_add_char(out, ',');
        buf_add_char(out, '{');
        sample(out, &t->place, &t->samples[i].sample);
        close(out);
    }
    buf_add_char(out, ']');
    if (t->reason) {
        text(out, "reason", str_of(t->reason));
    } else {
        open(out, "decided_by");
        sample(out, &t->place, &t->transition.sample);
        close(out);
    }
    moment(out, "since", t->transition.started_at_us);
    integer(out, "since_offset", t->transition.cause_offset);
    moment(out, "log_time", t->log_time_us);
    if (t->rule) {
        integer(out, "rule_version", t->rule->version);
        number(out, "threshold", t->rule->threshold);
        number(out, "clear_threshold", t->rule->clear_threshold);
        text(out, "operator", str_of(rule_operator_text(t->rule->op)));
        number(out, "for_seconds", (double)t->rule->for_us / 1e6);
        number(out, "clear_seconds", (double)t->rule->clear_us / 1e6);
    }
    close(out);
}

/* ---- the incident's row ---- */

static struct str label(const struct transition_write *t, const char *name)
{
    for (size_t i = 0; i < t->label_count; i++) {
        if (str_is(t->labels[i].name, name))
            return t->labels[i].value;
    }
    return (struct str){NULL, 0};
}

void payload_metadata(const struct transition_write *t, struct buf *out)
{
    buf_add_char(out, '{');
    text(out, "metric", t->metric);
    key(out, "labels");
    labels_json(t->labels, t->label_count, out);
    struct str device = label(t, "device_id");
    if (device.p)
        text(out, "device_id", device);
    number(out, "value", t->transition.sample.value);
    number(out, "threshold", t->rule->threshold);
    text(out, "operator", str_of(rule_operator_text(t->rule->op)));
    text(out, "rule_name", t->rule->name);
    close(out);
}

void payload_title(const struct transition_write *t, struct buf *out)
{
    struct str who = label(t, "host");
    if (!who.p)
        who = label(t, "device_id");
    buf_add_str(out, clip(t->rule->name, TEXT_MAX));
    buf_add_text(out, ": ");
    buf_add_str(out, clip(t->metric, TEXT_MAX));
    buf_addf(out, " is %g (%s %g)", t->transition.sample.value,
             rule_operator_text(t->rule->op), t->rule->threshold);
    if (who.p) {
        buf_add_text(out, " on ");
        buf_add_str(out, clip(who, TEXT_MAX));
    }
}

/* ---- the message ---- */

static void incident(struct buf *out, const struct message *m)
{
    open(out, "incident");
    text(out, "id", m->incident_id);
    key(out, "title");
    json_add_str(out, clip(m->title, 4 * TEXT_MAX));
    text(out, "severity", m->severity);
    text(out, "status",
         m->kind == TRANSITION_FIRE ? STR("open") : STR("resolved"));
    moment(out, "started_at", m->started_at_us);
    moment(out, "resolved_at", m->resolved_at_us);
    close(out);
}

static void rule(struct buf *out, const struct message *m)
{
    open(out, "rule");
    text(out, "id", m->rule_id);
    text(out, "name", m->rule_name);
    integer(out, "version", m->rule_version);
    number(out, "threshold", m->threshold);
    text(out, "operator", m->operator_text);
    close(out);
}

static void series(struct buf *out, const struct message *m)
{
    bool fits = m->labels.n <= LABELS_MAX;
    open(out, "series");
    text(out, "tenant_id", m->tenant_id);
    text(out, "name", m->metric);
    key(out, "labels");
    buf_add_str(out, fits ? m->labels : STR("{}"));
    if (!fits)
        text(out, "labels_omitted", STR("too long"));
    text(out, "fingerprint", m->fingerprint);
    close(out);
}

void payload_message(const struct message *m, struct buf *out)
{
    const struct transition_write *t = m->decision;
    bool fire = m->kind == TRANSITION_FIRE;
    buf_add_char(out, '{');
    text(out, "type", fire ? STR("incident.firing") : STR("incident.resolved"));
    moment(out, "timestamp", m->decided_at_us);
    open(out, "data");
    incident(out, m);
    rule(out, m);
    series(out, m);
    if (t->reason) {
        key(out, "value");
        buf_add_text(out, "null");
        text(out, "reason", str_of(t->reason));
    } else {
        number(out, "value", t->transition.sample.value);
    }
    moment(out, "event_time", t->transition.at_us);
    key(out, "evidence");
    buf_add_str(out, m->evidence);
    close(out);
    close(out);
}
