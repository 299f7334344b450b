/* SPDX-License-Identifier: Apache-2.0 */
#include "common/pulse/protocol/metric_json.h"

#include <stdlib.h>

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

static bool label_take(struct check *c, yyjson_val *key, yyjson_val *value,
                       struct label *label)
{
    label->name = json_str(key);
    if (check_slice(c, STR("labels"), label->name, CHECK_LABEL_NAME_MAX) &&
        check_text(c, STR("labels"), value, CHECK_LABEL_VALUE_MAX,
                   &label->value))
        return true;
    c->fault.field = check_path(c, "labels", label->name);
    return false;
}

/* The value of label name; NULL where there is none. */
static const struct label *label_find(const struct metric_record *m,
                                      struct str name)
{
    for (size_t i = 0; i < m->label_count; i++)
        if (str_eq(m->labels[i].name, name))
            return &m->labels[i];
    return NULL;
}

static bool labels_take(struct check *c, yyjson_val *v, struct label *labels,
                        size_t *count)
{
    size_t i, n;
    yyjson_val *key, *value;

    if (!v)
        return true;
    if (!check_object(c, STR("labels"), v))
        return false;
    yyjson_obj_foreach(v, i, n, key, value)
    {
        if (!label_take(c, key, value, &labels[(*count)++]))
            return false;
    }
    return true;
}

/* The labels that do not stand in "labels": source and the key's device. */
static bool labels_complete(struct check *c, struct metric_record *m,
                            struct label *labels)
{
    const struct label *device = label_find(m, STR("device_id"));
    struct str id;

    if (!check_device(c, STR("labels.device_id"),
                      device ? device->value : (struct str){0}, &id))
        return false;
    if (id.p && !device)
        labels[m->label_count++] = (struct label){STR("device_id"), id};
    if (m->source.p && !label_find(m, STR("source"))) {
        labels[m->label_count++] = (struct label){STR("source"), m->source};
        m->source = (struct str){0}; /* says no more than the label */
    }
    if (m->label_count > c->rules->labels_max)
        return fault_set(&c->fault, c->arena, FAULT_TOO_MANY_LABELS,
                         STR("labels"), "has %zu labels, at most %zu allowed",
                         m->label_count, c->rules->labels_max);
    return labels_sort(labels, m->label_count) ||
           fault_set(&c->fault, c->arena, FAULT_DUPLICATE_KEY, STR("labels"),
                     "names a label twice");
}

bool metric_json_parse(struct check *c, yyjson_val *v, struct record *out)
{
    yyjson_val *found[MEMBER_COUNT];

    *out = (struct record){.kind = RECORD_METRIC};
    struct metric_record *m = &out->metric;
    m->tenant_id = c->caller->tenant_id;
    m->received_at_us = c->received_us;
    if (!check_object(c, (struct str){0}, v))
        return false;
    check_members(v, members, MEMBER_COUNT, found);
    if (!check_text(c, STR("name"), found[NAME], CHECK_NAME_MAX, &m->name) ||
        !value_take(c, found[VALUE], &m->value) ||
        !check_text_opt(c, STR("source"), found[SOURCE], CHECK_LABEL_VALUE_MAX,
                        &m->source) ||
        !check_time(c, STR("timestamp"), found[TIMESTAMP], found[TIME],
                    &m->time_us))
        return false;
    size_t given = found[LABELS] ? yyjson_get_len(found[LABELS]) : 0;
    struct label *labels = arena_alloc(c->arena, (given + 2) * sizeof *labels);
    m->labels = labels;
    return labels_take(c, found[LABELS], labels, &m->label_count) &&
           labels_complete(c, m, labels);
}
