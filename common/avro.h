/* SPDX-License-Identifier: Apache-2.0 */
/* avro.h - Avro single-object encoding (Avro 1.12 specification): C3 01, the
 * schema's CRC-64-AVRO fingerprint little-endian, the body. Encodes and
 * decodes with libavro; a walker checks foreign bytes first, because
 * libavro's decoder allocates what the bytes claim. Where decoding has to be
 * fast, avro_cursor.h reads without libavro. */
#ifndef COMMON_AVRO_H
#define COMMON_AVRO_H

#include <avro.h>

#include "common/buf.h"
#include "common/err.h"

/* One known schema; made at build time from an .avsc (build/gen). */
struct avro_def {
    const char *name;      /* "Metric" */
    int version;           /* 1, 2, … */
    const char *json;      /* the .avsc text */
    const char *canonical; /* its parsing canonical form */
    uint64_t fingerprint;  /* CRC-64-AVRO of canonical */
};

/* The CRC-64-AVRO fingerprint of bytes (specification, "Schema
 * Fingerprints"). */
uint64_t avro_fingerprint(struct str canonical_form);

/* One schema; one codec per thread: nothing in it is shared, and libavro's
 * error text, which is (Debian builds it without threads), is never asked. */
struct avro_codec;
struct avro_codec *avro_codec_new(const struct avro_def *def, struct err *err)
    MUST_USE;
void avro_codec_free(struct avro_codec *c);
DEFINE_AUTO(avro_codec)
/* The codec's one value, reset: fill it by libavro's setters, then encode. */
avro_value_t *avro_codec_value(struct avro_codec *c);
/* The value as the last avro_decode left it. */
const avro_value_t *avro_codec_decoded(const struct avro_codec *c);
/* Appends header and body of the codec's value. False: a field was not set
 * (our bug, reported as ERR_FATAL; out is as before). Texts given by
 * avro_wrapped_buffer are read here and never again. */
bool avro_encode(struct avro_codec *c, struct buf *out, struct err *err)
    MUST_USE;
/* Reads header. False: too short or no single-object encoding. */
bool avro_peek(struct str message, uint64_t *fingerprint, struct str *body)
    MUST_USE;
/* Checks body against the schema without allocating: bounds, counts, UTF-8,
 * union branches, nothing left over. */
bool avro_check(const struct avro_codec *c, struct str body, struct err *err)
    MUST_USE;
/* avro_check, then decodes into the codec's value. ERR_INPUT on bad bytes. A
 * map's key that comes twice: the later one counts. */
bool avro_decode(struct avro_codec *c, struct str body, struct err *err)
    MUST_USE;

#endif
