/* SPDX-License-Identifier: Apache-2.0 */
#include "common/pulse/protocol/telemetry_json.h"

enum {
    DEVICE_ID,
    SITE_ID,
    MSG_TYPE,
    SEQ,
    TIME,
    TIMESTAMP,
    METRICS,
    MEMBER_COUNT
};

static const struct str members[MEMBER_COUNT] = {
    [DEVICE_ID] = {"device_id", 9}, [SITE_ID] = {"site_id", 7},
    [MSG_TYPE] = {"msg_type", 8},   [SEQ] = {"seq", 3},
    [TIME] = {"time", 4},           [TIMESTAMP] = {"timestamp", 9},
    [METRICS] = {"metrics", 7},
};

static void reading_number(yyjson_val *v, struct field *f)
{
    bool whole = yyjson_is_sint(v) ||
                 (yyjson_is_uint(v) && yyjson_get_uint(v) <= INT64_MAX);

    f->type = whole ? FIELD_INTEGER : FIELD_REAL;
    if (whole)
        f->integer = yyjson_get_sint(v);
    else
        f->real = yyjson_get_num(v);
}

static bool reading_take(struct check *c, yyjson_val *key, yyjson_val *v,
                         struct field *f)
{
    *f = (struct field){.name = json_str(key), .type = FIELD_TEXT};
    if (yyjson_is_num(v)) {
        reading_number(v, f);
    } else if (yyjson_is_bool(v)) {
        f->type = FIELD_BOOLEAN;
        f->boolean = yyjson_get_bool(v);
    } else if (yyjson_is_str(v)) {
        f->text = json_str(v);
    } else {
        return fault_set(&c->fault, c->arena, FAULT_WRONG_TYPE,
                         check_path(c, "metrics", f->name),
                         "must be a number, true, false or text");
    }
    return check_reading(c, f);
}

static bool readings_take(struct check *c, yyjson_val *v,
                          struct telemetry_record *t)
{
    size_t i, n;
    yyjson_val *key, *value;

    if (!v)
        return fault_set(&c->fault, c->arena, FAULT_MISSING_FIELD,
                         STR("metrics"), "is required");
    if (!check_object(c, STR("metrics"), v))
        return false;
    if (yyjson_get_len(v) > c->rules->fields_max)
        return fault_set(&c->fault, c->arena, FAULT_TOO_MANY_FIELDS,
                         STR("metrics"),
                         "has %zu readings, at most %zu are allowed",
                         yyjson_get_len(v), c->rules->fields_max);
    struct field *fields =
        arena_alloc(c->arena, (yyjson_get_len(v) + 1) * sizeof *fields);
    yyjson_obj_foreach(v, i, n, key, value)
    {
        if (!reading_take(c, key, value, &fields[i]))
            return false;
    }
    t->metrics = fields;
    t->metric_count = n;
    return true;
}

static bool seq_take(struct check *c, yyjson_val *v, int64_t *out)
{
    *out = 0;
    if (!v)
        return true;
    if (!yyjson_is_int(v) ||
        (yyjson_is_uint(v) && yyjson_get_uint(v) > INT64_MAX))
        return fault_set(&c->fault, c->arena, FAULT_WRONG_TYPE, STR("seq"),
                         "must be a whole number of 64 bits");
    *out = yyjson_get_sint(v);
    return true;
}

static bool device_take(struct check *c, yyjson_val *v, struct str *out)
{
    struct str given;

    if (!check_text_opt(c, STR("device_id"), v, CHECK_ID_MAX, &given) ||
        !check_device(c, STR("device_id"), given, out))
        return false;
    return out->p ||
           fault_set(&c->fault, c->arena, FAULT_MISSING_FIELD, STR("device_id"),
                     "is required, the key is not bound to a device");
}

bool telemetry_json_parse(struct check *c, yyjson_val *v, struct record *out)
{
    yyjson_val *found[MEMBER_COUNT];

    *out = (struct record){.kind = RECORD_TELEMETRY};
    struct telemetry_record *t = &out->telemetry;
    t->tenant_id = c->caller->tenant_id;
    t->received_at_us = c->received_us;
    if (!check_object(c, (struct str){0}, v))
        return false;
    check_members(v, members, MEMBER_COUNT, found);
    if (!device_take(c, found[DEVICE_ID], &t->device_id) ||
        !check_text_opt(c, STR("site_id"), found[SITE_ID], CHECK_ID_MAX,
                        &t->site_id) ||
        !check_text_opt(c, STR("msg_type"), found[MSG_TYPE], CHECK_ID_MAX,
                        &t->msg_type) ||
        !seq_take(c, found[SEQ], &t->seq) ||
        !check_time(c, STR("time"), found[TIME], found[TIMESTAMP], &t->time_us))
        return false;
    if (!t->msg_type.p)
        t->msg_type = STR("telemetry");
    return readings_take(c, found[METRICS], t);
}
