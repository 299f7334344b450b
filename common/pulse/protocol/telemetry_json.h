/* SPDX-License-Identifier: Apache-2.0 */
/* telemetry_json.h - {device_id?, site_id?, msg_type?, seq?, time?, metrics:{}}
 * to a telemetry record. */
#ifndef COMMON_PULSE_PROTOCOL_TELEMETRY_JSON_H
#define COMMON_PULSE_PROTOCOL_TELEMETRY_JSON_H

#include "common/pulse/check.h"
#include "common/pulse/record.h"

/* False: c->fault says why. The record points into v and c's arena; its
 * time_us may be CHECK_NO_TIME. device_id is optional for a device-bound key.
 * Whole numbers stay whole (beyond 64 bits signed they become doubles). */
bool telemetry_json_parse(struct check *c, yyjson_val *v, struct record *out)
    MUST_USE;

#endif
