/* SPDX-License-Identifier: Apache-2.0 */
#include "common/pulse/check.h"

#include <math.h>
#include <string.h>

#include "common/timestamp.h"

#define FAIL(c, code, field, ...) \
    fault_set(&(c)->fault, (c)->arena, code, field, __VA_ARGS__)

/* Field names in answers are cut here, so that a hostile key stays short. */
enum { PATH_NAME_MAX = 64 };

bool check_object(struct check *c, struct str field, yyjson_val *v)
{
    struct str key;

    if (!yyjson_is_obj(v))
        return FAIL(c, FAULT_WRONG_TYPE, field, "must be a JSON object");
    if (json_duplicate(v, &key))
        return FAIL(c, FAULT_DUPLICATE_KEY, check_path(c, NULL, key),
                    "appears twice in one object");
    return true;
}

void check_members(yyjson_val *object, const struct str *names, size_t count,
                   yyjson_val **found)
{
    size_t i, n;
    yyjson_val *key, *value;

    memset(found, 0, count * sizeof *found);
    yyjson_obj_foreach(object, i, n, key, value)
    {
        struct str name = json_str(key);
        for (size_t at = 0; at < count; at++)
            if (str_eq(name, names[at])) {
                found[at] = yyjson_is_null(value) ? NULL : value;
                break;
            }
    }
}

bool check_slice(struct check *c, struct str field, struct str s, size_t max)
{
    if (s.n == 0)
        return FAIL(c, FAULT_EMPTY_TEXT, field, "must not be empty");
    if (s.n > max)
        return FAIL(c, FAULT_TEXT_TOO_LONG, field,
                    "is %zu bytes long, at most %zu are allowed", s.n, max);
    if (str_has_nul(s))
        return FAIL(c, FAULT_NUL_CHARACTER, field,
                    "must not hold a NUL character");
    return true;
}

bool check_is_text(struct check *c, struct str field, yyjson_val *v,
                   struct str *out)
{
    if (!v)
        return FAIL(c, FAULT_MISSING_FIELD, field, "is required");
    if (!yyjson_is_str(v))
        return FAIL(c, FAULT_WRONG_TYPE, field, "must be text");
    *out = json_str(v);
    return true;
}

bool check_text(struct check *c, struct str field, yyjson_val *v, size_t max,
                struct str *out)
{
    return check_is_text(c, field, v, out) && check_slice(c, field, *out, max);
}

bool check_text_opt(struct check *c, struct str field, yyjson_val *v,
                    size_t max, struct str *out)
{
    if (v)
        return check_text(c, field, v, max, out);
    *out = (struct str){0};
    return true;
}

static bool time_read(yyjson_val *v, int64_t *us)
{
    if (yyjson_is_str(v))
        return timestamp_parse(json_str(v), us);
    if (yyjson_is_uint(v))
        return yyjson_get_uint(v) <= INT64_MAX &&
               timestamp_from_epoch((int64_t)yyjson_get_uint(v), us);
    if (yyjson_is_real(v))
        return timestamp_from_epoch_real(yyjson_get_real(v), us);
    return false; /* negative integers too: before 1970 */
}

bool check_time(struct check *c, struct str field, yyjson_val *v,
                yyjson_val *alias, int64_t *us)
{
    *us = CHECK_NO_TIME;
    if (!v && !alias)
        return true;
    if (v && alias)
        return FAIL(c, FAULT_INVALID_TIME, field,
                    "time and timestamp are the same thing: send one");
    if (!time_read(v ? v : alias, us))
        return FAIL(c, FAULT_INVALID_TIME, field,
                    "must be RFC 3339 with Z or offset, or an epoch number "
                    "(s, ms, us or ns)");
    return check_window(c, field, *us);
}

bool check_window(struct check *c, struct str field, int64_t us)
{
    if (us == CHECK_NO_TIME)
        return true;
    if (us < c->received_us - c->rules->past_us)
        return FAIL(c, FAULT_TIME_TOO_OLD, field,
                    "is more than %lld s before now",
                    (long long)(c->rules->past_us / 1000000));
    if (us > c->received_us + c->rules->future_us)
        return FAIL(c, FAULT_TIME_TOO_NEW, field, "is more than %lld s ahead",
                    (long long)(c->rules->future_us / 1000000));
    return true;
}

bool check_finite(struct check *c, struct str field, double value)
{
    return isfinite(value) ||
           FAIL(c, FAULT_NOT_FINITE, field, "must be a finite number");
}

bool check_utf8(struct check *c, struct str field, struct str s)
{
    return str_utf8_valid(s) ||
           FAIL(c, FAULT_INVALID_UTF8, field, "is not UTF-8");
}

bool check_device(struct check *c, struct str field, struct str given,
                  struct str *out)
{
    struct str own = c->caller->device_id;

    *out = given.p ? given : own;
    if (own.p && given.p && !str_eq(own, given))
        return FAIL(c, FAULT_DEVICE_MISMATCH, field,
                    "the key may write for its own device only");
    return true;
}

static size_t bound(size_t tenants, size_t stores)
{
    return tenants > 0 && tenants < stores ? tenants : stores;
}

bool check_name(struct check *c, struct str field, struct str name)
{
    return check_slice(c, field, name,
                       bound(c->rules->name_max, CHECK_NAME_MAX));
}

bool check_label(struct check *c, const struct label *label)
{
    struct str field = STR("labels");

    if (check_slice(c, field, label->name,
                    bound(c->rules->label_name_max, CHECK_LABEL_NAME_MAX)) &&
        check_slice(c, field, label->value,
                    bound(c->rules->label_value_max, CHECK_LABEL_VALUE_MAX)))
        return true;
    c->fault.field = check_path(c, "labels", label->name);
    return false;
}

bool check_reading(struct check *c, const struct field *reading)
{
    struct str field = STR("metrics");
    bool good = check_name(c, field, reading->name);

    if (reading->type == FIELD_TEXT)
        good = good && (reading->text.n == 0 ||
                        check_slice(c, field, reading->text, CHECK_TEXT_MAX));
    else if (reading->type == FIELD_REAL)
        good = good && check_finite(c, field, reading->real);
    if (!good)
        c->fault.field = check_path(c, "metrics", reading->name);
    return good;
}

static bool label_device(struct check *c, struct label *labels, size_t *count)
{
    struct str own = c->caller->device_id, id;

    if (!own.p)
        return true;
    for (size_t i = 0; i < *count; i++)
        if (str_is(labels[i].name, "device_id"))
            return check_device(c, STR("labels.device_id"), labels[i].value,
                                &id);
    labels[(*count)++] = (struct label){STR("device_id"), own};
    return true;
}

bool check_labels(struct check *c, struct label *labels, size_t *count)
{
    if (!label_device(c, labels, count))
        return false;
    if (*count > c->rules->labels_max)
        return FAIL(c, FAULT_TOO_MANY_LABELS, STR("labels"),
                    "has %zu labels, at most %zu allowed", *count,
                    c->rules->labels_max);
    return labels_sort(labels, *count) ||
           FAIL(c, FAULT_DUPLICATE_KEY, STR("labels"), "names a label twice");
}

static bool tree_object(struct check *c, struct str field, yyjson_val *object)
{
    size_t i, n;
    yyjson_val *key, *value;

    if (!check_object(c, field, object))
        return false;
    yyjson_obj_foreach(object, i, n, key, value)
    {
        if (str_has_nul(json_str(key)))
            return FAIL(c, FAULT_NUL_CHARACTER, field,
                        "must not hold a NUL character in a name");
        if (!check_tree(c, field, value))
            return false;
    }
    return true;
}

bool check_tree(struct check *c, struct str field, yyjson_val *v)
{
    size_t i, n;
    yyjson_val *item;

    if (yyjson_is_str(v) && str_has_nul(json_str(v)))
        return FAIL(c, FAULT_NUL_CHARACTER, field,
                    "must not hold a NUL character");
    if (yyjson_is_obj(v))
        return tree_object(c, field, v);
    yyjson_arr_foreach(v, i, n, item)
    {
        if (!check_tree(c, field, item))
            return false;
    }
    return true;
}

/* It goes into answers and dead letters, which are text, whatever the name. */
static struct str path_name(struct arena *a, struct str name)
{
    if (name.n > PATH_NAME_MAX)
        for (name.n = PATH_NAME_MAX;
             name.n > 0 && (name.p[name.n] & 0xc0) == 0x80; name.n--)
            ; /* not inside a UTF-8 sequence */
    if (str_is_text(name))
        return name;
    char *plain = arena_alloc(a, name.n);
    for (size_t i = 0; i < name.n; i++)
        plain[i] = (char)(name.p[i] > 0 && name.p[i] < 0x7f ? name.p[i] : '?');
    return (struct str){plain, name.n};
}

struct str check_path(struct check *c, const char *parent, struct str name)
{
    name = path_name(c->arena, name);
    if (!parent)
        return arena_str(c->arena, name);
    return arena_printf(c->arena, "%s.%.*s", parent, STR_ARG(name));
}
