/* SPDX-License-Identifier: Apache-2.0 */
/* metrics.h - counters, gauges and histograms, written as Prometheus text
 * (exposition format 0.0.4). Updating is lock-free from any thread. */
#ifndef COMMON_METRICS_H
#define COMMON_METRICS_H

#include "common/buf.h"

struct metrics; /* registering takes a lock: any thread, but keep the result */
struct counter;
struct gauge;
struct histogram;

struct metrics *metrics_new(void) MUST_USE;
void metrics_free(struct metrics *m);
DEFINE_AUTO(metrics)

/* Labels are pairs ending with NULL: metrics_counter(m, "x_total", "What.",
 * "topic", "a", NULL). Same name and labels: the same metric. Names are our
 * own constants (checked by assert); label values may be anything. */
struct counter *metrics_counter(struct metrics *m, const char *name,
                                const char *help, ...)
    __attribute__((sentinel));
struct gauge *metrics_gauge(struct metrics *m, const char *name,
                            const char *help, ...) __attribute__((sentinel));
/* Bucket limits are first times 1, 3, 10, 30 … up to last: two a decade, so
 * one definition fits µs to minutes. */
struct histogram *metrics_histogram(struct metrics *m, const char *name,
                                    const char *help, double first, double last,
                                    ...) __attribute__((sentinel));
/* fn is asked when the text is written, in the admin thread. Whoever owns arg
 * calls metrics_gauge_fn_end before it goes, holding no lock that fn takes:
 * then no function with this arg runs any more, and its gauges are left out. */
void metrics_gauge_fn(struct metrics *m, const char *name, const char *help,
                      double (*fn)(void *arg), void *arg);
void metrics_gauge_fn_end(struct metrics *m, const void *arg);

void counter_add(struct counter *c, uint64_t n);
uint64_t counter_get(const struct counter *c);
void gauge_set(struct gauge *g, double value);
void gauge_add(struct gauge *g, double delta);
double gauge_get(const struct gauge *g);
void histogram_observe(struct histogram *h, double value);

/* All of it, the process (process.h) and the log events counted. */
void metrics_write(struct metrics *m, struct buf *out);

#endif
