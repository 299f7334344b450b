/* SPDX-License-Identifier: Apache-2.0 */
/* series_book.h - the plainest way from a series to its number: a hash table
 * of all there are, and store.series_ids for what is not in it. Fills a
 * metric's or a telemetry's samples. */
#ifndef BENCH_SERIES_BOOK_H
#define BENCH_SERIES_BOOK_H

#include <libpq-fe.h>

#include "common/pulse/record.h"

struct series_book;
struct series_book *series_book_new(PGconn *pg);
void series_book_free(struct series_book *b);

struct sample {
    int64_t series, time_us;
    double value;
};
enum { SAMPLES_MAX = 16 };
/* The record's samples; > 0 each series. Returns how many. */
size_t series_book_samples(struct series_book *b, const struct record *r,
                           struct sample out[SAMPLES_MAX]);

#endif
