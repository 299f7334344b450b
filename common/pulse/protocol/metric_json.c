/* SPDX-License-Identifier: Apache-2.0 */
#include "common/pulse/protocol/metric_json.h"

#include "common/pulse/protocol/metric_build.h"

enum { NAME, VALUE, LABELS, SOURCE, TIMESTAMP, TIME, MEMBER_COUNT };

static const struct str members[MEMBER_COUNT] = {
    [NAME] = {"name", 4},           [VALUE] = {"value", 5},
    [LABELS] = {"labels", 6},       [SOURCE] = {"source", 6},
    [TIMESTAMP] = {"timestamp", 9}, [TIME] = {"time", 4},
};

static bool value_take(struct check *c, yyjson_val *v, double *out)
{
    if (!v)
        return fault_set(&c->fault, c->arena, FAULT_MISSING_FIELD, STR("value"),
                         "is required");
    if (!yyjson_is_num(v))
        return fault_set(&c->fault, c->arena, FAULT_WRONG_TYPE, STR("value"),
                         "must be a number");
    *out = yyjson_get_num(v);
    return true;
}

static bool label_take(struct metric_build *b, yyjson_val *key,
                       yyjson_val *value)
{
    struct check *c = b->check;
    struct str name = json_str(key), text;

    if (check_is_text(c, STR("labels"), value, &text))
        return metric_label(b, name, text);
    c->fault.field = check_path(c, "labels", name);
    return false;
}

static bool labels_take(struct metric_build *b, yyjson_val *v)
{
    size_t i, n;
    yyjson_val *key, *value;

    if (!v)
        return true;
    if (!check_object(b->check, STR("labels"), v))
        return false;
    yyjson_obj_foreach(v, i, n, key, value)
    {
        if (!label_take(b, key, value))
            return false;
    }
    return true;
}

static bool label_stands(const struct metric_build *b, struct str name)
{
    for (size_t i = 0; i < b->count; i++)
        if (str_eq(b->labels[i].name, name))
            return true;
    return false;
}

bool metric_json_parse(struct check *c, yyjson_val *v, struct record *out)
{
    yyjson_val *found[MEMBER_COUNT];
    struct metric_build b;
    struct str name, source;
    double value = 0;
    int64_t time_us;

    if (!check_object(c, (struct str){0}, v))
        return false;
    check_members(v, members, MEMBER_COUNT, found);
    if (!check_is_text(c, STR("name"), found[NAME], &name) ||
        !value_take(c, found[VALUE], &value) ||
        !check_text_opt(c, STR("source"), found[SOURCE], CHECK_LABEL_VALUE_MAX,
                        &source) ||
        !check_time(c, STR("timestamp"), found[TIMESTAMP], found[TIME],
                    &time_us))
        return false;
    metric_begin(&b, c, yyjson_get_len(found[LABELS]) + 1);
    b.utf8 = true; /* the JSON reader saw to it */
    if (!labels_take(&b, found[LABELS]))
        return false;
    bool as_label = source.p && !label_stands(&b, STR("source"));
    if ((as_label && !metric_label(&b, STR("source"), source)) ||
        !metric_finish(&b, name, value, time_us, out))
        return false;
    if (!as_label) /* says more than the label, or nothing */
        out->metric.source = source;
    return true;
}
