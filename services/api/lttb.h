/* SPDX-License-Identifier: Apache-2.0 */
/* lttb.h - Largest-Triangle-Three-Buckets: fewer points, the same picture.
 * Sveinn Steinarsson, "Downsampling Time Series for Visual Representation",
 * University of Iceland 2013, section 4.2. Pure. */
#ifndef SERVICES_API_LTTB_H
#define SERVICES_API_LTTB_H

#include "common/base.h"

struct point {
    int64_t time_us;
    double value;
};

/* Keeps at most `most` of count points (in order of time), in place; always the
 * first and the last. most >= 2. Returns how many are left. */
size_t lttb(struct point *points, size_t count, size_t most);

#endif
