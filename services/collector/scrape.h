/* SPDX-License-Identifier: Apache-2.0 */
/* scrape.h - every target's /metrics and /readyz, asked at once. */
#ifndef SERVICES_COLLECTOR_SCRAPE_H
#define SERVICES_COLLECTOR_SCRAPE_H

#include "common/fetch.h"
#include "common/pulse/target.h"
#include "services/collector/sample.h"

struct scraper; /* one thread */
struct scraper *scraper_new(const struct targets *targets, int64_t timeout_ms,
                            size_t series_max) MUST_USE;
void scraper_free(struct scraper *s);
DEFINE_AUTO(scraper)
/* Adds up (0 or 1), ready (0 or 1) and what /metrics says, labelled with the
 * service and host (the address). Histogram buckets are left out: a sum and a
 * count remain of each. Blocks at most the timeout. */
void scraper_run(struct scraper *s, struct samples *out);
uint64_t scraper_dropped(const struct scraper *s); /* series, ever */

#endif
