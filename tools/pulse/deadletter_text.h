/* SPDX-License-Identifier: Apache-2.0 */
/* deadletter_text.h - a letter's parts for people and for tools. */
#ifndef TOOLS_PULSE_DEADLETTER_TEXT_H
#define TOOLS_PULSE_DEADLETTER_TEXT_H

#include "tools/pulse/deadletter_plan.h"

/* True: text of printable characters, tabs and line ends. */
bool is_printable(struct str bytes);
/* Text as it is; else hex, cut at 1 KiB. */
void payload_text(struct str bytes, struct buf *out);
/* The record of an Avro message as JSON; false: it is none. */
bool payload_record(struct record_codec *codec, struct arena *a,
                    struct str bytes, struct buf *out);
/* "2026-01-31T12:00:00.123456Z", or "" for 0. */
void time_text(int64_t us, struct buf *out);
/* One JSON object with every column; plan may be NULL. */
void deadletter_json(const struct deadletter *l, const struct planner *p,
                     const struct plan *plan, struct buf *out);
/* "sends 2 records to pulse.metrics", or "is refused: code: why". */
void plan_text(const struct plan *plan, struct buf *out);

#endif
