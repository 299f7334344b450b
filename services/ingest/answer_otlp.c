/* SPDX-License-Identifier: Apache-2.0 */
/* OTLP/HTTP: messages in the request's own encoding. What OpenTelemetry's
 * specification says of answers is in docs/otlp.md. */
#include "build/gen/otlp.pb-c.h"
#include "common/json.h"
#include "common/pulse/protocol/otlp.h"
#include "services/ingest/dialect.h"
#include "services/ingest/settings.h"

enum { VIOLATIONS_MAX = 16 }; /* told in one answer */

#define BAD_REQUEST_TYPE "type.googleapis.com/google.rpc.BadRequest"

/* A google.rpc.Status in the making. */
struct status {
    int code;
    struct str message;
    const struct rejects *rejects; /* its details; NULL: none */
};

static bool is_protobuf(const struct http_request *r)
{
    return str_eq_nocase(http_content_type(r), STR(OTLP_PROTOBUF_TYPE));
}

static const char *answer_type(const struct http_request *r)
{
    return is_protobuf(r) ? OTLP_PROTOBUF_TYPE : OTLP_JSON_TYPE;
}

static ProtobufCBinaryData bytes(struct str s)
{
    /* protobuf-c's structs are not const. */
    return (ProtobufCBinaryData){s.n, (uint8_t *)(uintptr_t)s.p};
}

static void message_add(struct buf *out, const ProtobufCMessage *m)
{
    size_t n = protobuf_c_message_get_packed_size(m);

    out->n += protobuf_c_message_pack(m, (uint8_t *)buf_reserve(out, n));
}

/* --- google.rpc.Status -------------------------------------------------- */

/* google.rpc.Code, by what the HTTP status says. */
static int status_code(int http_status)
{
    enum {
        INVALID_ARGUMENT = 3,
        DEADLINE_EXCEEDED = 4,
        NOT_FOUND = 5,
        PERMISSION_DENIED = 7,
        RESOURCE_EXHAUSTED = 8,
        UNAVAILABLE = 14,
        INTERNAL = 13,
        UNAUTHENTICATED = 16,
    };

    switch (http_status) {
    case 401:
        return UNAUTHENTICATED;
    case 403:
        return PERMISSION_DENIED;
    case 404:
        return NOT_FOUND;
    case 408:
        return DEADLINE_EXCEEDED;
    case 413:
    case 429:
        return RESOURCE_EXHAUSTED;
    case 503:
        return UNAVAILABLE;
    default:
        return http_status < 500 ? INVALID_ARGUMENT : INTERNAL;
    }
}

static struct str violation_field(const struct reject *r, struct buf *text)
{
    buf_reset(text);
    buf_addf(text, "data_points[%zu]", r->index);
    if (r->fault.field.p)
        buf_addf(text, ".%.*s", STR_ARG(r->fault.field));
    return buf_str(text);
}

static struct str violation_text(const struct reject *r, struct buf *text)
{
    buf_reset(text);
    buf_addf(text, "%s: ", fault_name(r->fault.code));
    buf_add_str(text, r->fault.message);
    return buf_str(text);
}

static size_t violation_count(const struct rejects *r)
{
    return r->count < VIOLATIONS_MAX ? r->count : VIOLATIONS_MAX;
}

/* A BadRequest that says what is wrong with which data point. */
static void violations_pack(const struct rejects *rejects, struct buf *out)
{
    Pulse__Otlp__BadRequest__FieldViolation items[VIOLATIONS_MAX];
    Pulse__Otlp__BadRequest__FieldViolation *list[VIOLATIONS_MAX];
    struct buf fields[VIOLATIONS_MAX] = {0}, texts[VIOLATIONS_MAX] = {0};
    Pulse__Otlp__BadRequest m = PULSE__OTLP__BAD_REQUEST__INIT;

    m.n_field_violations = violation_count(rejects);
    m.field_violations = list;
    for (size_t i = 0; i < m.n_field_violations; i++) {
        const struct reject *r = &rejects->items[i];
        pulse__otlp__bad_request__field_violation__init(&items[i]);
        items[i].field = bytes(violation_field(r, &fields[i]));
        items[i].description = bytes(violation_text(r, &texts[i]));
        list[i] = &items[i];
    }
    message_add(out, &m.base);
    for (size_t i = 0; i < m.n_field_violations; i++) {
        buf_release(&fields[i]);
        buf_release(&texts[i]);
    }
}

static void status_pack(const struct status *s, struct buf *out)
{
    AUTO_RELEASE(buf) details = {0};
    Pulse__Otlp__Any any = PULSE__OTLP__ANY__INIT, *list[] = {&any};
    Pulse__Otlp__Status m = PULSE__OTLP__STATUS__INIT;

    m.code = s->code;
    m.message = bytes(s->message);
    if (s->rejects) {
        violations_pack(s->rejects, &details);
        any.type_url = bytes(STR(BAD_REQUEST_TYPE));
        any.value = bytes(buf_str(&details));
        m.n_details = 1;
        m.details = list;
    }
    message_add(out, &m.base);
}

static void violations_json(const struct rejects *rejects, struct buf *out)
{
    AUTO_RELEASE(buf) text = {0};

    buf_add_text(out, ",\"details\":[{\"@type\":\"" BAD_REQUEST_TYPE
                      "\",\"fieldViolations\":[");
    for (size_t i = 0; i < violation_count(rejects); i++) {
        const struct reject *r = &rejects->items[i];
        buf_add_text(out, i > 0 ? ",{\"field\":" : "{\"field\":");
        json_add_str(out, violation_field(r, &text));
        buf_add_text(out, ",\"description\":");
        json_add_str(out, violation_text(r, &text));
        buf_add_char(out, '}');
    }
    buf_add_text(out, "]}]");
}

static void status_json(const struct status *s, struct buf *out)
{
    buf_addf(out, "{\"code\":%d,\"message\":", s->code);
    json_add_str(out, s->message);
    if (s->rejects)
        violations_json(s->rejects, out);
    buf_add_text(out, "}\n");
}

static void status_add(const struct http_request *r, const struct status *s,
                       struct buf *out)
{
    if (is_protobuf(r))
        status_pack(s, out);
    else
        status_json(s, out);
}

static const char *otlp_error(const struct http_request *r, int *http_status,
                              const char *code, const char *message,
                              struct buf *out)
{
    AUTO_RELEASE(buf) text = {0};

    buf_addf(&text, "%s: %s", code, message);
    status_add(r,
               &(struct status){.code = status_code(*http_status),
                                .message = buf_str(&text)},
               out);
    return answer_type(r);
}

/* --- the gate ----------------------------------------------------------- */

static bool otlp_media(struct http_request *r, const struct endpoint_kind *kind)
{
    struct str type = http_content_type(r);

    (void)kind;
    if (str_eq_nocase(type, STR(OTLP_PROTOBUF_TYPE)) ||
        str_eq_nocase(type, STR(OTLP_JSON_TYPE)))
        return true;
    http_reply_error(r, 415, "unsupported_media_type",
                     "Send Content-Type: " OTLP_PROTOBUF_TYPE
                     " or " OTLP_JSON_TYPE ".");
    return false;
}

static void otlp_parameters(struct http_request *r, struct posted *posted)
{
    (void)r;
    posted->resource_attributes =
        str_of(ingest_settings.otlp_resource_attributes);
}

/* --- the answer --------------------------------------------------------- */

/* "2 of 5 data points are bad; the first: data_points[3].value not_finite: …"
 */
static void refusal_text(const struct intake *in, struct buf *out)
{
    const struct reject *first = &in->rejects.items[0];
    AUTO_RELEASE(buf) part = {0};

    if (!in->unread) {
        buf_addf(out, "%zu of %zu data points are bad", in->rejects.count,
                 in->units);
        if (in->records == 0 && in->strict)
            buf_add_text(out, " and strict=1 takes all or none");
        buf_add_text(out, "; the first: ");
        buf_add_str(out, violation_field(first, &part));
        buf_add_char(out, ' ');
    }
    buf_add_str(out, violation_text(first, &part));
}

static void refusal_add(const struct intake *in, int http_status,
                        struct buf *out)
{
    AUTO_RELEASE(buf) text = {0};

    refusal_text(in, &text);
    status_add(in->request,
               &(struct status){
                   .code = status_code(http_status),
                   .message = buf_str(&text),
                   .rejects = in->unread ? NULL : &in->rejects,
               },
               out);
}

static void partial_json(size_t refused, struct str message, struct buf *out)
{
    buf_addf(out,
             "{\"partialSuccess\":{\"rejectedDataPoints\":\"%zu\","
             "\"errorMessage\":",
             refused);
    json_add_str(out, message);
    buf_add_text(out, "}}\n");
}

static void partial_pack(size_t refused, struct str message, struct buf *out)
{
    Pulse__Otlp__ExportMetricsPartialSuccess partial =
        PULSE__OTLP__EXPORT_METRICS_PARTIAL_SUCCESS__INIT;
    Pulse__Otlp__ExportMetricsServiceResponse m =
        PULSE__OTLP__EXPORT_METRICS_SERVICE_RESPONSE__INIT;

    partial.rejected_data_points = (int64_t)refused;
    partial.error_message = bytes(message);
    m.partial_success = &partial;
    message_add(out, &m.base);
}

static void partial_add(const struct intake *in, struct buf *out)
{
    AUTO_RELEASE(buf) text = {0};
    size_t refused = in->rejects.count;

    refusal_text(in, &text);
    if (is_protobuf(in->request))
        partial_pack(refused, buf_str(&text), out);
    else
        partial_json(refused, buf_str(&text), out);
}

static struct answer otlp_answer(const struct intake *in)
{
    struct buf *out = &in->worker->text;
    int status = 200;

    buf_reset(out);
    if (intake_refused(in)) {
        bool large = in->unread && in->rejects.items[0].fault.code ==
                                       FAULT_UNPACKED_TOO_LARGE;
        status = large ? 413 : 400;
        refusal_add(in, status, out);
    } else if (in->rejects.count > 0) {
        partial_add(in, out);
    } else if (!is_protobuf(in->request)) {
        buf_add_text(out, "{}\n"); /* in protobuf that has no bytes */
    }
    return (struct answer){
        .status = status,
        .type = answer_type(in->request),
        .body = arena_str(http_arena(in->request), buf_str(out)),
    };
}

const struct dialect otlp_dialect = {
    .protocol = &otlp_protocol,
    .codings = CODINGS_USUAL,
    .media = otlp_media,
    .parameters = otlp_parameters,
    .answer = otlp_answer,
    .error = otlp_error,
};
