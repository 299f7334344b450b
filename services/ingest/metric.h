/* SPDX-License-Identifier: Apache-2.0 */
/* metric.h - {name, value, labels?, source?, timestamp?} to a metric record. */
#ifndef INGEST_METRIC_H
#define INGEST_METRIC_H

#include "common/pulse/record.h"
#include "services/ingest/check.h"

/* False: c->fault says why. The record points into v and c's arena; its
 * time_us may be CHECK_NO_TIME. A source becomes label source, a device-bound
 * key's device becomes label device_id, each where there is none. */
bool metric_parse(struct check *c, yyjson_val *v, struct record *out) MUST_USE;

#endif
