/* SPDX-License-Identifier: Apache-2.0 */
#include "services/writer/partitions.h"

#include <stdlib.h>

void partitions_release(struct partitions *p)
{
    free(p->all);
    *p = (struct partitions){0};
}

struct partition *partitions_find(const struct partitions *p, size_t topic,
                                  int32_t part)
{
    for (size_t i = 0; i < p->count; i++)
        if (p->all[i].topic == topic && p->all[i].part == part)
            return &p->all[i];
    return NULL;
}

struct partition *partitions_add(struct partitions *p, size_t topic,
                                 int32_t part)
{
    struct partition *known = partitions_find(p, topic, part);
    if (known != NULL)
        return known;
    if (p->count == p->cap) {
        p->cap = p->cap == 0 ? 32 : p->cap * 2;
        p->all = xreallocarray(p->all, p->cap, sizeof *p->all);
    }
    p->all[p->count] = (struct partition){.topic = topic, .part = part};
    return &p->all[p->count++];
}

void partitions_remove(struct partitions *p, size_t topic, int32_t part)
{
    struct partition *known = partitions_find(p, topic, part);
    if (known != NULL)
        *known = p->all[--p->count];
}

bool partition_runs(const struct partition *p)
{
    return p->answered && p->claimed && !p->paused;
}
