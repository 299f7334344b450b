/* SPDX-License-Identifier: Apache-2.0 */
/* prometheus.h - Prometheus remote write 1.0: a WriteRequest, without its
 * snappy. A unit is a sample. docs/prometheus.md has the rules. */
#ifndef COMMON_PULSE_PROTOCOL_PROMETHEUS_H
#define COMMON_PULSE_PROTOCOL_PROMETHEUS_H

#include "common/pulse/protocol/protocol.h"

extern const struct protocol prometheus_protocol;

/* The content type is remote write 1.0's, or says nothing. */
bool prometheus_media(struct str content_type);
/* What a series that ends is sent as its last value; no other NaN is it. */
#define PROMETHEUS_STALE_BITS UINT64_C(0x7ff0000000000002)

#endif
