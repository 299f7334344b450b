/* SPDX-License-Identifier: Apache-2.0 */
#include "common/pulse/fault.h"

#include <assert.h>
#include <stdarg.h>
#include <stdio.h>

static const char *const names[FAULT_COUNT] = {
    [FAULT_NONE] = "none",
    [FAULT_MALFORMED_ENCODING] = "malformed_encoding",
    [FAULT_MALFORMED_JSON] = "malformed_json",
    [FAULT_MALFORMED_LINE] = "malformed_line",
    [FAULT_MALFORMED_PROTOBUF] = "malformed_protobuf",
    [FAULT_UNPACKED_TOO_LARGE] = "unpacked_too_large",
    [FAULT_INVALID_UTF8] = "invalid_utf8",
    [FAULT_DUPLICATE_KEY] = "duplicate_key",
    [FAULT_MISSING_FIELD] = "missing_field",
    [FAULT_WRONG_TYPE] = "wrong_type",
    [FAULT_EMPTY_TEXT] = "empty_text",
    [FAULT_TEXT_TOO_LONG] = "text_too_long",
    [FAULT_NUL_CHARACTER] = "nul_character",
    [FAULT_TOO_MANY_LABELS] = "too_many_labels",
    [FAULT_TOO_MANY_FIELDS] = "too_many_fields",
    [FAULT_UNKNOWN_KIND] = "unknown_kind",
    [FAULT_NOT_FINITE] = "not_finite",
    [FAULT_INVALID_HISTOGRAM] = "invalid_histogram",
    [FAULT_INVALID_TIME] = "invalid_time",
    [FAULT_TIME_TOO_OLD] = "time_too_old",
    [FAULT_TIME_TOO_NEW] = "time_too_new",
    [FAULT_DEVICE_MISMATCH] = "device_mismatch",
    [FAULT_RECORD_TOO_LARGE] = "record_too_large",
    [FAULT_NATIVE_HISTOGRAM] = "native_histogram",
};

const char *fault_name(enum fault_code code)
{
    assert(code < FAULT_COUNT && names[code]);
    return names[code];
}

bool fault_set(struct fault *f, struct arena *a, enum fault_code code,
               struct str field, const char *format, ...)
{
    char text[256];
    va_list args;

    va_start(args, format);
    int n = vsnprintf(text, sizeof text, format, args);
    va_end(args);
    assert(n >= 0);
    f->code = code;
    f->field = field.p ? arena_str(a, field) : field;
    f->message = arena_str(a, str_of(text));
    return false;
}
