/* SPDX-License-Identifier: Apache-2.0 */
/* order.h - puts a batch's samples in the order in which they are written: by
 * series, time, arrival. They come in the order of arrival, nearly that of
 * time, so a stable sort by series does most of it. */
#ifndef WRITER_ORDER_H
#define WRITER_ORDER_H

#include "services/writer/rows.h"

/* rows holds sample_rows with their numbers, in the order of arrival. */
void samples_order(struct rows *rows);
/* The same order, for qsort. */
int samples_compare(const void *a, const void *b);

#endif
