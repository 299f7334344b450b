/* SPDX-License-Identifier: Apache-2.0 */
/* event_json.h - {id?, kind?, level?, service?, message?, time?, …} to an event
 * record. */
#ifndef COMMON_PULSE_PROTOCOL_EVENT_JSON_H
#define COMMON_PULSE_PROTOCOL_EVENT_JSON_H

#include "common/pulse/check.h"
#include "common/pulse/record.h"

/* False: c->fault says why. The record points into v and c's arena; its
 * time_us may be CHECK_NO_TIME. No id: one is made, or c->event_id taken. No
 * kind: log if there is a level, else event. level is lowered (ASCII). Every
 * other member becomes an attribute, those of an object "attributes" too; a
 * device-bound key's device becomes attribute device_id where there is none. */
bool event_json_parse(struct check *c, yyjson_val *v, struct record *out)
    MUST_USE;

#endif
