/* SPDX-License-Identifier: Apache-2.0 */
#include "services/ingest/packed.h"

#include <assert.h>
#include <stdio.h>

void packed_init(struct packed *p, size_t bytes_max, struct metrics *m)
{
    p->bytes_max = bytes_max;
    for (int i = CODING_IDENTITY + 1; i < CODING_COUNT; i++) {
        const char *name = coding_name((enum coding)i);
        p->in[i] = metrics_counter(m, "pulse_ingest_packed_bytes_total",
                                   "Bytes of bodies as they came, packed.",
                                   "coding", name, NULL);
        p->out[i] = metrics_counter(m, "pulse_ingest_unpacked_bytes_total",
                                    "Bytes of the same bodies unpacked.",
                                    "coding", name, NULL);
    }
}

static bool coding_of(const struct http_request *r, enum coding *coding)
{
    return coding_find(http_header(r, "Content-Encoding"), coding);
}

/* "gzip, deflate, zstd" */
static void list(unsigned codings, char *text, size_t size)
{
    size_t n = 0;

    for (int i = CODING_IDENTITY + 1; i < CODING_COUNT; i++)
        if (codings & CODING_BIT(i)) {
            int added = snprintf(text + n, size - n, "%s%s", n ? ", " : "",
                                 coding_name((enum coding)i));
            assert(added > 0 && (size_t)added < size - n);
            n += (size_t)added;
        }
}

bool packed_gate(struct http_request *r, unsigned codings)
{
    enum coding coding;
    char names[64], text[160];

    if (coding_of(r, &coding) && codings & CODING_BIT(coding))
        return true;
    list(codings, names, sizeof names);
    snprintf(text, sizeof text, "Send %sContent-Encoding %s.",
             codings & CODING_BIT(CODING_IDENTITY)
                 ? "the body as it is, or with one "
                 : "",
             names);
    http_reply_header(r, "Accept-Encoding", names); /* RFC 9110 15.5.16 */
    http_reply_error(r, 415, "unsupported_encoding", text);
    return false;
}

enum unpacked packed_open(const struct packed *p, const struct http_request *r,
                          struct unpacker *u, struct buf *out, struct str *body,
                          struct err *err)
{
    enum coding coding;
    bool known = coding_of(r, &coding);

    assert(known); /* the gate saw to it */
    *body = http_body(r);
    if (coding == CODING_IDENTITY)
        return UNPACKED;
    buf_reset(out);
    counter_add(p->in[coding], body->n);
    enum unpacked result = unpack(u, coding, *body, p->bytes_max, out, err);
    counter_add(p->out[coding], out->n);
    if (result == UNPACKED)
        *body = buf_str(out);
    return result;
}
