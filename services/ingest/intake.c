/* SPDX-License-Identifier: Apache-2.0 */
#include "services/ingest/intake.h"

#include "common/http.h"

void intake_release(struct intake *in)
{
    rejects_release(&in->rejects);
}

/* The device a rejected record speaks for, as far as it can be read. */
static struct str device_of(const struct intake *in, yyjson_val *v)
{
    struct str id = json_str(yyjson_obj_get(v, "device_id"));

    if (id.n == 0 || id.n > CHECK_ID_MAX || str_has_nul(id))
        return in->check.caller->device_id;
    return id;
}

static void intake_reject(struct intake *in, size_t index, yyjson_val *v,
                          struct str payload)
{
    rejects_add(&in->rejects, &(struct reject){
                                  .index = index,
                                  .fault = in->check.fault,
                                  .payload = payload,
                                  .device_id = device_of(in, v),
                              });
}

static bool record_take(struct intake *in, yyjson_val *v, struct stamp *stamp)
{
    struct parcel *p = &in->worker->records;
    struct err err = {0};
    struct record record;

    if (!in->kind->parse(&in->check, v, &record))
        return false;
    struct str key = parcel_key(p, &record);
    if (*record_time(&record) == CHECK_NO_TIME)
        *record_time(&record) = stamp_next(stamp, key);
    return parcel_add(p, in->worker->codec, &record,
                      in->shared->message_bytes_max, &err) ||
           fault_set(&in->check.fault, in->check.arena, FAULT_RECORD_TOO_LARGE,
                     (struct str){0}, "%s", err.text);
}

static void records_take(struct intake *in, struct body *body)
{
    struct body_item item;
    AUTO_RELEASE(stamp) stamp;

    stamp_init(&stamp, in->shared->stamps, in->check.received_us, body->count);
    while (body_next(body, &item)) {
        in->check.fault = item.fault;
        if (!item.value || !record_take(in, item.value, &stamp))
            intake_reject(in, item.index, item.value,
                          body_item_text(body, &item));
    }
}

void intake_read(struct intake *in, struct str text, bool lines)
{
    struct body body;

    if (!body_open(&body, in->check.arena, text, lines, in->kind->forms,
                   &in->check.fault)) {
        in->total = 1; /* the body as a whole */
        intake_reject(in, 0, NULL, text);
        return;
    }
    in->total = body.count;
    in->too_many = body.count > in->shared->records_max;
    if (in->too_many)
        return;
    records_take(in, &body);
    if (in->strict && in->rejects.count > 0)
        parcel_reset(&in->worker->records);
}

/* Nothing was accepted: which code stands for all? The record's own, where
 * there is but one. */
static void refusal_head(const struct intake *in, struct buf *out)
{
    const struct reject *first = &in->rejects.items[0];
    const char *code = fault_name(first->fault.code);

    buf_add_text(out, "{\"error\":{\"code\":\"");
    if (in->total > 1)
        code = in->rejects.count < in->total ? "strict_rejected"
                                             : "no_record_accepted";
    buf_add_text(out, code);
    buf_add_text(out, "\",\"message\":");
    if (in->total == 1 && first->fault.field.p) {
        AUTO_RELEASE(buf) text = {0};
        buf_add_str(&text, first->fault.field);
        buf_add_char(&text, ' ');
        buf_add_str(&text, first->fault.message);
        json_add_str(out, buf_str(&text));
    } else if (in->total == 1) {
        json_add_str(out, first->fault.message);
    } else {
        buf_addf(out, "\"%zu of %zu records are bad; none was accepted\"",
                 in->rejects.count, in->total);
    }
    buf_addf(out, ",\"doc\":\"" HTTP_ERROR_DOC "%s\"", code);
}

static struct str answer_text(const struct intake *in, size_t accepted)
{
    struct buf *text = &in->worker->text;

    if (in->rejects.count == 0 && accepted == 1)
        return in->kind->brief ? STR("{\"accepted\":1}\n")
                               : STR("{\"accepted\":1,\"rejected\":[]}\n");
    buf_reset(text);
    if (accepted == 0 && in->rejects.count > 0)
        refusal_head(in, text);
    else
        buf_addf(text, "{\"accepted\":%zu", accepted);
    buf_add_text(text, ",\"rejected\":");
    rejects_json(&in->rejects, text);
    buf_add_text(text, accepted == 0 && in->rejects.count > 0 ? "}}\n" : "}\n");
    return arena_str(http_arena(in->request), buf_str(text));
}

struct answer intake_answer(const struct intake *in)
{
    size_t accepted = in->worker->records.count;

    return (struct answer){
        .status = accepted == 0 && in->rejects.count > 0 ? 400 : 202,
        .body = answer_text(in, accepted),
        .accepted = accepted,
    };
}
