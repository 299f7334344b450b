/* SPDX-License-Identifier: Apache-2.0 */
#include "common/pulse/signature.h"

#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <string.h>

#include "common/base64.h"

enum { SECRET_MIN = 16, SECRET_MAX = 128, HMAC_BYTES = 32 };

struct secret {
    unsigned char bytes[SECRET_MAX + 4];
    size_t n;
};

/* EVP_DecodeBlock wants whole groups of four and counts the padding's zeros
 * as bytes. */
static bool secret_decode(struct str text, struct secret *out)
{
    if (str_starts(text, STR("whsec_")))
        text = (struct str){text.p + 6, text.n - 6};
    if (text.n == 0 || text.n % 4 != 0 || text.n / 4 * 3 > SECRET_MAX)
        return false;
    int n =
        EVP_DecodeBlock(out->bytes, (const unsigned char *)text.p, (int)text.n);
    if (n < 0)
        return false;
    for (size_t i = text.n; i > text.n - 2 && text.p[i - 1] == '='; i--)
        n--;
    out->n = (size_t)n;
    return out->n >= SECRET_MIN;
}

static void add_one(struct buf *out, const struct secret *secret,
                    struct str signed_text)
{
    unsigned char mac[HMAC_BYTES];
    unsigned n = sizeof mac;
    HMAC(EVP_sha256(), secret->bytes, (int)secret->n,
         (const unsigned char *)signed_text.p, signed_text.n, mac, &n);
    buf_add_text(out, "v1,");
    base64_add(out, (struct str){(const char *)mac, sizeof mac});
}

bool signature_add(struct buf *out, struct str id, int64_t timestamp_s,
                   struct str body, const struct str *secrets, size_t count,
                   struct err *err)
{
    if (count == 0) {
        err_set(err, ERR_INPUT, "the channel has no secret");
        return false;
    }
    AUTO_RELEASE(buf) text = {0};
    buf_addf(&text, "%.*s.%lld.", STR_ARG(id), (long long)timestamp_s);
    buf_add_str(&text, body);
    for (size_t i = 0; i < count; i++) {
        struct secret secret;
        if (!secret_decode(secrets[i], &secret)) {
            err_set(err, ERR_INPUT, "secret %zu is not whsec_ + base64", i + 1);
            return false;
        }
        if (i > 0)
            buf_add_char(out, ' ');
        add_one(out, &secret, buf_str(&text));
        OPENSSL_cleanse(&secret, sizeof secret);
    }
    return true;
}
