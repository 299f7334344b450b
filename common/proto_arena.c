/* SPDX-License-Identifier: Apache-2.0 */
#include "common/proto_arena.h"

#include <string.h>

/* What an arena may add to a piece. */
enum { PIECE_BYTES = 16 };

void *proto_arena_alloc(struct proto_arena *p, size_t n)
{
    if (n > p->left || p->left - n < PIECE_BYTES) {
        p->left = 0;
        p->spent = true;
        return NULL;
    }
    p->left -= n + PIECE_BYTES;
    return arena_alloc(p->arena, n);
}

static void *allocator_alloc(void *data, size_t n)
{
    return proto_arena_alloc(data, n);
}

static void allocator_free(void *data, void *p)
{
    (void)data;
    (void)p;
}

void proto_arena_init(struct proto_arena *p, struct arena *a, size_t bytes_max)
{
    *p = (struct proto_arena){
        .allocator = {allocator_alloc, allocator_free, p},
        .arena = a,
        .left = bytes_max,
    };
}

ProtobufCMessage *proto_arena_unpack(struct proto_arena *p,
                                     const ProtobufCMessageDescriptor *type,
                                     struct str text)
{
    return protobuf_c_message_unpack(type, &p->allocator, text.n,
                                     (const uint8_t *)text.p);
}

size_t proto_arena_bound(size_t message_bytes)
{
    const size_t least = 65536, most = (size_t)64 << 20;
    size_t bound = message_bytes < most / 16 ? message_bytes * 16 : most;

    return bound < least ? least : bound;
}
