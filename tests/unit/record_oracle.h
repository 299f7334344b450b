/* SPDX-License-Identifier: Apache-2.0 */
/* record_oracle.h - records by libavro: what record_encode and record_decode,
 * which do without, must agree with. */
#ifndef TESTS_RECORD_ORACLE_H
#define TESTS_RECORD_ORACLE_H

#include "common/pulse/record.h"

struct oracle;
struct oracle *oracle_new(void) MUST_USE;
void oracle_free(struct oracle *o);
DEFINE_AUTO(oracle)
/* False: the record is none that may be encoded. */
bool oracle_encode(struct oracle *o, const struct record *r, struct buf *out);
/* False: the message is none. Everything in *r is copied into a. */
bool oracle_decode(struct oracle *o, struct str message, struct arena *a,
                   struct record *r);
/* Encodes by both; aborts unless both refuse it, or write the same bytes. */
void oracle_compare_encoding(struct oracle *o, struct record_codec *codec,
                             const struct record *r);
/* Decodes by both; aborts unless both refuse it, or both read the same. */
void oracle_compare(struct oracle *o, struct record_codec *codec,
                    struct str message, struct arena *a);

#endif
