/* SPDX-License-Identifier: Apache-2.0 */
#include "common/base64.h"

#include <assert.h>

#include <openssl/evp.h>

enum { BYTES_MAX = 1 << 30 };

void base64_add(struct buf *out, struct str bytes)
{
    assert(bytes.n <= BYTES_MAX);
    char *to = buf_reserve(out, (bytes.n + 2) / 3 * 4 + 1); /* its own NUL */
    out->n += (size_t)EVP_EncodeBlock(
        (unsigned char *)to, (const unsigned char *)bytes.p, (int)bytes.n);
}
