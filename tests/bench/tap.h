/* SPDX-License-Identifier: Apache-2.0 */
/* tap.h - reads a topic of the benchmark's from given offsets to its present
 * end, by librdkafka alone, with the fetch settings that pulse-writer has. */
#ifndef BENCH_TAP_H
#define BENCH_TAP_H

#include <librdkafka/rdkafka.h>

#include "common/str.h"

struct tap;

/* from: "0:17,1:0": where each partition begins. Exits on failure. */
struct tap *tap_open(const char *brokers, const char *name, const char *from);
void tap_close(struct tap *t);
/* The next message, the caller destroys it; NULL at the end of all. */
rd_kafka_message_t *tap_next(struct tap *t);

#endif
