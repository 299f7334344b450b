/* SPDX-License-Identifier: Apache-2.0 */
/* Line protocol's answers, as InfluxDB's clients know them. Theirs is the rule
 * that 400 means: some of it, or all, will never be taken, do not send it
 * again. What is good of such a body is stored. */
#include <string.h>

#include "common/json.h"
#include "common/pulse/protocol/influx.h"
#include "common/pulse/protocol/influx_time.h"
#include "services/ingest/dialect.h"
#include "services/ingest/settings.h"

enum { FAULTS_TOLD = 5 };

/* --- what is asked ------------------------------------------------------- */

static bool refuse_parameter(struct http_request *r, const char *message)
{
    http_reply_error(r, 400, "invalid_parameter", message);
    return false;
}

/* Any type will do: curl --data-binary says it sends a form. */
static bool influx_media(struct http_request *r,
                         const struct endpoint_kind *kind)
{
    struct str tag = http_query(r, "device_tag");

    (void)kind;
    if (!influx_unit_find(http_query(r, "precision")))
        return refuse_parameter(r, "precision is ns, us, ms, s, m or h.");
    return tag.n == 0 || influx_tag_good(tag) ||
           refuse_parameter(r, "device_tag is the name of a tag, of letters, "
                               "digits, '_', '-' and '.'.");
}

static void influx_parameters(struct http_request *r, struct posted *posted)
{
    posted->content_type = (struct str){0}; /* says nothing of the lines */
    posted->precision = http_query(r, "precision");
    posted->device_tag = http_query(r, "device_tag");
    if (!posted->device_tag.p)
        posted->device_tag = str_of(ingest_settings.influx_device_tag);
}

/* Clients of version 1 know a user and a password. */
static struct str influx_key(struct http_request *r)
{
    return http_query(r, "p");
}

/* --- what is answered ---------------------------------------------------- */

static bool is_v1(struct str path)
{
    return str_is(path, "/write");
}

static const char *v2_code(int status)
{
    static const struct {
        int status;
        const char *code;
    } codes[] = {
        {400, "invalid"},           {401, "unauthorized"},
        {403, "forbidden"},         {405, "method not allowed"},
        {413, "request too large"}, {415, "unsupported media type"},
        {429, "too many requests"}, {503, "unavailable"},
    };

    for (size_t i = 0; i < ARRAY_LEN(codes); i++)
        if (codes[i].status == status)
            return codes[i].code;
    return status < 500 ? "invalid" : "internal error";
}

/* line: 0: it is about no line. */
static void body_write(bool v1, int status, struct str message, size_t line,
                       struct buf *out)
{
    if (v1) {
        buf_add_text(out, "{\"error\":");
        json_add_str(out, message);
    } else {
        buf_addf(out, "{\"code\":\"%s\",\"message\":", v2_code(status));
        json_add_str(out, message);
        if (line > 0)
            buf_addf(out, ",\"line\":%zu", line);
    }
    buf_add_text(out, "}\n");
}

static const char *influx_error(const struct http_request *r, int *status,
                                const char *code, const char *message,
                                struct buf *out)
{
    AUTO_RELEASE(buf) text = {0};
    bool v1 = is_v1(http_path(r));

    /* Telegraf's output for version 1 throws away what any 4xx answers; that
     * is right for a wrong key, not for data that comes too fast. */
    if (v1 && *status == 429 && strcmp(code, "rate_limited") == 0)
        *status = 503;
    buf_addf(&text, "%s: %s", code, message);
    body_write(v1, *status, buf_str(&text), 0, out);
    return "application/json";
}

static void fault_add(const struct reject *reject, struct buf *out)
{
    const struct fault *f = &reject->fault;

    if (reject->line > 0)
        buf_addf(out, "line %zu: ", reject->line);
    if (f->field.p)
        buf_addf(out, "%.*s ", STR_ARG(f->field));
    buf_addf(out, "%.*s (%s)", STR_ARG(f->message), fault_name(f->code));
}

static void message_add(const struct intake *in, struct buf *out)
{
    size_t bad = in->rejects.count;

    buf_add_text(out, intake_refused(in) ? "nothing written" : "partial write");
    if (!in->unread)
        buf_addf(out, ": %zu of %zu lines rejected", bad, in->units);
    for (size_t i = 0; i < bad && i < FAULTS_TOLD; i++) {
        buf_add_text(out, i == 0 ? ": " : "; ");
        fault_add(&in->rejects.items[i], out);
    }
    if (bad > FAULTS_TOLD)
        buf_addf(out, "; and %zu more", bad - FAULTS_TOLD);
}

static struct answer influx_answer(const struct intake *in)
{
    struct buf *text = &in->worker->text;
    AUTO_RELEASE(buf) message = {0};

    if (in->rejects.count == 0)
        return (struct answer){.status = 204};
    message_add(in, &message);
    buf_reset(text);
    body_write(is_v1(str_of(in->kind->path)), 400, buf_str(&message),
               in->rejects.items[0].line, text);
    return (struct answer){
        .status = 400,
        .type = "application/json",
        .body = arena_str(http_arena(in->request), buf_str(text)),
    };
}

const struct dialect influx_dialect = {
    .protocol = &influx_protocol,
    .codings = CODINGS_USUAL,
    .media = influx_media,
    .key = influx_key,
    .parameters = influx_parameters,
    .answer = influx_answer,
    .error = influx_error,
};
