/* SPDX-License-Identifier: Apache-2.0 */
/* record_oracle.h - decodes a record by libavro: what record_decode, which does
 * without, must agree with. */
#ifndef TESTS_RECORD_ORACLE_H
#define TESTS_RECORD_ORACLE_H

#include "common/pulse/record.h"

/* False: the message is none. Everything in *r is copied into a. */
bool oracle_decode(struct str message, struct arena *a, struct record *r);
/* Decodes by both; aborts unless both refuse it, or both read the same. */
void oracle_compare(struct record_codec *codec, struct str message,
                    struct arena *a);

#endif
