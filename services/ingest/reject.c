/* SPDX-License-Identifier: Apache-2.0 */
#include "services/ingest/reject.h"

#include <stdlib.h>

#include "common/json.h"

void rejects_release(struct rejects *r)
{
    free(r->items);
    *r = (struct rejects){0};
}

void rejects_add(struct rejects *r, const struct reject *reject)
{
    if (r->count == r->cap) {
        r->cap = r->cap ? r->cap * 2 : 8;
        r->items = xreallocarray(r->items, r->cap, sizeof *r->items);
    }
    r->items[r->count++] = *reject;
}

static void reject_json(const struct reject *r, struct buf *out)
{
    buf_addf(out, "{\"index\":%zu,\"code\":\"%s\",\"field\":", r->index,
             fault_name(r->fault.code));
    if (r->fault.field.p)
        json_add_str(out, r->fault.field);
    else
        buf_add_text(out, "null");
    buf_add_text(out, ",\"message\":");
    json_add_str(out, r->fault.message);
    buf_add_char(out, '}');
}

void rejects_json(const struct rejects *r, struct buf *out)
{
    buf_add_char(out, '[');
    for (size_t i = 0; i < r->count; i++) {
        if (i > 0)
            buf_add_char(out, ',');
        reject_json(&r->items[i], out);
    }
    buf_add_char(out, ']');
}
