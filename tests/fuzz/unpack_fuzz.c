/* SPDX-License-Identifier: Apache-2.0 */
/* Foreign packed bytes; the first says which coding, and how tight the bound
 * is. What comes out keeps within it, and comes out again the same. */
#include <stdlib.h>

#include "common/unpack.h"

static struct unpacker *unpacker;

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check(bool good)
{
    if (!good)
        abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    AUTO_RELEASE(buf) once = {0};
    AUTO_RELEASE(buf) twice = {0};
    struct err err = {0};

    if (size == 0)
        return 0;
    if (!unpacker)
        unpacker = unpacker_new();
    enum coding coding = (enum coding)(data[0] % CODING_COUNT);
    size_t max = data[0] & 0x80 ? 100 : 1 << 20;
    struct str packed = {(const char *)data + 1, size - 1};
    enum unpacked result = unpack(unpacker, coding, packed, max, &once, &err);
    check((result == UNPACKED) == (err.kind == ERR_NONE));
    if (result != UNPACKED)
        return 0;
    check(once.n <= max);
    check(unpack(unpacker, coding, packed, once.n, &twice, &err) == UNPACKED);
    check(str_eq(buf_str(&once), buf_str(&twice)));
    return 0;
}
