/* SPDX-License-Identifier: Apache-2.0 */
/* unpack.h - the content codings of HTTP (RFC 9110 8.4.1), taken off. What
 * comes out is bounded: a bomb is refused when it has filled the bound. */
#ifndef COMMON_UNPACK_H
#define COMMON_UNPACK_H

#include "common/buf.h"
#include "common/err.h"

enum coding {
    CODING_IDENTITY,
    CODING_GZIP,    /* RFC 1952; several members are one text */
    CODING_DEFLATE, /* RFC 1950; without its zlib header too, as some send it */
    CODING_ZSTD,    /* RFC 8878; windows up to 8 MiB (RFC 9659) */
    CODING_SNAPPY,  /* one block without framing, as remote write has it */
    CODING_COUNT,
};
#define CODING_BIT(coding) (1U << (coding))

/* As Content-Encoding names it: "gzip". */
const char *coding_name(enum coding coding);
/* In any case; "x-gzip" is gzip, "" is identity. False: a list, or unknown. */
bool coding_find(struct str name, enum coding *out) MUST_USE;

enum unpacked {
    UNPACKED,
    UNPACK_TOO_LARGE, /* more than bytes_max would come out */
    UNPACK_BROKEN,    /* not the coding, cut off, or something behind its end */
};

struct unpacker; /* what the libraries keep from one text to the next; one
                    thread */
struct unpacker *unpacker_new(void) MUST_USE;
void unpacker_free(struct unpacker *u);
DEFINE_AUTO(unpacker)

/* Appends what packed holds to out. Otherwise *err says why (ERR_INPUT), and
 * what stands in out is of no use. */
enum unpacked unpack(struct unpacker *u, enum coding coding, struct str packed,
                     size_t bytes_max, struct buf *out, struct err *err)
    MUST_USE;

#endif
