/* SPDX-License-Identifier: Apache-2.0 */
/* model.h - a log of messages, and what the tables must hold once it is read:
 * worked out message by message, without batches, SQL or faults. */
#ifndef TESTS_PROP_MODEL_H
#define TESTS_PROP_MODEL_H

#include "common/map.h"
#include "common/pulse/record.h"
#include "common/pulse/topology.h"

enum { PARTS = 3 };

enum trouble {
    GOOD,
    GARBAGE,    /* no record */
    STRAY,      /* a record of another topic */
    UNSTORABLE, /* an event that jsonb refuses */
    LATE,       /* older than the late limit */
};

struct spec {
    enum topic topic;
    enum trouble trouble;
    int who;         /* the series, device, service; decides the partition */
    int64_t time_us; /* with who: the key */
    int64_t content;
};

struct entry {
    struct spec spec;
    int64_t offset;
    char *bytes;
    size_t n;
};

struct part_log {
    struct entry *entries;
    size_t count, done;       /* done: of them, those model_check knows */
    int64_t end;              /* offset of the next message */
    int64_t verdicts[4], gap; /* of all that is done, by enum verdict */
};

struct model {
    struct record_codec *codec;
    struct part_log logs[TOPIC_COUNT][PARTS];
    char tenant[32]; /* of this episode: no two share a key */
    struct buf want; /* lines, one per row that must be there */
};

void model_init(struct model *m);
void model_release(struct model *m);
/* A new tenant; what was before is done. */
void model_begin(struct model *m, int64_t episode);
/* Appends count random messages of the tenant, gaps between some of them. */
void model_extend(struct model *m, int64_t count, int64_t now_us);
/* The lines of all rows, letters and sums, sorted as by COLLATE "C"; valid
 * until the next call. What was appended is done. */
struct str model_lines(struct model *m);
/* SQL for the same from the database; $1 is the tenant. */
extern const char model_sql[];

#endif
