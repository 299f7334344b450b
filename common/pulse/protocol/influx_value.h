/* SPDX-License-Identifier: Apache-2.0 */
/* influx_value.h - a field's value in line protocol, where it is no text:
 * -1.5e3, 12i, 12u, t, FALSE. */
#ifndef COMMON_PULSE_PROTOCOL_INFLUX_VALUE_H
#define COMMON_PULSE_PROTOCOL_INFLUX_VALUE_H

#include "common/pulse/fault.h"
#include "common/pulse/record.h"

/* Fills type and value of f. Unsigned integers beyond 63 bits become doubles.
 * FAULT_NONE, or what is wrong with it and in *why a phrase about it. */
enum fault_code influx_value_read(struct str token, struct field *f,
                                  const char **why) MUST_USE;

#endif
