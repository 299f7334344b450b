/* SPDX-License-Identifier: Apache-2.0 */
/* Foreign lines: what is taken can be stored, what is not says why, and read
 * alone, as a dead letter keeps it, says so again. */
#include <stdlib.h>
#include <string.h>

#include "common/pulse/endpoint.h"

#define NOW_US INT64_C(1767225600000000)

static struct arena *arena;
static struct record_codec *codec;
static struct buf message;

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check(bool good)
{
    if (!good)
        abort();
}

static const struct check_rules rules = {.past_us =
                                             7 * 86400 * INT64_C(1000000),
                                         .future_us = 600 * INT64_C(1000000),
                                         .labels_max = 8,
                                         .fields_max = 24};

static struct check check_new(const struct caller *caller)
{
    return (struct check){.arena = arena,
                          .rules = &rules,
                          .caller = caller,
                          .received_us = NOW_US};
}

static void good_unit(struct unit *u)
{
    if (*record_time(&u->record) == CHECK_NO_TIME)
        *record_time(&u->record) = NOW_US;
    buf_reset(&message);
    check(record_encode(codec, &u->record, &message, NULL));
}

static void bad_unit(struct body *b, const struct unit *u)
{
    struct fault fault = b->check->fault;
    struct check again = check_new(b->check->caller);
    struct posted kept = {.text = body_text(b, u),
                          .content_type = body_text_type(b),
                          .strict = b->posted.strict};
    struct body letter;
    struct unit first;

    check(fault.code != FAULT_NONE && fault.message.n > 0);
    check(!u->device_id.p ||
          (u->device_id.n > 0 && !str_has_nul(u->device_id) &&
           str_utf8_valid(u->device_id)));
    check(body_open(&letter, b->kind, &again, &kept));
    check(body_next(&letter, &first) && !first.good);
    check(again.fault.code == fault.code);
}

static void body_check(struct body *b)
{
    struct unit u;
    size_t units = 0, records = 0, line = 0;

    while (body_next(b, &u)) {
        check(u.index == units || u.index + 1 == units);
        check(u.line >= line);
        units = u.index + 1;
        line = u.line;
        if (u.good) {
            check(++records <= b->records_max);
            good_unit(&u);
        } else {
            bad_unit(b, &u);
        }
    }
}

/* The first byte says how the rest was posted. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const struct str precisions[] = {
        {"", 0}, {"us", 2}, {"s", 1}, {"h", 1}};
    unsigned how = size > 0 ? data[0] : 0;
    struct caller caller = {.tenant_id = STR("t"), .key_id = STR("k")};
    struct posted posted = {.text = {(const char *)data, size},
                            .precision = precisions[how & 3],
                            .strict = how & 4};
    struct body b;

    if (!arena) {
        arena = arena_new(65536);
        codec = record_codec_new(NULL);
    }
    arena_reset(arena);
    if (size > 0)
        posted.text = (struct str){(const char *)data + 1, size - 1};
    if (how & 8)
        posted.device_tag = STR("d");
    if (how & 16)
        caller.device_id = STR("d1");
    struct check c = check_new(&caller);
    check(body_open(&b, endpoint_find(STR("/write")), &c, &posted));
    body_check(&b);
    return 0;
}
