/* SPDX-License-Identifier: Apache-2.0 */
#include "common/pulse/fingerprint.h"

#include <arpa/inet.h>
#include <assert.h>
#include <openssl/evp.h>

enum { KEY_BYTES = 16 };

static void add(EVP_MD_CTX *digest, struct str s)
{
    uint32_t n = htonl((uint32_t)s.n);
    EVP_DigestUpdate(digest, &n, sizeof n);
    EVP_DigestUpdate(digest, s.p, s.n);
}

char *fingerprint_make(struct str tenant_id, struct str name,
                       const struct label *labels, size_t label_count,
                       char out[FINGERPRINT_MAX])
{
    EVP_MD_CTX *digest = EVP_MD_CTX_new();
    assert(digest);
    int begun = EVP_DigestInit_ex(digest, EVP_sha256(), NULL);
    assert(begun == 1);
    add(digest, tenant_id);
    add(digest, name);
    for (size_t i = 0; i < label_count; i++) {
        add(digest, labels[i].name);
        add(digest, labels[i].value);
    }
    unsigned char bytes[EVP_MAX_MD_SIZE];
    EVP_DigestFinal_ex(digest, bytes, NULL);
    EVP_MD_CTX_free(digest);
    static const char hex[] = "0123456789abcdef";
    for (size_t i = 0; i < KEY_BYTES; i++) {
        out[2 * i] = hex[bytes[i] >> 4];
        out[2 * i + 1] = hex[bytes[i] & 15];
    }
    out[FINGERPRINT_MAX - 1] = '\0';
    return out;
}
