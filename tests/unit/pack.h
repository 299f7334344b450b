/* SPDX-License-Identifier: Apache-2.0 */
/* pack.h - the content codings, put on: what senders do. */
#ifndef TEST_PACK_H
#define TEST_PACK_H

#include <snappy-c.h>
#include <stdlib.h>
#include <zlib.h>
#include <zstd.h>

#include "common/unpack.h"

static inline void pack_check(bool good)
{
    if (!good)
        abort();
}

static inline void pack_zlib(int bits, struct str text, struct buf *out)
{
    z_stream z = {0};

    pack_check(deflateInit2(&z, 6, Z_DEFLATED, bits, 8, Z_DEFAULT_STRATEGY) ==
               Z_OK);
    size_t n = deflateBound(&z, text.n) + 32;
    z.next_in = (z_const Bytef *)(uintptr_t)text.p;
    z.avail_in = (uInt)text.n;
    z.next_out = (Bytef *)buf_reserve(out, n);
    z.avail_out = (uInt)n;
    pack_check(deflate(&z, Z_FINISH) == Z_STREAM_END);
    out->n = n - z.avail_out;
    deflateEnd(&z);
}

static inline void pack_raw_deflate(struct str text, struct buf *out)
{
    buf_reset(out);
    pack_zlib(-MAX_WBITS, text, out);
}

/* Replaces what is in out. */
static inline void pack(enum coding coding, struct str text, struct buf *out)
{
    size_t n;

    buf_reset(out);
    switch (coding) {
    case CODING_GZIP:
        pack_zlib(MAX_WBITS + 16, text, out);
        break;
    case CODING_DEFLATE:
        pack_zlib(MAX_WBITS, text, out);
        break;
    case CODING_ZSTD:
        n = ZSTD_compressBound(text.n);
        n = ZSTD_compress(buf_reserve(out, n), n, text.p, text.n, 3);
        pack_check(!ZSTD_isError(n));
        out->n = n;
        break;
    case CODING_SNAPPY:
        n = snappy_max_compressed_length(text.n);
        pack_check(snappy_compress(text.p, text.n, buf_reserve(out, n), &n) ==
                   SNAPPY_OK);
        out->n = n;
        break;
    case CODING_IDENTITY:
    case CODING_COUNT:
        buf_add_str(out, text);
        break;
    }
}

#endif
