/* SPDX-License-Identifier: Apache-2.0 */
/* ledger.h - what became of every message, added up per partition and hour in
 * the batch's transaction: consumed = stored + duplicate + dead + gap. */
#ifndef WRITER_LEDGER_H
#define WRITER_LEDGER_H

#include "common/claim.h"
#include "services/writer/batch.h"

/* For the held slices; every message of theirs must have its verdict. */
bool ledger_write(const struct batch *b, const struct claims *claims,
                  struct pg *pg, struct err *err) MUST_USE;

#endif
