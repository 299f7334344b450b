/* SPDX-License-Identifier: Apache-2.0 */
#include "services/writer/rows.h"

#include <stdlib.h>
#include <string.h>

void rows_init(struct rows *r, size_t stride)
{
    *r = (struct rows){.stride = stride};
}

void rows_release(struct rows *r)
{
    free(r->base);
    *r = (struct rows){.stride = r->stride};
}

void *rows_add(struct rows *r)
{
    if (r->count == r->cap) {
        r->cap = r->cap == 0 ? 256 : r->cap * 2;
        r->base = xreallocarray(r->base, r->cap, r->stride);
    }
    struct row *row = rows_at(r, r->count++);
    memset(row, 0, r->stride);
    return row;
}
