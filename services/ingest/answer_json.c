/* SPDX-License-Identifier: Apache-2.0 */
/* Pulse's own JSON: {"accepted":n,"rejected":[…]}. */
#include "common/json.h"
#include "common/pulse/protocol/json.h"
#include "services/ingest/dialect.h"

static bool json_media(struct http_request *r, const struct endpoint_kind *kind)
{
    struct str type = http_content_type(r);
    bool lines = kind->forms & JSON_LINES;

    if (type.n == 0 || str_eq_nocase(type, STR("application/json")) ||
        (lines && json_lines(type)))
        return true;
    http_reply_error(r, 415, "unsupported_media_type",
                     lines ? "Send Content-Type: application/json, or "
                             "application/x-ndjson for one record per line."
                           : "Send Content-Type: application/json.");
    return false;
}

static void refusal(const struct intake *in, struct buf *out)
{
    AUTO_RELEASE(buf) text = {0};
    const char *code;

    intake_refusal(in, &code, &text);
    buf_addf(out, "{\"error\":{\"code\":\"%s\",\"message\":", code);
    json_add_str(out, buf_str(&text));
    buf_addf(out, ",\"doc\":\"" HTTP_ERROR_DOC "%s\",\"rejected\":", code);
    rejects_json(&in->rejects, out);
    buf_add_text(out, "}}\n");
}

/* An endpoint that takes one record has nothing to list. */
static struct str answer_text(const struct intake *in)
{
    struct buf *text = &in->worker->text;

    if (in->rejects.count == 0 && in->records == 1)
        return in->kind->forms == JSON_ONE
                   ? STR("{\"accepted\":1}\n")
                   : STR("{\"accepted\":1,\"rejected\":[]}\n");
    buf_reset(text);
    if (intake_refused(in)) {
        refusal(in, text);
    } else {
        buf_addf(text, "{\"accepted\":%zu,\"rejected\":", in->records);
        rejects_json(&in->rejects, text);
        buf_add_text(text, "}\n");
    }
    return arena_str(http_arena(in->request), buf_str(text));
}

static struct answer json_answer(const struct intake *in)
{
    return (struct answer){
        .status = intake_refused(in) ? 400 : 202,
        .type = "application/json",
        .body = answer_text(in),
    };
}

const struct dialect json_dialect = {
    .protocol = &json_protocol,
    .codings = CODINGS_USUAL,
    .media = json_media,
    .answer = json_answer,
};
