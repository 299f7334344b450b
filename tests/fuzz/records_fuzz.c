/* SPDX-License-Identifier: Apache-2.0 */
/* Foreign JSON records: what is taken can be stored and comes back from Kafka
 * the same, what is not says why and leaves its text. The first byte says how
 * the rest was posted. */
#include <stdlib.h>

#include "common/pulse/endpoint.h"

#define NOW_US INT64_C(1767225600000000)

static struct arena *arena;
static struct record_codec *codec;

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check(bool good)
{
    if (!good)
        abort();
}

/* Sent, read again and sent on, it has the same bytes. */
static void good_unit(struct unit *u)
{
    AUTO_RELEASE(buf) once = {0}, twice = {0};
    struct record again;

    if (*record_time(&u->record) == CHECK_NO_TIME)
        *record_time(&u->record) = NOW_US;
    check(record_encode(codec, &u->record, &once, NULL));
    check(record_decode(codec, buf_str(&once), arena, &again, NULL));
    check(again.kind == u->record.kind);
    check(record_encode(codec, &again, &twice, NULL));
    check(str_eq(buf_str(&once), buf_str(&twice)));
}

static void bad_unit(const struct body *b, const struct unit *u)
{
    const struct fault *fault = &b->check->fault;

    check(fault->code != FAULT_NONE && fault->message.n > 0);
    check(str_utf8_valid(fault->message) && str_utf8_valid(fault->field));
    check(u->device_id.n == 0 || !str_has_nul(u->device_id));
    check(body_text(b, u).n > 0 && body_text_type(b).n > 0);
}

static void body_check(struct body *b)
{
    struct unit u;
    size_t units = 0;

    for (; body_next(b, &u); units++) {
        check(u.index == units);
        if (u.good)
            good_unit(&u);
        else
            bad_unit(b, &u);
    }
    check(units == b->records_max);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const char *const paths[] = {"/api/v1/metrics/ingest",
                                        "/api/v1/metrics/ingest/batch",
                                        "/api/v1/telemetry", "/api/v1/events"};
    static const struct check_rules rules = {.past_us = INT64_C(1) << 52,
                                             .future_us = INT64_C(1) << 52,
                                             .labels_max = 8,
                                             .fields_max = 8};
    if (size == 0)
        return 0;
    if (!arena) {
        arena = arena_new(65536);
        codec = record_codec_new(NULL);
    }
    arena_reset(arena);
    const struct caller caller = {
        .tenant_id = STR("t"),
        .key_id = STR("k"),
        .device_id = {data[0] & 8 ? "d1" : NULL, data[0] & 8 ? 2 : 0}};
    struct check c = {.arena = arena,
                      .rules = &rules,
                      .caller = &caller,
                      .received_us = NOW_US,
                      .event_id = STR("e")};
    const struct posted posted = {
        .text = {(const char *)data + 1, size - 1},
        .content_type = str_of(data[0] & 4 ? "application/x-ndjson" : "")};
    struct body b;

    if (body_open(&b, endpoint_find(str_of(paths[data[0] & 3])), &c, &posted))
        body_check(&b);
    else
        check(c.fault.code != FAULT_NONE && c.fault.message.n > 0);
    return 0;
}
