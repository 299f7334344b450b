/* SPDX-License-Identifier: Apache-2.0 */
#include "services/ingest/parcel.h"

#include <assert.h>
#include <stdlib.h>

/* A thread keeps this much; what one large request needed beyond goes back. */
enum { KEEP_BYTES = 1 << 20, KEEP_RECORDS = 4096 };

void parcel_release(struct parcel *p)
{
    buf_release(&p->bytes);
    free(p->spans);
    free(p->records);
    *p = (struct parcel){0};
}

void parcel_reset(struct parcel *p)
{
    if (p->bytes.cap > KEEP_BYTES || p->cap > KEEP_RECORDS)
        parcel_release(p);
    buf_reset(&p->bytes);
    p->count = 0;
}

static void parcel_grow(struct parcel *p)
{
    p->cap = p->cap ? p->cap * 2 : 16;
    p->spans = xreallocarray(p->spans, p->cap, sizeof *p->spans);
    p->records = xreallocarray(p->records, p->cap, sizeof *p->records);
}

struct str parcel_key(struct parcel *p, const struct record *r)
{
    if (p->count == p->cap)
        parcel_grow(p);
    struct parcel_span *span = &p->spans[p->count];
    span->key_at = p->bytes.n;
    record_key(r, &p->bytes);
    span->payload_at = p->bytes.n;
    return (struct str){p->bytes.p + span->key_at,
                        span->payload_at - span->key_at};
}

bool parcel_add(struct parcel *p, struct record_codec *codec,
                const struct record *r, size_t bytes_max, struct err *err)
{
    struct parcel_span *span = &p->spans[p->count];

    assert(span->payload_at == p->bytes.n);
    bool encoded = record_encode(codec, r, &p->bytes, err);
    span->end_at = p->bytes.n;
    if (encoded && span->end_at - span->payload_at <= bytes_max) {
        p->count++;
        return true;
    }
    if (encoded)
        err_set(err, ERR_INPUT, "is %zu bytes as a message, at most %zu",
                span->end_at - span->payload_at, bytes_max);
    p->bytes.n = span->key_at;
    return false;
}

void parcel_cut(struct parcel *p, size_t count)
{
    assert(count <= p->count);
    if (count == p->count)
        return;
    p->bytes.n = p->spans[count].key_at;
    p->count = count;
}

struct kafka_record *parcel_seal(struct parcel *p, void *tag)
{
    for (size_t i = 0; i < p->count; i++) {
        const struct parcel_span *s = &p->spans[i];
        p->records[i] = (struct kafka_record){
            .key = {p->bytes.p + s->key_at, s->payload_at - s->key_at},
            .payload = {p->bytes.p + s->payload_at, s->end_at - s->payload_at},
            .tag = tag,
        };
    }
    return p->records;
}
