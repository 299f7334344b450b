/* SPDX-License-Identifier: Apache-2.0 */
/* otlp_value.h - an attribute's value as the text of a label. */
#ifndef COMMON_PULSE_PROTOCOL_OTLP_VALUE_H
#define COMMON_PULSE_PROTOCOL_OTLP_VALUE_H

#include "build/gen/otlp.pb-c.h"
#include "common/proto_arena.h"
#include "common/pulse/check.h"

/* Lists and maps may be nested this deep. */
enum { OTLP_VALUE_DEPTH = 16 };

/* Text as it is; true, 5, 0.25, NaN; lists and maps as JSON; bytes as base64.
 * No value (v may be NULL) gives empty text. False, with c->fault: a list or
 * map is broken, nested too deep or too large for memory. Points into v or
 * memory's arena; not checked for UTF-8. */
bool otlp_value_text(struct check *c, struct proto_arena *memory,
                     const Pulse__Otlp__AnyValue *v, struct str *out) MUST_USE;

static inline struct str otlp_str(ProtobufCBinaryData bytes)
{
    return (struct str){(const char *)bytes.data, bytes.len};
}

#endif
