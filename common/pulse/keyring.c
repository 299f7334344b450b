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

enum {
    ID_CHARS = 12,
    SECRET_CHARS = 43,
    PRESENTED_MAX = 256,
    BASIC_MAX = 1024, /* of Base64 */
    USED_US = 1000000,
};

struct entry {
    struct key key;
    _Atomic int64_t used_us; /* 0: not since keyring_used */
    char texts[];
};

struct keyring {
    struct map *keys; /* key_id to struct entry */
    EVP_MD *sha256;   /* looking it up by name costs more than hashing */
    uint64_t serial;  /* no other ring of the process has it; not 0 */
};

/*
 * Hashing a secret costs as much as reading the record it comes with, so a
 * thread remembers secrets that were right. That holds for one ring, and a
 * ring never changes: what is revoked is not in the next.
 */
enum { RIGHT_MAX = 256, RIGHT_SECRET_MAX = 64 };
static _Thread_local struct right {
    uint64_t serial;
    const struct entry *entry;
    size_t n;
    char secret[RIGHT_SECRET_MAX];
} rights[RIGHT_MAX];

struct keyring *keyring_new(void)
{
    static _Atomic uint64_t rings;
    struct keyring *k = xcalloc(1, sizeof *k);
    k->serial = atomic_fetch_add(&rings, 1) + 1;
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
    struct entry *e = xcalloc(1, sizeof *e + key->key_id.n + key->tenant_id.n +
                                     key->device_id.n);
    char *at = e->texts;
    e->key = *key;
    e->key.key_id = put(&at, key->key_id);
    e->key.tenant_id = put(&at, key->tenant_id);
    e->key.device_id = put(&at, key->device_id);
    e->key.used_us = &e->used_us;
    map_put(k->keys, e->key.key_id, e);
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

static bool is_right(const struct right *r, const struct keyring *k,
                     const struct entry *e, struct str secret)
{
    return r->serial == k->serial && r->entry == e && r->n == secret.n &&
           CRYPTO_memcmp(r->secret, secret.p, secret.n) == 0;
}

static void right_keep(struct right *r, const struct keyring *k,
                       const struct entry *e, struct str secret)
{
    if (secret.n > sizeof r->secret)
        return;
    r->serial = k->serial;
    r->entry = e;
    r->n = secret.n;
    memcpy(r->secret, secret.p, secret.n);
}

/* An unknown id (e == NULL) costs a hash, too. */
static bool secret_ok(const struct keyring *k, const struct entry *e,
                      struct str secret)
{
    /* Of addresses the low bits are alike. */
    struct right *r = &rights[((uintptr_t)e >> 5) % RIGHT_MAX];
    unsigned char hash[SHA256_DIGEST_LENGTH];

    if (e != NULL && is_right(r, k, e, secret))
        return true;
    if (!EVP_Digest(secret.p, secret.n, hash, NULL, k->sha256, NULL) ||
        e == NULL || CRYPTO_memcmp(hash, e->key.secret_hash, sizeof hash) != 0)
        return false;
    right_keep(r, k, e, secret);
    return true;
}

const struct key *keyring_find(const struct keyring *k, struct str presented,
                               int64_t now_us)
{
    struct str id, secret;
    if (!split(presented, &id, &secret)) {
        return NULL;
    }
    const struct entry *e = map_peek(k->keys, id);
    if (!secret_ok(k, e, secret) || now_us >= e->key.expires_at_us) {
        return NULL;
    }
    return &e->key;
}

void key_use(const struct key *key, int64_t now_us)
{
    int64_t noted_us = atomic_load_explicit(key->used_us, memory_order_relaxed);
    /* A key used all the time is not written to all the time. */
    if (noted_us == 0 || now_us - noted_us >= USED_US)
        atomic_store_explicit(key->used_us, now_us, memory_order_relaxed);
}

struct used_call {
    void (*fn)(struct str key_id, int64_t used_us, void *arg);
    void *arg;
};

static bool entry_used(struct str key_id, void *value, void *arg)
{
    struct entry *e = value;
    const struct used_call *call = arg;
    int64_t used_us = atomic_exchange(&e->used_us, 0);
    if (used_us != 0)
        call->fn(key_id, used_us, call->arg);
    return true;
}

void keyring_used(const struct keyring *k,
                  void (*fn)(struct str key_id, int64_t used_us, void *arg),
                  void *arg)
{
    struct used_call call = {fn, arg};
    map_each(k->keys, entry_used, &call);
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

/* The password of "user:password" in Base64; empty if it is none. */
static struct str basic_password(struct str text, struct arena *a)
{
    struct str user, password = {0};
    if (text.n == 0 || text.n % 4 != 0 || text.n > BASIC_MAX) {
        return password;
    }
    unsigned char *out = arena_alloc(a, text.n / 4 * 3);
    int n = EVP_DecodeBlock(out, (const unsigned char *)text.p, (int)text.n);
    for (size_t i = text.n; n > 0 && text.p[i - 1] == '=' && i > text.n - 2;
         i--) {
        n--; /* the library counts the padding */
    }
    struct str plain = {(const char *)out, n > 0 ? (size_t)n : 0};
    (void)str_cut(plain, ':', &user, &password);
    return password;
}

struct str key_from_headers(struct str authorization, struct str x_api_key,
                            struct arena *a)
{
    struct str scheme, value;
    if (!str_cut(str_trim(authorization), ' ', &scheme, &value)) {
        return str_trim(x_api_key);
    }
    if (str_eq_nocase(scheme, STR("Bearer")) ||
        str_eq_nocase(scheme, STR("Token"))) {
        return str_trim(value);
    }
    if (str_eq_nocase(scheme, STR("Basic")) && x_api_key.n == 0) {
        return basic_password(str_trim(value), a);
    }
    return str_trim(x_api_key);
}
