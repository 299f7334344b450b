/* SPDX-License-Identifier: Apache-2.0 */
#include "common/pulse/limits.h"

#include "common/json.h"

#define AT(field) offsetof(struct limits, field)

static const struct conf_item items[] = {
    {"PULSE_INGEST_RECORDS", CONF_INT, AT(records_max), "10000", 1, 1000000,
     NULL, "Most records in one request; more is 413."},
    {"PULSE_INGEST_BODY_BYTES", CONF_BYTES, AT(body_bytes_max), "8m", 1024,
     1 << 30, NULL, "Largest body of a request, in bytes; larger is 413."},
    {"PULSE_INGEST_RECORDS_RATE", CONF_INT, AT(records_rate), "0", 0, 1e9, NULL,
     "Records a tenant may send per second, then 429; 0 means no limit."},
    {"PULSE_INGEST_RECORDS_BURST", CONF_INT, AT(records_burst), "0", 0, 1e9,
     NULL,
     "Records a tenant may send at one go after a pause; 0 means ten seconds "
     "of its rate."},
    {"PULSE_INGEST_BYTES_RATE", CONF_BYTES, AT(bytes_rate), "0", 0, 1e12, NULL,
     "Bytes of bodies, as sent, a tenant may send per second, then 429; 0 "
     "means no limit."},
    {"PULSE_INGEST_BYTES_BURST", CONF_BYTES, AT(bytes_burst), "0", 0, 1e12,
     NULL,
     "Bytes a tenant may send at one go after a pause; 0 means ten seconds of "
     "its rate."},
    {"PULSE_INGEST_MESSAGE_BYTES", CONF_BYTES, AT(message_bytes_max), "1000000",
     1024, 100e6, NULL,
     "Largest encoded record; the topics' max.message.bytes must allow it."},
    {"PULSE_INGEST_TIME_PAST", CONF_DURATION, AT(time_past_ms), "7d", 1000,
     3650 * 86400e3, NULL,
     "A record may be this much older than now, where the store's late "
     "limit is not shorter."},
    {"PULSE_INGEST_TIME_FUTURE", CONF_DURATION, AT(time_future_ms), "10m", 0,
     86400e3, NULL, "A record may be this much ahead of now."},
    {"PULSE_INGEST_LABELS", CONF_INT, AT(labels_max), "32", 1, 256, NULL,
     "Most labels of one metric, the source among them."},
    {"PULSE_INGEST_FIELDS", CONF_INT, AT(fields_max), "256", 1, 4096, NULL,
     "Most readings in one telemetry message."},
    {"PULSE_INGEST_NAME_BYTES", CONF_INT, AT(name_bytes), "200", 1,
     CHECK_NAME_MAX, NULL, "Longest name of a metric or reading, in bytes."},
    {"PULSE_INGEST_LABEL_NAME_BYTES", CONF_INT, AT(label_name_bytes), "128", 1,
     CHECK_LABEL_NAME_MAX, NULL, "Longest name of a label, in bytes."},
    {"PULSE_INGEST_LABEL_VALUE_BYTES", CONF_INT, AT(label_value_bytes), "1024",
     1, CHECK_LABEL_VALUE_MAX, NULL, "Longest value of a label, in bytes."},
};

const struct limit_kind limit_kinds[LIMIT_COUNT] = {
    [LIMIT_RECORDS_PER_SECOND] = {"records_per_second", 0, 1000000000,
                                  "records a second; 0: any"},
    [LIMIT_RECORDS_BURST] = {"records_burst", 0, 1000000000,
                             "records at one go; 0: 10 s of the rate"},
    [LIMIT_BYTES_PER_SECOND] = {"bytes_per_second", 0, 1000000000000,
                                "bytes of bodies a second; 0: any"},
    [LIMIT_BYTES_BURST] = {"bytes_burst", 0, 1000000000000,
                           "bytes at one go; 0: 10 s of the rate"},
    [LIMIT_RECORDS_PER_REQUEST] = {"records_per_request", 1, 1000000,
                                   "records in one request"},
    [LIMIT_BODY_BYTES] = {"body_bytes", 1, 1 << 30, "bytes of a body, as sent"},
    [LIMIT_LABELS] = {"labels", 1, 256, "labels of a metric"},
    [LIMIT_FIELDS] = {"fields", 1, 4096, "readings of a telemetry message"},
    [LIMIT_NAME_BYTES] = {"name_bytes", 1, CHECK_NAME_MAX,
                          "bytes of a metric's or reading's name"},
    [LIMIT_LABEL_NAME_BYTES] = {"label_name_bytes", 1, CHECK_LABEL_NAME_MAX,
                                "bytes of a label's name"},
    [LIMIT_LABEL_VALUE_BYTES] = {"label_value_bytes", 1, CHECK_LABEL_VALUE_MAX,
                                 "bytes of a label's value"},
    [LIMIT_TIME_PAST_SECONDS] = {"time_past_seconds", 1, 315360000,
                                 "how old a record may be"},
    [LIMIT_TIME_FUTURE_SECONDS] = {"time_future_seconds", 0, 86400,
                                   "how far ahead it may be"},
    [LIMIT_SERIES] = {"series", 0, 1000000000, "series there may be"},
};

struct conf_group limits_group(struct limits *into)
{
    return (struct conf_group){
        .title = "What a tenant may send, unless its limits say otherwise "
                 "(limits.md)",
        .items = items,
        .count = ARRAY_LEN(items),
        .into = into,
    };
}

enum limit limit_find(struct str name)
{
    for (size_t i = 0; i < LIMIT_COUNT; i++)
        if (str_is(name, limit_kinds[i].name))
            return (enum limit)i;
    return LIMIT_COUNT;
}

static int64_t seconds(int64_t ms)
{
    return (ms + 999) / 1000;
}

struct tenant_limits limits_defaults(const struct limits *l)
{
    return (struct tenant_limits){
        .of = {
            [LIMIT_RECORDS_PER_SECOND] = l->records_rate,
            [LIMIT_RECORDS_BURST] = l->records_burst,
            [LIMIT_BYTES_PER_SECOND] = l->bytes_rate,
            [LIMIT_BYTES_BURST] = l->bytes_burst,
            [LIMIT_RECORDS_PER_REQUEST] = l->records_max,
            [LIMIT_BODY_BYTES] = l->body_bytes_max,
            [LIMIT_LABELS] = l->labels_max,
            [LIMIT_FIELDS] = l->fields_max,
            [LIMIT_NAME_BYTES] = l->name_bytes,
            [LIMIT_LABEL_NAME_BYTES] = l->label_name_bytes,
            [LIMIT_LABEL_VALUE_BYTES] = l->label_value_bytes,
            [LIMIT_TIME_PAST_SECONDS] = seconds(l->time_past_ms),
            [LIMIT_TIME_FUTURE_SECONDS] = seconds(l->time_future_ms),
            [LIMIT_SERIES] = 1000000, /* store.series_limit() */
        }};
}

/* False: not a whole number within the limit's range. */
static bool value_read(enum limit limit, yyjson_val *v, int64_t *out)
{
    const struct limit_kind *kind = &limit_kinds[limit];
    double value = yyjson_get_num(v); /* exact below 2^53, so all in range */

    if (!yyjson_is_num(v) || !(value >= (double)kind->min) ||
        !(value <= (double)kind->max) || value != (double)(int64_t)value)
        return false;
    *out = (int64_t)value;
    return true;
}

/* The process's burst belongs to the process's rate. */
static void burst_forget(struct tenant_limits *t, enum limit limit)
{
    if (limit == LIMIT_RECORDS_PER_SECOND)
        t->of[LIMIT_RECORDS_BURST] = 0;
    if (limit == LIMIT_BYTES_PER_SECOND)
        t->of[LIMIT_BYTES_BURST] = 0;
}

void limits_override(struct tenant_limits *t, struct str json,
                     struct arena *scratch)
{
    const struct tenant_limits defaults = *t;
    yyjson_doc *doc = json_parse(scratch, json, NULL);
    yyjson_val *object = yyjson_doc_get_root(doc);

    for (size_t i = 0; i < LIMIT_COUNT; i++) {
        yyjson_val *v = yyjson_obj_get(object, limit_kinds[i].name);
        int64_t value;
        if (!v || !value_read((enum limit)i, v, &value))
            continue;
        bool bounded = i == LIMIT_RECORDS_PER_REQUEST || i == LIMIT_BODY_BYTES;
        if (bounded && value > defaults.of[i])
            value = defaults.of[i];
        t->of[i] = value;
        burst_forget(t, (enum limit)i); /* it comes behind its rate */
    }
}

struct check_rules limits_rules(const struct tenant_limits *t)
{
    return (struct check_rules){
        .past_us = t->of[LIMIT_TIME_PAST_SECONDS] * 1000000,
        .future_us = t->of[LIMIT_TIME_FUTURE_SECONDS] * 1000000,
        .labels_max = (size_t)t->of[LIMIT_LABELS],
        .fields_max = (size_t)t->of[LIMIT_FIELDS],
        .name_max = (size_t)t->of[LIMIT_NAME_BYTES],
        .label_name_max = (size_t)t->of[LIMIT_LABEL_NAME_BYTES],
        .label_value_max = (size_t)t->of[LIMIT_LABEL_VALUE_BYTES],
    };
}
