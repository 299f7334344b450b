/* SPDX-License-Identifier: Apache-2.0 */
#include "common/pulse/rule.h"

#include <math.h>

#include "common/duration.h"
#include "common/json.h"

/* Longest span a rule may name: a typing error of "7000d" should not wrap. */
static const int64_t span_max_us = INT64_C(31) * 86400 * 1000000;

static const char *const operator_texts[] = {
    [RULE_GT] = ">",  [RULE_GE] = ">=", [RULE_LT] = "<",
    [RULE_LE] = "<=", [RULE_EQ] = "==", [RULE_NE] = "!=",
};

const char *rule_operator_text(enum rule_operator op)
{
    return operator_texts[op];
}

/* "30s", "5m", or a number of seconds. */
static bool span_parse(yyjson_val *v, int64_t *us)
{
    int64_t ms;
    double number;
    if (yyjson_is_num(v))
        number = yyjson_get_num(v) * 1e6;
    else if (duration_parse(json_str(v), &ms))
        number = (double)ms * 1e3;
    else
        return false;
    if (!(number >= 0 && number <= (double)span_max_us))
        return false;
    *us = (int64_t)number;
    return true;
}

static bool bad(struct err *err, const char *key, const char *what)
{
    err_set(err, ERR_INPUT, "condition.%s: %s", key, what);
    return false;
}

static bool set_span(int64_t *us, const char *key, yyjson_val *v,
                     struct err *err)
{
    return span_parse(v, us) ||
           bad(err, key, "not a duration such as \"30s\" (0 to 31d)");
}

static bool set_for(struct rule *r, yyjson_val *v, struct err *err)
{
    return set_span(&r->for_us, "for", v, err);
}

static bool set_lateness(struct rule *r, yyjson_val *v, struct err *err)
{
    int64_t most = r->lateness_us; /* the setting; replay covers no more */
    if (!set_span(&r->lateness_us, "lateness", v, err))
        return false;
    return r->lateness_us <= most ||
           bad(err, "lateness", "longer than PULSE_ALERT_LATENESS");
}

static bool set_operator(struct rule *r, yyjson_val *v, struct err *err)
{
    for (size_t i = 0; i < ARRAY_LEN(operator_texts); i++) {
        if (str_is(json_str(v), operator_texts[i])) {
            r->op = (enum rule_operator)i;
            return true;
        }
    }
    return bad(err, "operator", "not one of > >= < <= == !=");
}

static bool set_aggregation(struct rule *r, yyjson_val *v, struct err *err)
{
    (void)r;
    return str_is(json_str(v), "last") ||
           bad(err, "aggregation", "only \"last\" is supported");
}

/* A window bounds the age of the last value, and that is decided when it
 * arrives: any length means the same. */
static bool set_window(struct rule *r, yyjson_val *v, struct err *err)
{
    (void)r;
    int64_t unused;
    return set_span(&unused, "window", v, err);
}

static bool set_keep_firing(struct rule *r, yyjson_val *v, struct err *err)
{
    (void)r;
    int64_t us;
    if (!set_span(&us, "keep_firing", v, err))
        return false;
    return us == 0 || bad(err, "keep_firing", "not supported, only 0");
}

static bool set_min_samples(struct rule *r, yyjson_val *v, struct err *err)
{
    (void)r;
    return (yyjson_is_int(v) && yyjson_get_num(v) <= 1) ||
           bad(err, "min_samples", "not supported with \"last\", only 1");
}

/* A duration, or {"threshold": number, "for": duration}. */
static bool set_clear(struct rule *r, yyjson_val *v, struct err *err)
{
    if (!yyjson_is_obj(v))
        return set_span(&r->clear_us, "clear", v, err);
    size_t i, count;
    yyjson_val *key, *value;
    yyjson_obj_foreach(v, i, count, key, value)
    {
        if (str_is(json_str(key), "for")) {
            if (!set_span(&r->clear_us, "clear.for", value, err))
                return false;
        } else if (str_is(json_str(key), "threshold")) {
            if (!yyjson_is_num(value))
                return bad(err, "clear.threshold", "not a number");
            r->clear_threshold = yyjson_get_num(value);
        } else {
            return bad(err, "clear", "knows only \"threshold\" and \"for\"");
        }
    }
    return true;
}

static bool matcher_reserved(struct str value)
{
    return str_starts(value, STR("=~")) || str_starts(value, STR("!~")) ||
           str_starts(value, STR("!="));
}

static bool set_labels(struct rule *r, yyjson_val *v, struct err *err)
{
    if (!yyjson_is_obj(v))
        return bad(err, "labels", "not an object of label and value");
    size_t count = yyjson_obj_size(v), i, n;
    if (count > RULE_LABELS_MAX)
        return bad(err, "labels", "more than 16");
    struct label *labels = arena_zalloc(r->memory, count + 1, sizeof *labels);
    yyjson_val *key, *value;
    yyjson_obj_foreach(v, i, n, key, value)
    {
        if (!yyjson_is_str(value))
            return bad(err, "labels", "a value is not a text");
        if (matcher_reserved(json_str(value)))
            return bad(err, "labels", "only equality is supported");
        labels[i].name = arena_str(r->memory, json_str(key));
        labels[i].value = arena_str(r->memory, json_str(value));
    }
    if (!labels_sort(labels, count))
        return bad(err, "labels", "a label appears twice");
    r->labels = labels;
    r->label_count = count;
    return true;
}

static const struct {
    const char *key;
    bool (*set)(struct rule *r, yyjson_val *v, struct err *err);
} condition_keys[] = {
    {"aggregation", set_aggregation},
    {"clear", set_clear},
    {"for", set_for},
    {"keep_firing", set_keep_firing},
    {"labels", set_labels},
    {"lateness", set_lateness},
    {"min_samples", set_min_samples},
    {"operator", set_operator},
    {"window", set_window},
};

static bool set_key(struct rule *r, struct str key, yyjson_val *v,
                    struct err *err)
{
    for (size_t i = 0; i < ARRAY_LEN(condition_keys); i++) {
        if (str_is(key, condition_keys[i].key))
            return yyjson_is_null(v) || condition_keys[i].set(r, v, err);
    }
    err_set(err, ERR_INPUT, "condition.%.*s: unknown key", STR_ARG(key));
    return false;
}

static bool set_condition(struct rule *r, struct str text, struct err *err)
{
    if (text.n == 0)
        return true;
    AUTO(arena) scratch = arena_new(4096);
    yyjson_doc *doc = json_parse(scratch, text, err);
    if (!doc) {
        err_in(err, "condition");
        return false;
    }
    yyjson_val *root = yyjson_doc_get_root(doc);
    struct str twice;
    if (!yyjson_is_obj(root)) {
        err_set(err, ERR_INPUT, "condition: not an object");
        return false;
    }
    if (json_duplicate(root, &twice)) {
        err_set(err, ERR_INPUT, "condition.%.*s: twice", STR_ARG(twice));
        return false;
    }
    size_t i, count;
    yyjson_val *key, *value;
    yyjson_obj_foreach(root, i, count, key, value)
    {
        if (!set_key(r, json_str(key), value, err))
            return false;
    }
    return true;
}

static void set_channels(struct rule *r, const struct rule_row *row)
{
    struct str *names =
        arena_zalloc(r->memory, row->channel_count + 1, sizeof *names);
    for (size_t i = 0; i < row->channel_count; i++)
        names[i] = arena_str(r->memory, row->channels[i]);
    r->channels = names;
    r->channel_count = row->channel_count;
}

static bool violates(enum rule_operator op, double value, double threshold)
{
    switch (op) {
    case RULE_GT:
        return value > threshold;
    case RULE_GE:
        return value >= threshold;
    case RULE_LT:
        return value < threshold;
    case RULE_LE:
        return value <= threshold;
    case RULE_EQ:
        return value == threshold;
    case RULE_NE:
        return value != threshold;
    }
    return false;
}

enum rule_verdict rule_judge(const struct rule *r, double value)
{
    if (violates(r->op, value, r->threshold))
        return RULE_VIOLATED;
    return violates(r->op, value, r->clear_threshold) ? RULE_BETWEEN
                                                      : RULE_CLEAR;
}

/* Hysteresis has to lie on the clear side of the threshold, otherwise some
 * value would be violating and clear at once. */
static bool check_hysteresis(const struct rule *r, struct err *err)
{
    bool up = r->op == RULE_GT || r->op == RULE_GE;
    bool down = r->op == RULE_LT || r->op == RULE_LE;
    double gap = r->threshold - r->clear_threshold;
    if (gap == 0 || (up && gap > 0) || (down && gap < 0))
        return true;
    return bad(err, "clear.threshold", "not on the clear side of threshold");
}

struct rule *rule_new(const struct rule_row *row, int64_t lateness_us,
                      struct err *err)
{
    if (!row->has_threshold || !isfinite(row->threshold)) {
        err_set(err, ERR_INPUT, "threshold: missing or not finite");
        return NULL;
    }
    AUTO(arena) memory = arena_new(1024);
    struct rule *r = arena_zalloc(memory, 1, sizeof *r);
    r->memory = memory;
    r->id = arena_str(memory, row->id);
    r->tenant_id = arena_str(memory, row->tenant_id);
    r->name = arena_str(memory, row->name);
    r->severity = arena_str(memory, row->severity);
    r->metric = arena_str(memory, row->metric);
    r->version = row->version;
    r->threshold = r->clear_threshold = row->threshold;
    r->lateness_us = lateness_us;
    set_channels(r, row);
    if (!set_condition(r, row->condition, err) || !check_hysteresis(r, err))
        return NULL;
    (void)MOVE(memory);
    return r;
}

void rule_free(struct rule *r)
{
    if (r)
        arena_free(r->memory);
}

/* Binary search: labels are sorted. */
static struct str label_value(const struct label *labels, size_t n,
                              struct str name)
{
    size_t low = 0, high = n;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        int order = str_cmp(labels[middle].name, name);
        if (order == 0)
            return labels[middle].value;
        if (order < 0)
            low = middle + 1;
        else
            high = middle;
    }
    return (struct str){NULL, 0};
}

bool rule_matches(const struct rule *r, const struct label *labels, size_t n)
{
    for (size_t i = 0; i < r->label_count; i++) {
        if (!str_eq(label_value(labels, n, r->labels[i].name),
                    r->labels[i].value))
            return false;
    }
    return true;
}
