/* SPDX-License-Identifier: Apache-2.0 */
#include "tools/pulse-sim/queue.h"

#include <assert.h>
#include <stdlib.h>

void queue_release(struct queue *q)
{
    free(q->ring);
    *q = (struct queue){0};
}

static void queue_grow(struct queue *q)
{
    size_t cap = q->cap ? q->cap * 2 : 64;
    struct flight *ring = xreallocarray(NULL, cap, sizeof *ring);

    for (size_t i = 0; i < q->count; i++)
        ring[i] = q->ring[(q->head + i) & (q->cap - 1)];
    free(q->ring);
    q->ring = ring;
    q->head = 0;
    q->cap = cap;
}

void queue_put(struct queue *q, const struct flight *f)
{
    if (q->count == q->cap)
        queue_grow(q);
    q->ring[(q->head + q->count++) & (q->cap - 1)] = *f;
}

const struct flight *queue_first(const struct queue *q)
{
    return q->count > 0 ? &q->ring[q->head] : NULL;
}

void queue_drop(struct queue *q)
{
    assert(q->count > 0);
    q->head = (q->head + 1) & (q->cap - 1);
    q->count--;
}
