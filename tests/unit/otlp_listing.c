/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/unit/otlp_listing.h"

#include <assert.h>

#include "common/pulse/endpoint.h"
#include "common/pulse/protocol/otlp_json.h"

static void metric_add(const struct metric_record *m, struct buf *out)
{
    buf_addf(out, "%.*s{", STR_ARG(m->name));
    for (size_t i = 0; i < m->label_count; i++)
        buf_addf(out, "%s%.*s=%.*s", i > 0 ? "," : "",
                 STR_ARG(m->labels[i].name), STR_ARG(m->labels[i].value));
    buf_addf(out, "} %.17g @", m->value);
    if (m->time_us == CHECK_NO_TIME)
        buf_add_char(out, '-');
    else
        buf_addf(out, "%lld", (long long)m->time_us);
    buf_add_char(out, '\n');
}

static void fault_add(const struct fault *f, struct buf *out)
{
    buf_addf(out, " %s", fault_name(f->code));
    if (f->field.p)
        buf_addf(out, " %.*s", STR_ARG(f->field));
    buf_add_char(out, '\n');
}

void otlp_listing(struct check *c, struct str body, const char *content_type,
                  const char *resource_attributes, struct buf *out)
{
    const struct posted posted = {
        .text = body,
        .content_type = str_of(content_type),
        .resource_attributes = str_of(resource_attributes),
    };
    struct body b;
    struct unit u;
    size_t records = 0;

    if (!body_open(&b, endpoint_find(STR("/v1/metrics")), c, &posted)) {
        buf_add_text(out, "!body");
        fault_add(&c->fault, out);
        return;
    }
    while (body_next(&b, &u)) {
        if (u.good) {
            records++;
            metric_add(&u.record.metric, out);
            continue;
        }
        buf_addf(out, "!%zu", u.index);
        fault_add(&c->fault, out);
    }
    assert(records <= b.records_max);
}

struct str otlp_protobuf(struct arena *a, struct str json)
{
    struct proto_arena memory;
    struct fault fault = {0};
    struct err err = {0};
    yyjson_doc *doc = json_parse(a, json, &err);

    assert(doc);
    proto_arena_init(&memory, a, 64 << 20);
    ProtobufCMessage *m = otlp_json_read(
        &memory, &pulse__otlp__export_metrics_service_request__descriptor,
        yyjson_doc_get_root(doc), &fault);
    assert(m);
    uint8_t *p = arena_alloc(a, protobuf_c_message_get_packed_size(m) + 1);
    size_t n = protobuf_c_message_pack(m, p);
    return (struct str){(const char *)p, n};
}
