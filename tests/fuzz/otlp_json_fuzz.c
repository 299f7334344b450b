/* SPDX-License-Identifier: Apache-2.0 */
/* Foreign OTLP in JSON: see otlp_body.h; and the same message in protobuf gives
 * the same records and faults. */
#include "common/pulse/protocol/otlp_json.h"
#include "tests/fuzz/otlp_body.h"

static struct otlp_fuzz fuzz;

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static bool repack(struct str text, struct str *out)
{
    struct proto_arena memory;
    struct fault fault = {0};
    yyjson_doc *doc = json_parse(fuzz.arena, text, NULL);
    const ProtobufCMessage *m = NULL;

    proto_arena_init(&memory, fuzz.arena, proto_arena_bound(text.n));
    if (doc)
        m = otlp_json_read(
            &memory, &pulse__otlp__export_metrics_service_request__descriptor,
            yyjson_doc_get_root(doc), &fault);
    if (!m)
        return false;
    size_t n = protobuf_c_message_get_packed_size(m);
    uint8_t *p = arena_alloc(fuzz.arena, n);
    check(protobuf_c_message_pack(m, p) == n);
    *out = (struct str){(const char *)p, n};
    return true;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    AUTO_RELEASE(buf) json = {0}, protobuf = {0};
    struct str text = {(const char *)data, size}, packed;
    bool device = size & 1;

    fuzz_begin(&fuzz);
    if (fuzz_body(&fuzz, text, "application/json", device, &json) &&
        repack(text, &packed) &&
        fuzz_body(&fuzz, packed, "application/x-protobuf", device, &protobuf))
        check(str_eq(buf_str(&json), buf_str(&protobuf)));
    return 0;
}
