/* SPDX-License-Identifier: Apache-2.0 */
/* letters.h - the batch's dead letters: those that came by pulse.deadletter,
 * and those the writer makes of messages it cannot store. */
#ifndef WRITER_LETTERS_H
#define WRITER_LETTERS_H

#include "common/pg.h"
#include "services/writer/batch.h"
#include "services/writer/stats.h"

/* After all tables: verdicts stand. Letters of pulse.deadletter become
 * VERDICT_STORED. */
bool letters_write(struct batch *b, struct pg *pg, struct err *err) MUST_USE;
/* After COMMIT: counts and logs. */
void letters_committed(const struct batch *b, struct stats *stats);

#endif
