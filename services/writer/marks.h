/* SPDX-License-Identifier: Apache-2.0 */
/* marks.h - rollup marks: rows older than what is rolled up already have their
 * buckets made again. */
#ifndef WRITER_MARKS_H
#define WRITER_MARKS_H

#include "common/pg.h"
#include "services/writer/batch.h"

struct marks {
    int64_t rows;    /* inserted, older than the rollups */
    int64_t buckets; /* marked for them: a minute of a series each */
};

/* The last statements of a transaction before COMMIT: the rollup job waits for
 * whoever is between them and its end. Fills *out. */
bool marks_write(struct batch *b, struct pg *pg, struct marks *out,
                 struct err *err) MUST_USE;

#endif
