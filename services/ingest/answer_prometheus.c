/* SPDX-License-Identifier: Apache-2.0 */
/* Prometheus remote write: 204, or one line of text, which is what a sender
 * writes to its log. Whoever gets a 4xx never sends the same again, so the good
 * samples of a request are stored whatever the others are. */
#include "common/pulse/protocol/prometheus.h"
#include "services/ingest/dialect.h"

#define TEXT_TYPE "text/plain; charset=utf-8"

static bool prometheus_take(struct http_request *r,
                            const struct endpoint_kind *kind)
{
    (void)kind;
    if (prometheus_media(http_header(r, "Content-Type")))
        return true;
    http_reply_error(r, 415, "unsupported_media_type",
                     "Send remote write 1.0: Content-Type "
                     "application/x-protobuf, proto=prometheus.WriteRequest.");
    return false;
}

static void line_add(struct buf *out, struct str message, const char *code)
{
    buf_add_str(out, message);
    buf_addf(out, " (%s, " HTTP_ERROR_DOC "%s)\n", code, code);
}

static const char *prometheus_error(const struct http_request *r, int *status,
                                    const char *code, const char *message,
                                    struct buf *out)
{
    (void)r;
    (void)status;
    line_add(out, str_of(message), code);
    return TEXT_TYPE;
}

/* "3 of 2000 samples are bad, the others are stored; the first: labels.host is
 * … (text_too_long, docs/errors.md#text_too_long)" */
static void refusal(const struct intake *in, struct buf *out)
{
    AUTO_RELEASE(buf) text = {0};
    const struct fault *first = &in->rejects.items[0].fault;

    if (in->units > 1) {
        buf_addf(&text, "%zu of %zu samples are bad, %s; the first: ",
                 in->rejects.count, in->units,
                 in->records > 0 ? "the others are stored" : "none is stored");
    }
    if (first->field.p) {
        buf_add_str(&text, first->field);
        buf_add_char(&text, ' ');
    }
    buf_add_str(&text, first->message);
    line_add(out, buf_str(&text), fault_name(first->code));
}

static bool too_large(const struct intake *in)
{
    return in->unread &&
           in->rejects.items[0].fault.code == FAULT_UNPACKED_TOO_LARGE;
}

static struct answer prometheus_answer(const struct intake *in)
{
    struct buf *text = &in->worker->text;

    if (in->rejects.count == 0)
        return (struct answer){.status = 204};
    buf_reset(text);
    refusal(in, text);
    return (struct answer){
        .status = too_large(in) ? 413 : 400,
        .type = TEXT_TYPE,
        .body = arena_str(http_arena(in->request), buf_str(text)),
    };
}

const struct dialect prometheus_dialect = {
    .protocol = &prometheus_protocol,
    .codings = CODING_BIT(CODING_SNAPPY),
    .media = prometheus_take,
    .answer = prometheus_answer,
    .error = prometheus_error,
};
