/* SPDX-License-Identifier: Apache-2.0 */
#include "common/pulse/keyring.h"

#include <assert.h>
#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/rand.h>
#include <openssl/sha.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/map.h"

enum { ID_CHARS = 12, SECRET_CHARS = 43, PRESENTED_MAX = 256 };

struct keyring {
    struct map *keys; /* key_id to struct key, texts behind it */
    EVP_MD *sha256;   /* looking it up by name costs more than hashing */
};

struct keyring *keyring_new(void)
{
    struct keyring *k = xcalloc(1, sizeof *k);
    k->keys = map_new(0, free);
    k->sha256 = EVP_MD_fetch(NULL, "SHA256", NULL);
    assert(k->sha256 != NULL);
    return k;
}

void keyring_free(struct keyring *k)
{
    if (k != NULL) {
        map_free(k->keys);
        EVP_MD_free(k->sha256);
        free(k);
    }
}

static struct str put(char **at, struct str s)
{
    struct str copy = {*at, s.n};
    if (s.p == NULL) {
        return s;
    }
    memcpy(*at, s.p, s.n);
    *at += s.n;
    return copy;
}

void keyring_add(struct keyring *k, const struct key *key)
{
    struct key *copy = xmalloc(sizeof *copy + key->key_id.n + key->tenant_id.n +
                               key->device_id.n);
    char *at = (char *)(copy + 1);
    *copy = *key;
    copy->key_id = put(&at, key->key_id);
    copy->tenant_id = put(&at, key->tenant_id);
    copy->device_id = put(&at, key->device_id);
    map_put(k->keys, copy->key_id, copy);
}

size_t keyring_count(const struct keyring *k)
{
    return map_count(k->keys);
}

static bool split(struct str presented, struct str *id, struct str *secret)
{
    struct str prefix;
    return presented.n <= PRESENTED_MAX &&
           str_cut(presented, '_', &prefix, &presented) &&
           str_is(prefix, "pulse") && str_cut(presented, '_', id, secret) &&
           id->n > 0 && secret->n > 0;
}

const struct key *keyring_find(const struct keyring *k, struct str presented,
                               int64_t now_us)
{
    struct str id, secret;
    if (!split(presented, &id, &secret)) {
        return NULL;
    }
    const struct key *key = map_peek(k->keys, id);
    unsigned char hash[SHA256_DIGEST_LENGTH];
    int hashed = EVP_Digest(secret.p, secret.n, hash, NULL, k->sha256, NULL);
    if (!hashed || key == NULL || now_us >= key->expires_at_us ||
        CRYPTO_memcmp(hash, key->secret_hash, sizeof hash) != 0) {
        return NULL;
    }
    return key;
}

bool scope_parse(struct str name, unsigned *scope)
{
    static const struct {
        const char *name;
        enum scope scope;
    } scopes[] = {
        {"write", SCOPE_WRITE}, {"read", SCOPE_READ}, {"admin", SCOPE_ADMIN}};
    for (size_t i = 0; i < ARRAY_LEN(scopes); i++) {
        if (str_is(name, scopes[i].name)) {
            *scope = scopes[i].scope;
            return true;
        }
    }
    return false;
}

/* count characters of the first base in "0-9a-zA-Z", each equally likely. */
static void random_text(char *out, size_t count, unsigned base)
{
    static const char digits[] = "0123456789abcdefghijklmnopqrstuvwxyz"
                                 "ABCDEFGHIJKLMNOPQRSTUVWXYZ";
    for (size_t i = 0; i < count;) {
        unsigned char byte;
        int ok = RAND_bytes(&byte, 1);
        assert(ok == 1); /* without randomness there are no keys */
        if (byte < 256 / base * base) {
            out[i++] = digits[byte % base];
        }
    }
    out[count] = '\0';
}

void key_make(struct key_made *out)
{
    char secret[SECRET_CHARS + 1];
    random_text(out->key_id, ID_CHARS, 36);
    random_text(secret, SECRET_CHARS, 62);
    snprintf(out->text, sizeof out->text, "pulse_%s_%s", out->key_id, secret);
    SHA256((const unsigned char *)secret, SECRET_CHARS, out->secret_hash);
    OPENSSL_cleanse(secret, sizeof secret);
}

struct str key_from_headers(struct str authorization, struct str x_api_key)
{
    struct str scheme, value;
    if (str_cut(str_trim(authorization), ' ', &scheme, &value) &&
        (str_eq_nocase(scheme, STR("Bearer")) ||
         str_eq_nocase(scheme, STR("Token")))) {
        return str_trim(value);
    }
    return str_trim(x_api_key);
}
