/* SPDX-License-Identifier: Apache-2.0 */
/* avro.h - Avro single-object encoding (Avro 1.12 specification): C3 01, the
 * schema's CRC-64-AVRO fingerprint little-endian, the body. avro_cursor.h
 * reads bodies, avro_put.h writes them. */
#ifndef COMMON_AVRO_H
#define COMMON_AVRO_H

#include "common/str.h"

/* A field of a record. */
struct avro_field {
    const char *name;
    const char *type; /* its parsing canonical form: "\"string\"" */
};

/* One known schema, a record; made at build time from an .avsc (build/gen). */
struct avro_def {
    const char *name;                /* "Metric" */
    int version;                     /* 1, 2, … */
    const char *json;                /* the .avsc text */
    const char *canonical;           /* its parsing canonical form */
    uint64_t fingerprint;            /* CRC-64-AVRO of canonical */
    const struct avro_field *fields; /* in the order they travel */
    size_t field_count;
};

enum { AVRO_HEADER_BYTES = 10 };

/* The CRC-64-AVRO fingerprint of bytes (specification, "Schema
 * Fingerprints"). */
uint64_t avro_fingerprint(struct str canonical_form);
/* The header of a schema's messages. */
void avro_header(char out[AVRO_HEADER_BYTES], uint64_t fingerprint);
/* Reads header. False: too short or no single-object encoding. */
bool avro_peek(struct str message, uint64_t *fingerprint, struct str *body)
    MUST_USE;

#endif
