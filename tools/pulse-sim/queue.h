/* SPDX-License-Identifier: Apache-2.0 */
/* queue.h - messages that are to be sent again, in order. */
#ifndef SIM_QUEUE_H
#define SIM_QUEUE_H

#include "tools/pulse-sim/device.h"

/* A message on its way. */
struct flight {
    struct message message;
    int64_t due_us;    /* monotonic: when it was meant to be sent first */
    int64_t before_us; /* monotonic: not to be sent again before */
    bool resend;       /* was acknowledged before: nobody waits for it */
};

/* {0} is an empty queue. */
struct queue {
    struct flight *ring;
    size_t head, count, cap; /* cap: a power of two */
};

void queue_release(struct queue *q);
DEFINE_AUTO_RELEASE(queue)
void queue_put(struct queue *q, const struct flight *f);
/* The oldest; NULL when empty. Valid until the queue changes. */
const struct flight *queue_first(const struct queue *q);
void queue_drop(struct queue *q); /* the oldest; there must be one */

#endif
