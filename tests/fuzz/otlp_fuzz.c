/* SPDX-License-Identifier: Apache-2.0 */
/* Foreign OTLP in protobuf: see otlp_body.h. */
#include "tests/fuzz/otlp_body.h"

static struct otlp_fuzz fuzz;

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    AUTO_RELEASE(buf) out = {0};
    struct str text = {(const char *)data, size};

    fuzz_begin(&fuzz);
    fuzz_body(&fuzz, text, "application/x-protobuf", size & 1, &out);
    return 0;
}
