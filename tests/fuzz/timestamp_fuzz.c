/* SPDX-License-Identifier: Apache-2.0 */
/* Foreign times: what parses must, written again, parse to the same time. */
#include <stdlib.h>
#include <string.h>

#include "common/timestamp.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_us(int64_t us)
{
    char text[TIMESTAMP_MAX];
    int64_t back = -1;
    timestamp_format(us, text);
    if (!timestamp_parse(str_of(text), &back) || back != us)
        abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct str text = {(const char *)data, size};
    int64_t us, whole;
    double real;
    if (timestamp_parse(text, &us))
        check_us(us);
    if (str_to_i64(text, &whole) && timestamp_from_epoch(whole, &us))
        check_us(us);
    if (str_to_double(text, &real) && timestamp_from_epoch_real(real, &us))
        check_us(us);
    if (size >= sizeof real) {
        memcpy(&real, data, sizeof real);
        if (timestamp_from_epoch_real(real, &us))
            check_us(us);
    }
    return 0;
}
