/* SPDX-License-Identifier: Apache-2.0 */
/* metric_json.h - {name, value, labels?, source?, timestamp?} to a metric
 * record. */
#ifndef COMMON_PULSE_PROTOCOL_METRIC_JSON_H
#define COMMON_PULSE_PROTOCOL_METRIC_JSON_H

#include "common/pulse/check.h"
#include "common/pulse/record.h"

/* False: c->fault says why. The record points into v and c's arena; its
 * time_us may be CHECK_NO_TIME. A source becomes label source, a device-bound
 * key's device becomes label device_id, each where there is none. */
bool metric_json_parse(struct check *c, yyjson_val *v, struct record *out)
    MUST_USE;

#endif
