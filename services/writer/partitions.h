/* SPDX-License-Identifier: Apache-2.0 */
/* partitions.h - the partitions the group gave this writer, and how far each
 * is: assigned → claimed → read. */
#ifndef WRITER_PARTITIONS_H
#define WRITER_PARTITIONS_H

#include "common/base.h"

struct partition {
    size_t topic;
    int32_t part;
    bool answered; /* the consumer was told to read it */
    bool claimed;  /* its row in the database is ours */
    bool paused;
    uint32_t assignment;   /* new with every claim */
    int64_t next;          /* offset of the next message to take */
    int64_t not_before_us; /* claim it no earlier (monotonic) */
};

struct partitions {
    struct partition *all;
    size_t count, cap;
};

void partitions_release(struct partitions *p);
struct partition *partitions_find(const struct partitions *p, size_t topic,
                                  int32_t part); /* NULL if none */
/* A new one, or the one there is; valid until the next add or remove. */
struct partition *partitions_add(struct partitions *p, size_t topic,
                                 int32_t part);
void partitions_remove(struct partitions *p, size_t topic, int32_t part);
/* May its messages go into a batch? */
bool partition_runs(const struct partition *p);

#endif
