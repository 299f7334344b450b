/* SPDX-License-Identifier: Apache-2.0 */
/* protocol.h - how a posted body becomes records: what each protocol the edge
 * speaks provides. Pure: no I/O, and no memory beyond one body. */
#ifndef COMMON_PULSE_PROTOCOL_PROTOCOL_H
#define COMMON_PULSE_PROTOCOL_PROTOCOL_H

#include "common/pulse/check.h"
#include "common/pulse/record.h"

struct endpoint_kind;

/* What came. */
struct posted {
    struct str text;         /* after Content-Encoding; outlives the body */
    struct str content_type; /* with its parameters; may be empty */
    /* Line protocol: */
    struct str precision;  /* of times: "ns", "us", …; empty: see there */
    struct str device_tag; /* lines that have this tag are telemetry; empty:
                              none are */
    bool strict;           /* a line's text that is no metric is a fault */
    /* OTLP: those that are labels, with commas between, or "*"; empty: those
     * of OTLP_RESOURCE_ATTRIBUTES. */
    struct str resource_attributes;
};

/* What is left out of a body without being a mistake of its sender's. */
enum skip {
    SKIP_STALE,      /* the mark of a series that ended */
    SKIP_NOT_FINITE, /* NaN and the infinities, where the protocol has them */
    SKIP_EXEMPLAR,
    SKIP_METADATA,   /* help and type of a metric */
    SKIP_TEXT_FIELD, /* a text where numbers are kept */
    SKIP_COUNT,
};

const char *skip_name(enum skip what); /* as metrics say it: "stale" */

/* One body while it is read. What is bad is said in check->fault. */
struct body {
    const struct protocol *protocol;
    const struct endpoint_kind *kind;
    struct check *check;
    struct posted posted;
    size_t records_max;         /* there are no more than this; set by open */
    size_t skipped[SKIP_COUNT]; /* so far; all when next gave false */
    void *state;                /* the protocol's, in check->arena */
};

/*
 * What the body is made of and the answer speaks of: a JSON value, a line, a
 * data point. Units are numbered from 0 in their order, without gaps. One is
 * taken with all its records, or rejected whole.
 */
struct unit {
    size_t index;
    bool good;            /* record is set; else check->fault says why not */
    struct record record; /* points into posted.text and check->arena; its time
                             may be CHECK_NO_TIME */
    struct str device_id; /* bad: that it speaks for; p == NULL: unknown */
    size_t line;          /* of a text of lines, from 1; else 0 */
    const void *value;    /* the protocol's */
};

struct protocol {
    const char *name; /* as docs and metrics call it: "json" */
    /* posted, kind and check are set. False: the body as a whole is bad. */
    bool (*open)(struct body *b);
    /* The next record, or the next bad unit; a unit of several records comes
     * once for each. False: that was all. */
    bool (*next)(struct body *b, struct unit *u);
    /* What a dead letter keeps of a bad unit, in check->arena, and its content
     * type, which leads redrive back to the protocol. */
    struct str (*text)(const struct body *b, const struct unit *u);
    struct str (*text_type)(const struct body *b);
};

#endif
