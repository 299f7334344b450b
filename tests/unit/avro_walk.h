/* SPDX-License-Identifier: Apache-2.0 */
/* avro_walk.h - checks foreign Avro bytes against a schema, without allocating:
 * libavro's decoder believes every length and count it reads. */
#ifndef TESTS_AVRO_WALK_H
#define TESTS_AVRO_WALK_H

#include <avro.h>

#include "common/str.h"

/*
 * NULL if body is exactly one value of schema; else what is wrong and, in *at,
 * the byte where it shows. Every length and count is compared with the bytes
 * that are there; texts are UTF-8 without NUL; numbers, booleans, enums and
 * union branches are in range; nesting is bounded and nothing is left over.
 * Items of arrays have at least one byte: an array of nulls, which can claim
 * any count, is refused.
 */
const char *avro_walk(avro_schema_t schema, struct str body, size_t *at)
    MUST_USE;

#endif
