/* SPDX-License-Identifier: Apache-2.0 */
/* raw.h - a message of any kind as a JSON object for the archive. */
#ifndef WRITER_RAW_H
#define WRITER_RAW_H

#include "common/arena.h"
#include "common/buf.h"

/* Replaces out by a JSON object that PostgreSQL takes: the payload itself if
 * it is one, else {"text": …} of UTF-8 without NUL, else {"base64": …}. A null
 * payload is {"text": null}. a is used for parsing. */
void raw_json(struct str payload, struct arena *a, struct buf *out);

#endif
