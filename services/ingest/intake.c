/* SPDX-License-Identifier: Apache-2.0 */
#include "services/ingest/intake.h"

#include <string.h>

void intake_release(struct intake *in)
{
    rejects_release(&in->rejects);
}

static void intake_reject(struct intake *in, const struct unit *u,
                          struct str payload)
{
    struct str device = u->device_id;

    rejects_add(
        &in->rejects,
        &(struct reject){
            .index = u->index,
            .line = u->line,
            .fault = in->check.fault,
            .payload = payload,
            .device_id = device.n > 0 ? device : in->check.caller->device_id,
        });
}

static bool record_take(struct intake *in, struct record *record,
                        struct stamp *stamp)
{
    struct parcel *p = &in->worker->parcels[record_topic(record->kind)];
    struct err err = {0};
    struct str key = parcel_key(p, record);

    if (*record_time(record) == CHECK_NO_TIME)
        *record_time(record) = stamp_next(stamp, key);
    return parcel_add(p, in->worker->codec, record,
                      in->shared->message_bytes_max, &err) ||
           fault_set(&in->check.fault, in->check.arena, FAULT_RECORD_TOO_LARGE,
                     (struct str){0}, "%s", err.text);
}

/* A unit is taken whole or not at all: where things stood before it. */
struct mark {
    size_t index;
    size_t records, counts[TOPIC_COUNT];
    bool rejected;
};

static void mark_set(struct mark *m, const struct intake *in, size_t index)
{
    *m = (struct mark){.index = index, .records = in->records};
    for (int i = 0; i < TOPIC_COUNT; i++)
        m->counts[i] = in->worker->parcels[i].count;
}

static void unit_reject(struct intake *in, struct mark *m, const struct unit *u,
                        struct str payload)
{
    for (int i = 0; i < TOPIC_COUNT; i++)
        parcel_cut(&in->worker->parcels[i], m->counts[i]);
    in->records = m->records;
    m->rejected = true;
    intake_reject(in, u, payload);
}

static void units_take(struct intake *in, struct body *body)
{
    struct unit u;
    struct mark mark = {.index = SIZE_MAX};
    AUTO_RELEASE(stamp) stamp;

    stamp_init(&stamp, in->shared->stamps, in->check.received_us,
               body->records_max);
    while (!in->too_many && !in->too_heavy && body_next(body, &u)) {
        in->units = u.index + 1;
        if (u.index != mark.index)
            mark_set(&mark, in, u.index);
        else if (mark.rejected)
            continue; /* it was judged by an earlier record */
        if (u.good && record_take(in, &u.record, &stamp))
            in->records++;
        else
            unit_reject(in, &mark, &u, body_text(body, &u));
        in->too_many =
            in->records > in->records_max || in->units > in->records_max;
        /* Labels that records share make a large request of a small body. */
        in->too_heavy = worker_bytes(in->worker) > in->shared->bytes_max;
    }
}

/* Takes the content coding off. */
static bool text_open(struct intake *in, struct str *text)
{
    struct worker *w = in->worker;
    struct err err = {0};

    switch (packed_open(&in->shared->packed, in->request, w->unpacker,
                        &w->unpacked, text, &err)) {
    case UNPACKED:
        return true;
    case UNPACK_TOO_LARGE:
        in->too_large = true;
        return false;
    case UNPACK_BROKEN:
        break;
    }
    return fault_set(&in->check.fault, in->check.arena,
                     FAULT_MALFORMED_ENCODING, STR("body"), "%s", err.text);
}

void intake_read(struct intake *in, struct posted *posted)
{
    struct body body;

    in->type = posted->content_type;
    bool open = text_open(in, &posted->text) &&
                body_open(&body, in->kind, &in->check, posted);
    if (in->too_large)
        return;
    if (!open) {
        in->unread = true;
        in->units = 1;
        intake_reject(in, &(struct unit){0}, posted->text);
        return;
    }
    in->type = body_text_type(&body);
    units_take(in, &body);
    memcpy(in->skipped, body.skipped, sizeof in->skipped);
    if (!in->strict || in->rejects.count == 0)
        return;
    in->records = 0;
    for (int i = 0; i < TOPIC_COUNT; i++)
        parcel_reset(&in->worker->parcels[i]);
}
