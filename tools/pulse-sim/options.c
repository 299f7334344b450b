/* SPDX-License-Identifier: Apache-2.0 */
#include "tools/pulse-sim/options.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/duration.h"

static bool count_parse(struct str s, int64_t *out)
{
    return str_to_i64(s, out) && *out >= 0;
}

static bool duration_or_zero(struct str s, int64_t *out)
{
    if (str_is(s, "0")) {
        *out = 0;
        return true;
    }
    return duration_parse(s, out);
}

static bool item_set(const struct option_item *item, const char *text)
{
    double *real = item->into;

    switch (item->type) {
    case OPTION_TEXT:
        *(const char **)item->into = text;
        return true;
    case OPTION_COUNT:
        return count_parse(str_of(text), item->into);
    case OPTION_REAL:
        return str_to_double(str_of(text), real) && *real >= 0;
    case OPTION_DURATION:
        return duration_or_zero(str_of(text), item->into);
    case OPTION_FLAG:
        *(bool *)item->into = true;
        return true;
    }
    return false;
}

static const char *type_wants(enum option_type type)
{
    switch (type) {
    case OPTION_COUNT:
        return "a whole number, 0 or more";
    case OPTION_REAL:
        return "a number, 0 or more";
    case OPTION_DURATION:
        return "a time such as 250ms, 10s, 5m, 2h";
    case OPTION_TEXT:
    case OPTION_FLAG:
        break;
    }
    return "a value";
}

static bool defaults_set(const struct option_item *items, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        const char *env = items[i].env ? getenv(items[i].env) : NULL;
        const char *text = env && *env ? env : items[i].fallback;
        if (text && !item_set(&items[i], text)) {
            fprintf(stderr, "pulse-sim: %s: \"%s\" is not %s\n",
                    env ? items[i].env : items[i].name, text,
                    type_wants(items[i].type));
            return false;
        }
    }
    return true;
}

static void help_print(const struct option_item *items, size_t count,
                       const char *usage)
{
    printf("%s\nOptions:\n", usage);
    for (size_t i = 0; i < count; i++) {
        const struct option_item *o = &items[i];
        printf("  --%-12s %s", o->name, o->help);
        if (o->env)
            printf(" [$%s]", o->env);
        if (o->fallback)
            printf(" (%s)", o->fallback);
        putchar('\n');
    }
    printf("  --%-12s %s\n", "help", "This text.");
}

static const struct option_item *item_find(const struct option_item *items,
                                           size_t count, const char *name)
{
    for (size_t i = 0; i < count; i++)
        if (strcmp(items[i].name, name) == 0)
            return &items[i];
    return NULL;
}

/* Takes argv[*at] and its value; false after one line on stderr. */
static bool option_take(const struct option_item *items, size_t count, int argc,
                        char **argv, int *at)
{
    const char *name = argv[*at];
    const struct option_item *item =
        strncmp(name, "--", 2) == 0 ? item_find(items, count, name + 2) : NULL;
    const char *value = "";

    if (!item) {
        fprintf(stderr, "pulse-sim: unknown option \"%s\" (--help)\n", name);
        return false;
    }
    if (item->type != OPTION_FLAG) {
        if (*at + 1 == argc) {
            fprintf(stderr, "pulse-sim: %s needs %s\n", name,
                    type_wants(item->type));
            return false;
        }
        value = argv[++*at];
    }
    if (item_set(item, value))
        return true;
    fprintf(stderr, "pulse-sim: %s: \"%s\" is not %s\n", name, value,
            type_wants(item->type));
    return false;
}

int options_parse(const struct option_item *items, size_t count,
                  const char *usage, int argc, char **argv)
{
    if (!defaults_set(items, count))
        return 2;
    for (int i = 1; i < argc; i++) {
        if (strcmp(argv[i], "--help") == 0) {
            help_print(items, count, usage);
            return 0;
        }
        if (!option_take(items, count, argc, argv, &i))
            return 2;
    }
    return -1;
}
