/* SPDX-License-Identifier: Apache-2.0 */
#include "common/conf_value.h"

#include <assert.h>

#include "common/duration.h"

static bool parse_bool(struct str s, bool *out)
{
    static const char *const yes[] = {"on", "true", "yes", "1"};
    static const char *const no[] = {"off", "false", "no", "0"};
    for (size_t i = 0; i < ARRAY_LEN(yes); i++) {
        if (str_eq_nocase(s, str_of(yes[i]))) {
            *out = true;
            return true;
        }
        if (str_eq_nocase(s, str_of(no[i]))) {
            *out = false;
            return true;
        }
    }
    return false;
}

static const struct {
    char letter;
    int64_t bytes;
} units[] = {{'g', INT64_C(1) << 30}, {'m', 1 << 20}, {'k', 1 << 10}};

static bool parse_bytes(struct str s, int64_t *out)
{
    int64_t unit = 1, number;
    for (size_t i = 0; i < ARRAY_LEN(units) && s.n > 0; i++)
        if ((s.p[s.n - 1] | 0x20) == units[i].letter) {
            unit = units[i].bytes;
            s.n--;
            break;
        }
    return str_to_i64(s, &number) && number >= 0 &&
           !__builtin_mul_overflow(number, unit, out);
}

static bool is_choice(const char *choices, struct str s)
{
    struct str rest = str_of(choices), choice;
    while (str_next(&rest, '|', &choice))
        if (str_eq(choice, s))
            return true;
    return false;
}

bool conf_value_is_text(enum conf_type type)
{
    return type == CONF_TEXT || type == CONF_SECRET || type == CONF_CHOICE;
}

/* The type only, not the range; *number is the value as a number. */
static bool parse(const struct conf_item *item, const char *text, void *field,
                  double *number)
{
    struct str s = str_of(text);
    int64_t *whole = field;
    bool good = false;
    *number = 0;
    switch (item->type) {
    case CONF_TEXT:
    case CONF_SECRET:
        *(const char **)field = text;
        return true;
    case CONF_CHOICE:
        *(const char **)field = text;
        return is_choice(item->choices, s);
    case CONF_BOOL:
        return parse_bool(s, field);
    case CONF_REAL:
        return str_to_double(s, field) && (*number = *(double *)field, true);
    case CONF_INT:
        good = str_to_i64(s, whole);
        break;
    case CONF_DURATION:
        good = duration_parse(s, whole);
        break;
    case CONF_BYTES:
        good = parse_bytes(s, whole);
        break;
    }
    if (good)
        *number = (double)*whole;
    return good;
}

static bool has_range(const struct conf_item *item)
{
    return item->min != 0 || item->max != 0;
}

bool conf_value_parse(const struct conf_item *item, const char *text,
                      void *field, struct err *err)
{
    double number;
    bool good = parse(item, text, field, &number);
    if (good && has_range(item))
        good = number >= item->min && number <= item->max;
    if (good)
        return true;
    AUTO_RELEASE(buf) allowed = {0};
    conf_value_describe(item, &allowed);
    err_set(err, ERR_INPUT, "%s: \"%s\" is not allowed: %s", item->name, text,
            allowed.p);
    return false;
}

/* --- in words ------------------------------------------------------------ */

static void add_bytes(struct buf *out, int64_t bytes)
{
    for (size_t i = 0; i < ARRAY_LEN(units); i++)
        if (bytes > 0 && bytes % units[i].bytes == 0) {
            buf_addf(out, "%lld%c", (long long)(bytes / units[i].bytes),
                     units[i].letter);
            return;
        }
    buf_addf(out, "%lld", (long long)bytes);
}

static void add_limit(struct buf *out, enum conf_type type, double limit)
{
    char text[DURATION_MAX];
    if (type == CONF_DURATION)
        buf_add_text(out, duration_format((int64_t)limit, text));
    else if (type == CONF_BYTES)
        add_bytes(out, (int64_t)limit);
    else if (type == CONF_INT)
        buf_addf(out, "%lld", (long long)limit);
    else
        buf_addf(out, "%.15g", limit);
}

static void add_choices(struct buf *out, const char *choices)
{
    struct str rest = str_of(choices), choice;
    buf_add_text(out, "one of");
    while (str_next(&rest, '|', &choice))
        buf_addf(out, " %.*s%s", STR_ARG(choice), rest.p == NULL ? "" : ",");
}

static const char *type_words(enum conf_type type, bool ranged)
{
    switch (type) {
    case CONF_TEXT:
        return "text";
    case CONF_SECRET:
        return "secret";
    case CONF_BOOL:
        return "on or off";
    case CONF_INT:
        return "whole number";
    case CONF_REAL:
        return "number";
    case CONF_DURATION:
        return ranged ? "duration" : "duration such as 250ms, 10s, 5m, 2h, 7d";
    case CONF_BYTES:
        return ranged ? "bytes" : "bytes such as 4096, 64k, 8m, 1g";
    case CONF_CHOICE:
        break;
    }
    return "";
}

void conf_value_describe(const struct conf_item *item, struct buf *out)
{
    if (item->type == CONF_CHOICE) {
        add_choices(out, item->choices);
        return;
    }
    buf_add_text(out, type_words(item->type, has_range(item)));
    if (!has_range(item))
        return;
    buf_add_text(out, ", ");
    add_limit(out, item->type, item->min);
    buf_add_text(out, " to ");
    add_limit(out, item->type, item->max);
}
