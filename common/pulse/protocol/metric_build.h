/* SPDX-License-Identifier: Apache-2.0 */
/* metric_build.h - labels, a name, a value and a time to a metric record: where
 * the metrics of every protocol are judged. */
#ifndef COMMON_PULSE_PROTOCOL_METRIC_BUILD_H
#define COMMON_PULSE_PROTOCOL_METRIC_BUILD_H

#include "common/pulse/check.h"
#include "common/pulse/record.h"

/* One set of labels and the records that have it. Texts are not copied. */
struct metric_build {
    struct check *check; /* its fault says what is bad */
    struct label *labels;
    size_t count;
    bool utf8; /* the caller knows that all texts are; set after metric_begin */
    bool sealed;
};

/* Room for labels_max labels; the key's device_id comes on top. */
void metric_begin(struct metric_build *b, struct check *c, size_t labels_max);
/* Not after metric_finish. */
bool metric_label(struct metric_build *b, struct str name, struct str value)
    MUST_USE;
/* Judges the set of labels (check_labels), name, value and time; time_us may be
 * CHECK_NO_TIME. May be called again for another record with these labels. */
bool metric_finish(struct metric_build *b, struct str name, double value,
                   int64_t time_us, struct record *out) MUST_USE;

#endif
