/* SPDX-License-Identifier: Apache-2.0 */
#include "common/unpack.h"

#include <assert.h>
#include <snappy-c.h>
#include <stdlib.h>
#include <zlib.h>
#include <zstd.h>
#include <zstd_errors.h>

enum {
    STEP_BYTES = 64 * 1024,   /* the output grows by no less */
    STEP_BYTES_MAX = 1 << 20, /* and by no more at a time */
    WINDOW_LOG_MAX = 23,      /* zstd: 8 MiB, as RFC 9659 has it */
    ZSTD_KEEP_BYTES = 4 << 20,
    /* Snappy: a copy of 3 bytes gives 64 at most. */
    SNAPPY_RATIO_MAX = 22,
};

struct unpacker {
    z_stream inflate;
    bool inflating; /* inflate is set up */
    ZSTD_DCtx *zstd;
};

static const char *const names[CODING_COUNT] = {
    [CODING_IDENTITY] = "identity", [CODING_GZIP] = "gzip",
    [CODING_DEFLATE] = "deflate",   [CODING_ZSTD] = "zstd",
    [CODING_SNAPPY] = "snappy",
};

const char *coding_name(enum coding coding)
{
    return names[coding];
}

bool coding_find(struct str name, enum coding *out)
{
    if (name.n == 0)
        name = STR("identity");
    if (str_eq_nocase(name, STR("x-gzip")))
        name = STR("gzip");
    for (int i = 0; i < CODING_COUNT; i++)
        if (str_eq_nocase(name, str_of(names[i]))) {
            *out = (enum coding)i;
            return true;
        }
    return false;
}

struct unpacker *unpacker_new(void)
{
    return xcalloc(1, sizeof(struct unpacker));
}

void unpacker_free(struct unpacker *u)
{
    if (!u)
        return;
    if (u->inflating)
        inflateEnd(&u->inflate);
    ZSTD_freeDCtx(u->zstd);
    free(u);
}

static enum unpacked broken(struct err *err, enum coding coding,
                            const char *why)
{
    err_set(err, ERR_INPUT, "is not whole %s: %s", names[coding], why);
    return UNPACK_BROKEN;
}

static enum unpacked too_large(struct err *err, size_t bytes_max)
{
    err_set(err, ERR_INPUT, "holds more than %zu bytes unpacked", bytes_max);
    return UNPACK_TOO_LARGE;
}

/* How much may be written next, behind out: one byte more than is left of the
 * bound, which tells a text that fits from one that goes on. */
static size_t step(struct buf *out, size_t end)
{
    size_t left = end - out->n, n = out->n;

    n = n < STEP_BYTES ? STEP_BYTES : n > STEP_BYTES_MAX ? STEP_BYTES_MAX : n;
    n = n < left ? n : left;
    buf_reserve(out, n);
    return n;
}

/* --- gzip and deflate ----------------------------------------------------- */

/* RFC 1950 2.2: the method is 8, the window at most 32 KiB, and the two bytes
 * as a number divide by 31. */
static bool zlib_header(struct str s)
{
    unsigned first, second;

    if (s.n < 2)
        return true;
    first = (unsigned char)s.p[0];
    second = (unsigned char)s.p[1];
    return (first & 0x0f) == 8 && first >> 4 <= 7 &&
           (first << 8 | second) % 31 == 0;
}

/* What zlib calls the wrapping of the stream. */
static int window_bits(enum coding coding, struct str packed)
{
    if (coding == CODING_GZIP)
        return MAX_WBITS + 16;
    return zlib_header(packed) ? MAX_WBITS : -MAX_WBITS;
}

static void inflate_begin(struct unpacker *u, int bits, struct str packed)
{
    int code =
        u->inflating ? inflateReset2(&u->inflate, bits) : Z_VERSION_ERROR;

    if (!u->inflating) {
        code = inflateInit2(&u->inflate, bits);
        u->inflating = true;
    }
    if (code != Z_OK)
        abort(); /* out of memory */
    u->inflate.next_in = (z_const Bytef *)(uintptr_t)packed.p;
    u->inflate.avail_in = (uInt)packed.n;
}

/* One call of inflate, its output appended. */
static int inflate_step(z_stream *z, struct buf *out, size_t end)
{
    size_t n = step(out, end);

    z->next_out = (Bytef *)out->p + out->n;
    z->avail_out = (uInt)n;
    int code = inflate(z, Z_NO_FLUSH);
    out->n += n - z->avail_out;
    out->p[out->n] = '\0';
    return code;
}

static enum unpacked unpack_zlib(struct unpacker *u, enum coding coding,
                                 struct str packed, size_t bytes_max,
                                 struct buf *out, struct err *err)
{
    z_stream *z = &u->inflate;
    size_t limit = out->n + bytes_max;

    inflate_begin(u, window_bits(coding, packed), packed);
    for (;;) {
        int code = inflate_step(z, out, limit + 1);
        if (out->n > limit)
            return too_large(err, bytes_max);
        if (code == Z_STREAM_END && z->avail_in == 0)
            return UNPACKED;
        if (code == Z_STREAM_END && coding == CODING_GZIP)
            code = inflateReset(z); /* the next member */
        else if (code == Z_STREAM_END)
            return broken(err, coding, "something stands behind its end");
        if (code == Z_MEM_ERROR)
            abort();
        if (code == Z_BUF_ERROR ||
            (code == Z_OK && z->avail_in == 0 && z->avail_out > 0))
            return broken(err, coding, "it is cut off");
        if (code != Z_OK)
            return broken(err, coding, z->msg ? z->msg : "no such stream");
    }
}

/* --- zstd ----------------------------------------------------------------- */

static void zstd_begin(struct unpacker *u)
{
    size_t code;

    if (!u->zstd)
        u->zstd = ZSTD_createDCtx();
    if (!u->zstd)
        abort();
    code = ZSTD_DCtx_reset(u->zstd, ZSTD_reset_session_only);
    assert(!ZSTD_isError(code));
    code = ZSTD_DCtx_setParameter(u->zstd, ZSTD_d_windowLogMax, WINDOW_LOG_MAX);
    assert(!ZSTD_isError(code));
}

/* One call of the decoder, its output appended; its code. *full: there may be
 * more without reading on. */
static size_t zstd_step(struct unpacker *u, ZSTD_inBuffer *in, struct buf *out,
                        size_t end, bool *full)
{
    size_t n = step(out, end);
    ZSTD_outBuffer to = {out->p + out->n, n, 0};
    size_t code = ZSTD_decompressStream(u->zstd, &to, in);

    if (ZSTD_getErrorCode(code) == ZSTD_error_memory_allocation)
        abort();
    out->n += to.pos;
    out->p[out->n] = '\0';
    *full = to.pos == n;
    return code;
}

static enum unpacked zstd_frames(struct unpacker *u, struct str packed,
                                 size_t bytes_max, struct buf *out,
                                 struct err *err)
{
    ZSTD_inBuffer in = {packed.p, packed.n, 0};
    size_t limit = out->n + bytes_max;
    bool full;

    for (;;) {
        size_t code = zstd_step(u, &in, out, limit + 1, &full);
        if (ZSTD_isError(code))
            return broken(err, CODING_ZSTD, ZSTD_getErrorName(code));
        if (out->n > limit)
            return too_large(err, bytes_max);
        if (in.pos < in.size)
            continue;
        if (code == 0)
            return UNPACKED;
        if (!full)
            return broken(err, CODING_ZSTD, "it is cut off");
    }
}

static enum unpacked unpack_zstd(struct unpacker *u, struct str packed,
                                 size_t bytes_max, struct buf *out,
                                 struct err *err)
{
    zstd_begin(u);
    enum unpacked result = zstd_frames(u, packed, bytes_max, out, err);
    if (ZSTD_sizeof_DCtx(u->zstd) > ZSTD_KEEP_BYTES) {
        ZSTD_freeDCtx(u->zstd); /* a frame with a large window came by */
        u->zstd = NULL;
    }
    return result;
}

/* --- snappy --------------------------------------------------------------- */

static enum unpacked unpack_snappy(struct str packed, size_t bytes_max,
                                   struct buf *out, struct err *err)
{
    size_t n;

    if (snappy_uncompressed_length(packed.p, packed.n, &n) != SNAPPY_OK ||
        n / SNAPPY_RATIO_MAX > packed.n)
        return broken(err, CODING_SNAPPY, "its length cannot be true");
    if (n > bytes_max)
        return too_large(err, bytes_max);
    buf_reserve(out, n);
    if (snappy_uncompress(packed.p, packed.n, out->p + out->n, &n) != SNAPPY_OK)
        return broken(err, CODING_SNAPPY, "its bytes are damaged");
    out->n += n;
    out->p[out->n] = '\0';
    return UNPACKED;
}

/* -------------------------------------------------------------------------- */

enum unpacked unpack(struct unpacker *u, enum coding coding, struct str packed,
                     size_t bytes_max, struct buf *out, struct err *err)
{
    if (packed.n > UINT32_MAX)
        return too_large(err, bytes_max); /* beyond zlib's counters */
    switch (coding) {
    case CODING_IDENTITY:
        if (packed.n > bytes_max)
            return too_large(err, bytes_max);
        buf_add_str(out, packed);
        return UNPACKED;
    case CODING_GZIP:
    case CODING_DEFLATE:
        return unpack_zlib(u, coding, packed, bytes_max, out, err);
    case CODING_ZSTD:
        return unpack_zstd(u, packed, bytes_max, out, err);
    case CODING_SNAPPY:
        return unpack_snappy(packed, bytes_max, out, err);
    case CODING_COUNT:
        break;
    }
    abort(); /* our bug */
}
