/* SPDX-License-Identifier: Apache-2.0 */
/* influx_line.h - one line of InfluxDB's line protocol, taken apart. */
#ifndef COMMON_PULSE_PROTOCOL_INFLUX_LINE_H
#define COMMON_PULSE_PROTOCOL_INFLUX_LINE_H

#include "common/pulse/fault.h"
#include "common/pulse/record.h"

/*
 * measurement[,tag=value…] field=value[,field=value…] [time]
 *
 * A backslash takes the meaning off a comma or space in a measurement, off a
 * comma, space or equals sign in tags and field keys, off a quote or backslash
 * in a text; before anything else it is itself. A text may hold newlines.
 */
struct influx_line {
    struct str measurement;
    struct label *tags; /* as they stand; names may repeat */
    size_t tag_count;
    struct field *fields; /* an unsigned beyond 63 bits is FIELD_REAL */
    size_t field_count;
    int64_t time; /* in the unit of whoever sends */
    bool timed;
};

/* What lines are read with; its lists are used again from line to line. */
struct influx_reader {
    struct arena *arena; /* texts without their backslashes */
    struct label *tags;
    size_t tags_max; /* there is room for */
    struct field *fields;
    size_t fields_max;
};

/* Reads the line at the start of *rest and takes it off, its end with it. Texts
 * of *line point into it or the arena, lists are the reader's: they last until
 * the next call. False: *fault has the column, from 1, in bytes; what was taken
 * ends with the first newline behind the fault (behind the opening quote of a
 * text that never ends). */
bool influx_line_next(const struct influx_reader *reader, struct str *rest,
                      struct influx_line *line, struct fault *fault) MUST_USE;
/* The first tag of that name; NULL: there is none. */
const struct label *influx_line_tag(const struct influx_line *line,
                                    struct str name);

#endif
