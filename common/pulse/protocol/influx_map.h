/* SPDX-License-Identifier: Apache-2.0 */
/* influx_map.h - what a line becomes: the metrics of its fields, or a message
 * of the device that one of its tags names. */
#ifndef COMMON_PULSE_PROTOCOL_INFLUX_MAP_H
#define COMMON_PULSE_PROTOCOL_INFLUX_MAP_H

#include "common/pulse/check.h"
#include "common/pulse/protocol/influx_line.h"
#include "common/pulse/protocol/influx_time.h"

struct influx_map {
    struct check *check;
    const struct influx_unit *unit; /* of the lines' times */
    struct str device_tag; /* lines that have it are telemetry; empty: none */
    bool strict;           /* no text is left out: the line is bad */
    size_t fields_max;     /* the lines' lists of fields have room for */
    struct label *names;   /* scratch for as many; made when needed */
};

/* Records in the making: they differ by name and value only. */
struct influx_records {
    struct record common;
    const struct field *fields;
    size_t count; /* may be 0: all the line had was texts */
    size_t texts; /* left out */
};

/* Judges the line, the bytes of which are UTF-8, as a whole. Its lists are
 * changed and must last as long as *out. False: map->check->fault. */
bool influx_map_line(struct influx_map *map, struct influx_line *line,
                     struct influx_records *out) MUST_USE;
struct record influx_records_at(const struct influx_records *r, size_t i);

#endif
