/* SPDX-License-Identifier: Apache-2.0 */
/* Foreign text: numbers agree with the C library, UTF-8 is what yyjson takes
 * for it, fields put together again are the text. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <yyjson.h>

#include "common/buf.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check(bool good)
{
    if (!good)
        abort();
}

static void numbers(struct str text)
{
    int64_t whole;
    double real;
    char *copy = str_dup(text), *end;
    if (str_to_i64(text, &whole)) {
        check(whole == strtoll(copy, &end, 10) && *end == '\0');
        /* Only a text that is nearly all zeros is too long for a double. */
        check(text.n >= 400 ||
              (str_to_double(text, &real) && real == (double)whole));
    }
    if (str_to_double(text, &real))
        check(isfinite(real) && real == strtod(copy, &end) && *end == '\0');
    free(copy);
}

/* As a JSON string without escapes, controls and quotes. */
static void utf8(struct str text)
{
    AUTO_RELEASE(buf) quoted = {0};
    buf_add_char(&quoted, '"');
    for (size_t i = 0; i < text.n; i++) {
        unsigned char c = (unsigned char)text.p[i];
        buf_add_char(&quoted, c < ' ' || c == '"' || c == '\\' ? '.' : (char)c);
    }
    buf_add_char(&quoted, '"');
    yyjson_doc *doc = yyjson_read(quoted.p, quoted.n, YYJSON_READ_NOFLAG);
    check((doc != NULL) == str_utf8_valid(text));
    yyjson_doc_free(doc);
}

static void fields(struct str text)
{
    AUTO_RELEASE(buf) joined = {0};
    struct str rest = text, field;
    int count = 0;
    while (str_next(&rest, ',', &field)) {
        if (count++ > 0)
            buf_add_char(&joined, ',');
        buf_add_str(&joined, field);
    }
    check(str_eq(buf_str(&joined), text));
    struct str trimmed = str_trim(text);
    check(trimmed.n <= text.n && str_trim(trimmed).n == trimmed.n);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct str text = {(const char *)data, size};
    numbers(text);
    utf8(text);
    fields(text);
    return 0;
}
