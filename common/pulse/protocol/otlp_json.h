/* SPDX-License-Identifier: Apache-2.0 */
/* otlp_json.h - OTLP's JSON encoding into the same structs that protobuf is
 * unpacked into. */
#ifndef COMMON_PULSE_PROTOCOL_OTLP_JSON_H
#define COMMON_PULSE_PROTOCOL_OTLP_JSON_H

#include "build/gen/otlp.pb-c.h"
#include "common/proto_arena.h"
#include "common/pulse/check.h"

/*
 * The protobuf JSON mapping: names in lowerCamelCase, unknown ones ignored,
 * null is absent; 64-bit integers as text or numbers, doubles as numbers or
 * text ("NaN"), enums as numbers or names. Texts point into v's document.
 * NULL, with *fault: a type is wrong, a name stands twice, or it outgrows
 * memory.
 */
ProtobufCMessage *otlp_json_read(struct proto_arena *memory,
                                 const ProtobufCMessageDescriptor *type,
                                 yyjson_val *v, struct fault *fault) MUST_USE;

#endif
