/* SPDX-License-Identifier: Apache-2.0 */
/* json.h - Pulse's own JSON: an object is a record. */
#ifndef COMMON_PULSE_PROTOCOL_JSON_H
#define COMMON_PULSE_PROTOCOL_JSON_H

#include "common/pulse/protocol/protocol.h"

extern const struct protocol json_protocol;

/* The content type says: one JSON text per line. */
bool json_lines(struct str content_type);

#endif
