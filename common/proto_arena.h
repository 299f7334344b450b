/* SPDX-License-Identifier: Apache-2.0 */
/* proto_arena.h - memory for protobuf-c's unpacking: an arena's, and no more
 * than so much. A sub-message of 2 bytes takes a hundred, so a hostile body
 * could otherwise grow fiftyfold. */
#ifndef COMMON_PROTO_ARENA_H
#define COMMON_PROTO_ARENA_H

#include <protobuf-c/protobuf-c.h>

#include "common/arena.h"

/* One message; must not move once initialised. What is unpacked lives in the
 * arena and is never freed by itself. */
struct proto_arena {
    ProtobufCAllocator allocator;
    struct arena *arena;
    size_t left; /* bytes it may still hand out */
    bool spent;  /* more was asked for: unpacking failed for that */
};

void proto_arena_init(struct proto_arena *p, struct arena *a, size_t bytes_max);
/* NULL where the bound is reached, with spent set. */
void *proto_arena_alloc(struct proto_arena *p, size_t n) MUST_USE;
/* NULL: text is no such message, or spent says that it grew too large. */
ProtobufCMessage *proto_arena_unpack(struct proto_arena *p,
                                     const ProtobufCMessageDescriptor *type,
                                     struct str text) MUST_USE;
/* What a well-meant message of so many bytes may take: 16 times as much, at
 * most 64 MiB. */
size_t proto_arena_bound(size_t message_bytes);

#endif
