/* SPDX-License-Identifier: Apache-2.0 */
/* topics.h - what the writer reads: Pulse's own topics, then those it archives
 * as they are (PULSE_RAW_TOPICS). */
#ifndef WRITER_TOPICS_H
#define WRITER_TOPICS_H

#include "common/err.h"
#include "common/pulse/topology.h"
#include "common/str.h"

enum { RAW_TOPICS_MAX = 16, TOPICS_MAX = TOPIC_COUNT + RAW_TOPICS_MAX };

struct topics {
    const char *names[TOPICS_MAX]; /* by enum topic, the raw ones behind */
    size_t count;
    char *raw; /* owns their names */
};

/* raw: names separated by commas; "": none. False and *err (ERR_INPUT): a name
 * that is none, Pulse's own, there twice, or one too many. */
bool topics_init(struct topics *t, const char *raw, struct err *err) MUST_USE;
void topics_release(struct topics *t);

#endif
