/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/unit/avro_codec.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "tests/unit/avro_walk.h"

struct avro_codec {
    const struct avro_def *def;
    avro_schema_t schema;
    avro_value_iface_t *iface;
    avro_value_t value;
    avro_reader_t reader;
    avro_writer_t writer;
};

struct avro_codec *avro_codec_new(const struct avro_def *def, struct err *err)
{
    assert(avro_fingerprint(str_of(def->canonical)) == def->fingerprint);
    AUTO(avro_codec) c = xcalloc(1, sizeof *c);
    c->def = def;
    if (avro_schema_from_json_length(def->json, strlen(def->json),
                                     &c->schema) != 0) {
        err_set(err, ERR_FATAL, "schema %s version %d does not parse",
                def->name, def->version);
        return NULL;
    }
    c->iface = avro_generic_class_from_schema(c->schema);
    c->reader = avro_reader_memory("", 0);
    c->writer = avro_writer_memory("", 0);
    if (c->iface == NULL || c->reader == NULL || c->writer == NULL ||
        avro_generic_value_new(c->iface, &c->value) != 0) {
        err_set(err, ERR_FATAL, "libavro cannot represent schema %s",
                def->name);
        return NULL;
    }
    return MOVE(c);
}

void avro_codec_free(struct avro_codec *c)
{
    if (c == NULL) {
        return;
    }
    if (c->value.iface != NULL) {
        avro_value_decref(&c->value);
    }
    if (c->writer != NULL) {
        avro_writer_free(c->writer);
    }
    if (c->reader != NULL) {
        avro_reader_free(c->reader);
    }
    if (c->iface != NULL) {
        avro_value_iface_decref(c->iface);
    }
    if (c->schema != NULL) {
        avro_schema_decref(c->schema);
    }
    free(c);
}

avro_value_t *avro_codec_value(struct avro_codec *c)
{
    avro_value_reset(&c->value);
    return &c->value;
}

const avro_value_t *avro_codec_decoded(const struct avro_codec *c)
{
    return &c->value;
}

bool avro_encode(struct avro_codec *c, struct buf *out, struct err *err)
{
    size_t before = out->n, size = 0;
    /* Sized exactly first, so the writer never runs out of room. */
    int failed = avro_value_sizeof(&c->value, &size);
    if (!failed) {
        char header[AVRO_HEADER_BYTES];
        avro_header(header, c->def->fingerprint);
        buf_add(out, header, sizeof header);
        avro_writer_memory_set_dest(c->writer, buf_reserve(out, size),
                                    (int64_t)size);
        failed = avro_value_write(c->writer, &c->value);
    }
    if (failed) {
        out->n = before;
        err_set(err, ERR_FATAL, "a field of %s was not set", c->def->name);
        return false;
    }
    assert((size_t)avro_writer_tell(c->writer) == size);
    out->n += size;
    return true;
}

bool avro_decode(struct avro_codec *c, struct str body, struct err *err)
{
    size_t at;
    const char *wrong = avro_walk(c->schema, body, &at);
    if (wrong != NULL) {
        err_set(err, ERR_INPUT, "bad %s at byte %zu: %s", c->def->name, at,
                wrong);
        return false;
    }
    avro_reader_memory_set_source(c->reader, body.p, (int64_t)body.n);
    if (avro_value_read(c->reader, &c->value) != 0) {
        err_set(err, ERR_INPUT, "libavro cannot decode this as %s",
                c->def->name);
        return false;
    }
    return true;
}
