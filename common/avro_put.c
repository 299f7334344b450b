/* SPDX-License-Identifier: Apache-2.0 */
#include "common/avro_put.h"

_Static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__,
               "avro_put_double copies Avro's little-endian doubles");

/* buf has room for one byte more than it says: its final NUL. */
static void take_room(struct avro_put *w, size_t n)
{
    w->p = (unsigned char *)buf_reserve(w->out, n);
    w->end = (unsigned char *)w->out->p + w->out->cap - 1;
}

struct avro_put avro_put_open(struct buf *out)
{
    struct avro_put w = {.out = out};
    take_room(&w, 1);
    return w;
}

void avro_put_close(struct avro_put *w)
{
    *w->p = '\0';
    w->out->n = (size_t)(w->p - (unsigned char *)w->out->p);
}

void avro_put_grow(struct avro_put *w, size_t n)
{
    avro_put_close(w);
    take_room(w, n);
}
