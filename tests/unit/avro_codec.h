/* SPDX-License-Identifier: Apache-2.0 */
/* avro_codec.h - libavro, the oracle of our own reader and writer: one value of
 * one schema. A walker checks foreign bytes first, because libavro's decoder
 * allocates what the bytes claim. */
#ifndef TESTS_AVRO_CODEC_H
#define TESTS_AVRO_CODEC_H

#include <avro.h>

#include "common/avro.h"
#include "common/buf.h"
#include "common/err.h"

struct avro_codec;
/* The schema is def->json; ERR_FATAL if it is none. */
struct avro_codec *avro_codec_new(const struct avro_def *def, struct err *err)
    MUST_USE;
void avro_codec_free(struct avro_codec *c);
DEFINE_AUTO(avro_codec)
/* The codec's one value, reset: fill it by libavro's setters, then encode. */
avro_value_t *avro_codec_value(struct avro_codec *c);
/* The value as the last avro_decode left it. */
const avro_value_t *avro_codec_decoded(const struct avro_codec *c);
/* Appends header and body of the codec's value. False: a field was not set
 * (ERR_FATAL; out is as before). Texts given by avro_wrapped_buffer are read
 * here and never again. */
bool avro_encode(struct avro_codec *c, struct buf *out, struct err *err)
    MUST_USE;
/* Decodes into the codec's value. ERR_INPUT on bad bytes. A map's key that
 * comes twice: the later one counts. */
bool avro_decode(struct avro_codec *c, struct str body, struct err *err)
    MUST_USE;

#endif
