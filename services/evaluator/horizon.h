/* SPDX-License-Identifier: Apache-2.0 */
/* horizon.h - how far back a partition has to be read again after a restart:
 * the oldest offset of a sample that has not yet left. */
#ifndef EVALUATOR_HORIZON_H
#define EVALUATOR_HORIZON_H

#include "common/base.h"

/* Messages of one block of offsets share an entry. What is returned depends on
 * the messages alone, not on where reading began or batches ended: whoever
 * starts anew at horizon_from sees the same from then on. */
struct horizon {
    struct horizon_entry {
        int64_t first_off;
        int64_t until_us; /* log time until which its messages are needed */
    } *entries;
    size_t head, count, room;
};

void horizon_release(struct horizon *h);
/* The message at offset is needed until the partition's log time passes
 * until_us; offsets never go down. */
void horizon_note(struct horizon *h, int64_t offset, int64_t until_us);
/* Lets go of what left by log_time_us. The offset to replay from; next where
 * nothing is needed. */
int64_t horizon_from(struct horizon *h, int64_t log_time_us, int64_t next);

#endif
