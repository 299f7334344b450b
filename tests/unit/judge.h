/* SPDX-License-Identifier: Apache-2.0 */
/* judge.h - tables of JSON records and what the edge says of them. */
#ifndef TEST_JUDGE_H
#define TEST_JUDGE_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>

#include <cmocka.h>

#include <stdio.h>
#include <string.h>

#include "common/pulse/check.h"
#include "common/pulse/record.h"

#define NOW_US INT64_C(1767225600000000) /* 2026-01-01T00:00:00Z */

typedef bool judge_parse(struct check *c, yyjson_val *v, struct record *out);

struct judge {
    struct arena *arena;
    struct check_rules rules;
    struct caller caller;
    struct check check;
};

static inline struct judge *judge_new(const char *device_id)
{
    struct judge *j = xcalloc(1, sizeof *j);

    j->arena = arena_new(4096);
    j->rules = (struct check_rules){.past_us = 7 * 86400 * INT64_C(1000000),
                                    .future_us = 600 * INT64_C(1000000),
                                    .labels_max = 4,
                                    .fields_max = 4};
    j->caller = (struct caller){.tenant_id = STR("acme"),
                                .key_id = STR("k1"),
                                .device_id = str_of(device_id)};
    if (!device_id)
        j->caller.device_id.p = NULL;
    return j;
}

static inline void judge_free(struct judge *j)
{
    arena_free(j->arena);
    free(j);
}
DEFINE_AUTO(judge)

static inline void judge_begin(struct judge *j)
{
    j->check = (struct check){.arena = j->arena,
                              .rules = &j->rules,
                              .caller = &j->caller,
                              .received_us = NOW_US};
}

/* The code the record gets; "none" when it is good. */
static inline const char *judge_code(struct judge *j, judge_parse *parse,
                                     struct str json, struct record *out)
{
    struct err err = {0};
    yyjson_doc *doc = json_parse(j->arena, json, &err);

    if (!doc)
        fail_msg("%.*s: %s", STR_ARG(json), err.text);
    judge_begin(j);
    bool good = parse(&j->check, yyjson_doc_get_root(doc), out);
    assert_int_equal(good, j->check.fault.code == FAULT_NONE);
    return fault_name(j->check.fault.code);
}

struct judge_case {
    const char *json, *code, *field;
};

static inline void judge_all(judge_parse *parse, const char *device_id,
                             const struct judge_case *cases, size_t count)
{
    AUTO(judge) j = judge_new(device_id);
    struct record record;

    for (size_t i = 0; i < count; i++) {
        const char *code = judge_code(j, parse, str_of(cases[i].json), &record);
        if (strcmp(code, cases[i].code) != 0)
            fail_msg("%s: %s, not %s", cases[i].json, code, cases[i].code);
        if (cases[i].field && !str_is(j->check.fault.field, cases[i].field))
            fail_msg("%s: field %.*s, not %s", cases[i].json,
                     STR_ARG(j->check.fault.field), cases[i].field);
    }
}

static inline void assert_str(struct str s, const char *text)
{
    if (!str_is(s, text))
        fail_msg("\"%.*s\" is not \"%s\"", STR_ARG(s), text);
}

/* prefix, count times c, suffix; in j's arena. */
static inline struct str judge_long(struct judge *j, const char *prefix,
                                    size_t count, char c, const char *suffix)
{
    size_t a = strlen(prefix), b = strlen(suffix);
    char *p = arena_alloc(j->arena, a + count + b);

    memcpy(p, prefix, a);
    memset(p + a, c, count);
    memcpy(p + a + count, suffix, b);
    return (struct str){p, a + count + b};
}

#endif
