/* SPDX-License-Identifier: Apache-2.0 */
/* ledger.h - per topic and partition: what the writer consumed against what
 * became of it, and how far it is behind. */
#ifndef TOOLS_PULSE_LEDGER_H
#define TOOLS_PULSE_LEDGER_H

#include "tools/pulse/world.h"

struct ledger_line {
    size_t topic;   /* enum topic; TOPIC_COUNT: archived, not Pulse's own */
    char name[250]; /* the topic's */
    int32_t part;
    bool claimed; /* the writer has an offsets row for it */
    int64_t first, next;
    int64_t stored, duplicate, dead, gap;
    int64_t end; /* Kafka's; -1: not known */
    int64_t lag; /* messages; 0 where end is not known */
};

/* Consumed = stored + duplicate + dead + gap. */
bool ledger_line_equal(const struct ledger_line *l);

struct ledger {
    struct ledger_line *lines; /* sorted by topic, part */
    size_t count;
};
void ledger_release(struct ledger *l);
DEFINE_AUTO_RELEASE(ledger)
/* Counts of the database alone. */
bool ledger_read(struct ledger *l, struct world *w, struct err *err) MUST_USE;
/* Adds ends and lags, and lines for partitions nobody claimed. */
bool ledger_read_ends(struct ledger *l, struct world *w, struct err *err)
    MUST_USE;

#endif
