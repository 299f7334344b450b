/* SPDX-License-Identifier: Apache-2.0 */
#include "tools/pulse/deadletter_text.h"

#include <inttypes.h>

#include "common/json.h"
#include "common/timestamp.h"

enum { HEX_BYTES_MAX = 1024, HEX_LINE = 32 };

bool is_printable(struct str bytes)
{
    for (size_t i = 0; i < bytes.n; i++) {
        unsigned char c = (unsigned char)bytes.p[i];
        bool blank = c == '\t' || c == '\n' || c == '\r';
        if ((c < 0x20 && !blank) || c == 0x7f)
            return false;
        /* C1 controls, in UTF-8 0xc2 0x80 to 0x9f, drive terminals too. */
        if (c == 0xc2 && i + 1 < bytes.n &&
            (unsigned char)bytes.p[i + 1] < 0xa0)
            return false;
    }
    return str_utf8_valid(bytes);
}

void payload_text(struct str bytes, struct buf *out)
{
    if (is_printable(bytes)) {
        buf_add_str(out, bytes);
        buf_add_char(out, '\n');
        return;
    }
    size_t n = bytes.n < HEX_BYTES_MAX ? bytes.n : HEX_BYTES_MAX;
    for (size_t i = 0; i < n; i++)
        buf_addf(out, "%02x%s", (unsigned)(unsigned char)bytes.p[i],
                 i + 1 == n || i % HEX_LINE == HEX_LINE - 1 ? "\n" : "");
    if (n < bytes.n)
        buf_addf(out, "… %zu bytes in all\n", bytes.n);
}

bool payload_record(struct record_codec *codec, struct arena *a,
                    struct str bytes, struct buf *out)
{
    struct record r;
    struct err err = {0};
    bool good = record_decode(codec, bytes, a, &r, &err);
    if (good)
        record_json(&r, out);
    return good;
}

void time_text(int64_t us, struct buf *out)
{
    char text[TIMESTAMP_MAX];
    if (us)
        buf_add_text(out, timestamp_format(us, text));
}

static void name_add(struct buf *out, const char *name)
{
    buf_addf(out, "%s\"%s\":", out->p[out->n - 1] == '{' ? "" : ",", name);
}

static void str_add(struct buf *out, const char *name, struct str s)
{
    name_add(out, name);
    if (s.p)
        json_add_str(out, s);
    else
        buf_add_text(out, "null");
}

static void number_add(struct buf *out, const char *name, int64_t n)
{
    name_add(out, name);
    json_add_i64(out, n);
}

static void time_add(struct buf *out, const char *name, int64_t us)
{
    name_add(out, name);
    if (us)
        json_add_time(out, us);
    else
        buf_add_text(out, "null");
}

static void place_add(struct buf *out, const struct deadletter *l)
{
    str_add(out, "topic", l->topic);
    if (!l->topic.p)
        return;
    number_add(out, "part", l->part);
    number_add(out, "offset", l->offset);
}

static void history_add(struct buf *out, const struct deadletter *l)
{
    str_add(out, "status", l->status);
    number_add(out, "redrives", l->redrives);
    time_add(out, "redriven_at", l->redriven_us);
    str_add(out, "last_error", l->last_error);
    time_add(out, "edited_at", l->edited_us);
    str_add(out, "edited_by", l->edited_by);
    if (!l->edited_us)
        return;
    name_add(out, "original_payload");
    json_add_bytes(out, l->original);
}

static void redrive_add(struct buf *out, const struct plan *plan)
{
    name_add(out, "redrive");
    buf_add_char(out, '{');
    if (plan->code) {
        str_add(out, "refused", str_of(plan->code));
        str_add(out, "why", plan->why);
    } else {
        str_add(out, "topic", plan->topic);
        number_add(out, "records", (int64_t)plan->count);
    }
    buf_add_char(out, '}');
}

void deadletter_json(const struct deadletter *l, const struct planner *p,
                     const struct plan *plan, struct buf *out)
{
    buf_add_char(out, '{');
    number_add(out, "id", l->id);
    str_add(out, "tenant_id", l->tenant);
    str_add(out, "stage", l->stage);
    str_add(out, "endpoint", l->endpoint);
    str_add(out, "key_id", l->key_id);
    str_add(out, "device_id", l->device_id);
    str_add(out, "reason", l->reason);
    str_add(out, "detail", l->detail);
    str_add(out, "content_type", l->content_type);
    place_add(out, l);
    time_add(out, "received_at", l->received_us);
    time_add(out, "failed_at", l->failed_us);
    history_add(out, l);
    name_add(out, "payload");
    json_add_bytes(out, l->payload);
    AUTO_RELEASE(buf) record = {0};
    if (plan && payload_record(p->codec, p->arena, l->payload, &record)) {
        name_add(out, "record");
        buf_add_str(out, buf_str(&record));
    }
    if (plan)
        redrive_add(out, plan);
    buf_add_text(out, "}\n");
}

void plan_text(const struct plan *plan, struct buf *out)
{
    if (plan->code)
        buf_addf(out, "is refused: %s: %.*s", plan->code, STR_ARG(plan->why));
    else
        buf_addf(out, "sends %zu record%s to %.*s", plan->count,
                 plan->count == 1 ? "" : "s", STR_ARG(plan->topic));
}
