/* SPDX-License-Identifier: Apache-2.0 */
/* fault.h - why a record or body was rejected: a stable code, the field, a
 * sentence. docs/errors.md explains each code. */
#ifndef COMMON_PULSE_FAULT_H
#define COMMON_PULSE_FAULT_H

#include "common/arena.h"
#include "common/str.h"

enum fault_code {
    FAULT_NONE,
    FAULT_MALFORMED_ENCODING,
    FAULT_MALFORMED_JSON,
    FAULT_MALFORMED_LINE,
    FAULT_MALFORMED_PROTOBUF,
    FAULT_UNPACKED_TOO_LARGE,
    FAULT_INVALID_UTF8,
    FAULT_DUPLICATE_KEY,
    FAULT_MISSING_FIELD,
    FAULT_WRONG_TYPE,
    FAULT_EMPTY_TEXT,
    FAULT_TEXT_TOO_LONG,
    FAULT_NUL_CHARACTER,
    FAULT_TOO_MANY_LABELS,
    FAULT_TOO_MANY_FIELDS,
    FAULT_UNKNOWN_KIND,
    FAULT_NOT_FINITE,
    FAULT_INVALID_HISTOGRAM,
    FAULT_INVALID_TIME,
    FAULT_TIME_TOO_OLD,
    FAULT_TIME_TOO_NEW,
    FAULT_DEVICE_MISMATCH,
    FAULT_RECORD_TOO_LARGE,
    FAULT_NATIVE_HISTOGRAM,
    FAULT_COUNT,
};

struct fault {
    enum fault_code code;
    struct str field;   /* "labels.host"; p == NULL: the record as a whole */
    struct str message; /* a sentence, without the sender's values */
};

/* As it stands in answers, dead letters and metrics: "time_too_old". */
const char *fault_name(enum fault_code code);
/* Fills f; texts live in a. Returns false, to be returned on. */
bool fault_set(struct fault *f, struct arena *a, enum fault_code code,
               struct str field, const char *format, ...) PRINTF_LIKE(5, 6);

#endif
