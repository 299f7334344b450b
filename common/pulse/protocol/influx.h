/* SPDX-License-Identifier: Apache-2.0 */
/* influx.h - InfluxDB's line protocol: a line is a unit, and its fields are
 * metrics, or the readings of a device. docs/influx.md says which. */
#ifndef COMMON_PULSE_PROTOCOL_INFLUX_H
#define COMMON_PULSE_PROTOCOL_INFLUX_H

#include "common/pulse/protocol/protocol.h"

/* A line that has nothing but texts, of which no metrics can be made, is no
 * unit: its texts are counted in body->skipped, like those left out of
 * other lines. */
extern const struct protocol influx_protocol;

/* May stand in the parameter device_tag: letters, digits, '_', '-', '.'. */
bool influx_tag_good(struct str name);

#endif
