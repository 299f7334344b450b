/* SPDX-License-Identifier: Apache-2.0 */
#include "common/pulse/record_slot.h"

#include <math.h>

#define AT(field) offsetof(struct record, field)

static const struct slot metric_slots[] = {
    {"tenant_id", SLOT_ID, AT(metric.tenant_id)},
    {"name", SLOT_ID, AT(metric.name)},
    {"labels", SLOT_LABELS, 0},
    {"value", SLOT_REAL, AT(metric.value)},
    {"time", SLOT_TIME, AT(metric.time_us)},
    {"received_at", SLOT_TIME, AT(metric.received_at_us)},
    {"source", SLOT_OPTIONAL, AT(metric.source)},
};

static const struct slot telemetry_slots[] = {
    {"tenant_id", SLOT_ID, AT(telemetry.tenant_id)},
    {"device_id", SLOT_ID, AT(telemetry.device_id)},
    {"site_id", SLOT_OPTIONAL, AT(telemetry.site_id)},
    {"msg_type", SLOT_TEXT, AT(telemetry.msg_type)},
    {"seq", SLOT_LONG, AT(telemetry.seq)},
    {"time", SLOT_TIME, AT(telemetry.time_us)},
    {"received_at", SLOT_TIME, AT(telemetry.received_at_us)},
    {"metrics", SLOT_FIELDS, 0},
};

static const struct slot event_slots[] = {
    {"tenant_id", SLOT_ID, AT(event.tenant_id)},
    {"id", SLOT_ID, AT(event.id)},
    {"kind", SLOT_KIND, 0},
    {"level", SLOT_OPTIONAL, AT(event.level)},
    {"service", SLOT_OPTIONAL, AT(event.service)},
    {"message", SLOT_OPTIONAL, AT(event.message)},
    {"attributes", SLOT_JSON, AT(event.attributes)},
    {"time", SLOT_TIME, AT(event.time_us)},
    {"received_at", SLOT_TIME, AT(event.received_at_us)},
};

static const struct slot dead_letter_slots[] = {
    {"tenant_id", SLOT_OPTIONAL, AT(dead_letter.tenant_id)},
    {"stage", SLOT_TEXT, AT(dead_letter.stage)},
    {"endpoint", SLOT_OPTIONAL, AT(dead_letter.endpoint)},
    {"key_id", SLOT_OPTIONAL, AT(dead_letter.key_id)},
    {"device_id", SLOT_OPTIONAL, AT(dead_letter.device_id)},
    {"reason", SLOT_TEXT, AT(dead_letter.reason)},
    {"detail", SLOT_TEXT, AT(dead_letter.detail)},
    {"content_type", SLOT_TEXT, AT(dead_letter.content_type)},
    {"payload", SLOT_BYTES, AT(dead_letter.payload)},
    {"topic", SLOT_OPTIONAL, AT(dead_letter.topic)},
    {"partition", SLOT_PART, 0},
    {"offset", SLOT_OFFSET, 0},
    {"received_at", SLOT_TIME, AT(dead_letter.received_at_us)},
    {"failed_at", SLOT_TIME, AT(dead_letter.failed_at_us)},
};

static const char kind_type[] = "{\"name\":\"pulse.EventKind\","
                                "\"type\":\"enum\","
                                "\"symbols\":[\"log\",\"event\"]}";
static const char fields_type[] = "{\"type\":\"map\",\"values\":[\"double\","
                                  "\"long\",\"boolean\",\"string\"]}";

const char *const slot_types[] = {
    [SLOT_ID] = "\"string\"",
    [SLOT_TEXT] = "\"string\"",
    [SLOT_OPTIONAL] = "[\"null\",\"string\"]",
    [SLOT_BYTES] = "\"bytes\"",
    [SLOT_JSON] = "\"string\"",
    [SLOT_LONG] = "\"long\"",
    [SLOT_TIME] = "\"long\"",
    [SLOT_REAL] = "\"double\"",
    [SLOT_KIND] = kind_type,
    [SLOT_LABELS] = "{\"type\":\"map\",\"values\":\"string\"}",
    [SLOT_FIELDS] = fields_type,
    [SLOT_PART] = "[\"null\",\"int\"]",
    [SLOT_OFFSET] = "[\"null\",\"long\"]",
};

#define SHAPE(name, slots) {name, slots, ARRAY_LEN(slots)}

const struct record_shape record_shapes[RECORD_KINDS] = {
    [RECORD_METRIC] = SHAPE("Metric", metric_slots),
    [RECORD_TELEMETRY] = SHAPE("Telemetry", telemetry_slots),
    [RECORD_EVENT] = SHAPE("Event", event_slots),
    [RECORD_DEAD_LETTER] = SHAPE("DeadLetter", dead_letter_slots),
};

static bool bad(struct err *err, const char *field, const char *what)
{
    err_set(err, ERR_INPUT, "%s %s", field, what);
    return false;
}

static bool check_text(struct str s, const char *field, struct err *err)
{
    return str_is_text(s) ||
           bad(err, field, str_has_nul(s) ? "holds a NUL" : "is not UTF-8");
}

static bool check_labels(const struct metric_record *m, struct err *err)
{
    for (size_t i = 0; i < m->label_count; i++) {
        if (!check_text(m->labels[i].name, "a label's name", err) ||
            !check_text(m->labels[i].value, "a label's value", err)) {
            return false;
        }
    }
    return true;
}

static bool check_fields(const struct telemetry_record *t, bool texts,
                         struct err *err)
{
    for (size_t i = 0; i < t->metric_count; i++) {
        const struct field *f = &t->metrics[i];
        if (texts && !check_text(f->name, "the name of a metric", err)) {
            return false;
        }
        if (texts && f->type == FIELD_TEXT &&
            !check_text(f->text, "the text of a metric", err)) {
            return false;
        }
        if (f->type == FIELD_REAL && !isfinite(f->real)) {
            return bad(err, "the value of a metric", "is not finite");
        }
    }
    return true;
}

static bool check_slot(const struct record *r, const struct slot *s, bool texts,
                       struct err *err)
{
    switch (s->type) {
    case SLOT_ID:
        if (slot_text(r, s)->n == 0) {
            return bad(err, s->name, "is empty");
        }
        return !texts || check_text(*slot_text(r, s), s->name, err);
    case SLOT_TEXT:
    case SLOT_OPTIONAL:
    case SLOT_JSON:
        return !texts || check_text(*slot_text(r, s), s->name, err);
    case SLOT_REAL:
        return isfinite(slot_real(r, s)) || bad(err, s->name, "is not finite");
    case SLOT_LABELS:
        return !texts || check_labels(&r->metric, err);
    case SLOT_FIELDS:
        return check_fields(&r->telemetry, texts, err);
    case SLOT_BYTES:
    case SLOT_LONG:
    case SLOT_TIME:
    case SLOT_KIND:
    case SLOT_PART:
    case SLOT_OFFSET:
        return true;
    }
    return true;
}

bool record_check(const struct record *r, bool texts, struct err *err)
{
    for (size_t i = 0; i < record_shapes[r->kind].slot_count; i++) {
        if (!check_slot(r, slot_of(r, i), texts, err)) {
            return false;
        }
    }
    return true;
}
