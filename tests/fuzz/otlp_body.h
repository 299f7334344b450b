/* SPDX-License-Identifier: Apache-2.0 */
/* otlp_body.h - a foreign OTLP body: what is taken can be stored, what is not
 * says why and leaves a letter that can be read. */
#ifndef FUZZ_OTLP_BODY_H
#define FUZZ_OTLP_BODY_H

#include <stdlib.h>
#include <string.h>

#include "common/pulse/endpoint.h"

#define NOW_US INT64_C(1767225600000000)

struct otlp_fuzz {
    struct arena *arena;
    struct record_codec *codec;
    struct buf message;
};

static inline void check(bool good)
{
    if (!good)
        abort();
}

static inline void fuzz_begin(struct otlp_fuzz *f)
{
    if (!f->arena) {
        f->arena = arena_new(65536);
        f->codec = record_codec_new(NULL);
    }
    arena_reset(f->arena);
}

static inline void good_unit(struct otlp_fuzz *f, struct unit *u,
                             struct buf *out)
{
    if (*record_time(&u->record) == CHECK_NO_TIME)
        *record_time(&u->record) = NOW_US;
    u->record.metric.value += 0.0; /* -0 is 0 where protobuf leaves it out */
    buf_reset(&f->message);
    check(record_encode(f->codec, &u->record, &f->message, NULL));
    buf_addf(out, "%zu ", u->index);
    record_json(&u->record, out);
}

static inline void bad_unit(struct body *b, const struct unit *u,
                            struct buf *out)
{
    const struct fault *fault = &b->check->fault;
    struct str text = body_text(b, u);

    check(fault->code != FAULT_NONE && fault->message.n > 0);
    check(str_utf8_valid(fault->message) && str_utf8_valid(u->device_id));
    check(json_parse(b->check->arena, text, NULL));
    buf_addf(out, "%zu %s", u->index, fault_name(fault->code));
}

/* What becomes of it, appended to out; device: the key is bound. False: it
 * cannot be unpacked within memory. */
static inline bool fuzz_body(struct otlp_fuzz *f, struct str text,
                             const char *type, bool device, struct buf *out)
{
    const struct check_rules rules = {.past_us = INT64_C(1) << 52,
                                      .future_us = INT64_C(1) << 52,
                                      .labels_max = 12};
    const struct caller caller = {
        .tenant_id = STR("t"),
        .key_id = STR("k"),
        .device_id = {device ? "d1" : NULL, device ? 2 : 0}};
    struct check c = {.arena = f->arena,
                      .rules = &rules,
                      .caller = &caller,
                      .received_us = NOW_US};
    const struct posted posted = {.text = text,
                                  .content_type = str_of(type),
                                  .resource_attributes = STR("*")};
    struct body b;
    struct unit u;
    size_t units = 0, records = 0;

    if (!body_open(&b, endpoint_find(STR("/v1/metrics")), &c, &posted)) {
        check(c.fault.code != FAULT_NONE && c.fault.message.n > 0);
        buf_add_text(out, fault_name(c.fault.code));
        return c.fault.code != FAULT_UNPACKED_TOO_LARGE;
    }
    while (body_next(&b, &u)) {
        check(u.index + 1 >= units && (u.good || u.index >= units));
        units = u.index + 1;
        if (u.good) {
            check(++records <= b.records_max);
            good_unit(f, &u, out);
        } else {
            bad_unit(&b, &u, out);
            if (c.fault.code == FAULT_UNPACKED_TOO_LARGE)
                return false;
        }
    }
    return true;
}

#endif
