/* SPDX-License-Identifier: Apache-2.0 */
/* remote_write.h - remote write requests byte by byte, good ones and others. */
#ifndef TEST_REMOTE_WRITE_H
#define TEST_REMOTE_WRITE_H

#include <string.h>

#include "common/buf.h"

enum { WIRE_VARINT = 0, WIRE_DOUBLE = 1, WIRE_BYTES = 2 };

static inline void rw_varint(struct buf *out, uint64_t n)
{
    for (; n > 0x7f; n >>= 7)
        buf_add_char(out, (char)(n | 0x80));
    buf_add_char(out, (char)n);
}

static inline void rw_tag(struct buf *out, unsigned field, unsigned wire)
{
    rw_varint(out, field << 3 | wire);
}

static inline void rw_bytes(struct buf *out, unsigned field, struct str s)
{
    rw_tag(out, field, WIRE_BYTES);
    rw_varint(out, s.n);
    buf_add_str(out, s);
}

/* Of a TimeSeries. */
static inline void rw_label(struct buf *series, struct str name,
                            struct str value)
{
    AUTO_RELEASE(buf) label = {0};

    rw_bytes(&label, 1, name);
    rw_bytes(&label, 2, value);
    rw_bytes(series, 1, buf_str(&label));
}

static inline void rw_sample(struct buf *series, double value, int64_t ms)
{
    AUTO_RELEASE(buf) sample = {0};

    rw_tag(&sample, 1, WIRE_DOUBLE);
    buf_add(&sample, &value, sizeof value); /* little-endian, as we are */
    rw_tag(&sample, 2, WIRE_VARINT);
    rw_varint(&sample, (uint64_t)ms);
    rw_bytes(series, 2, buf_str(&sample));
}

/* Appends the series to the request. */
static inline void rw_series(struct buf *request, const struct buf *series)
{
    rw_bytes(request, 1, buf_str(series));
}

#endif
