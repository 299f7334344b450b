/* SPDX-License-Identifier: Apache-2.0 */
#include "common/http_tls.h"

#include <gnutls/x509.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "common/log.h"

enum { CHAIN_MAX = 16, KEY_ID_BYTES = 32 };

/* A certificate with its chain, and its key; immutable. */
struct identity {
    gnutls_pcert_st chain[CHAIN_MAX];
    unsigned count;
    gnutls_privkey_t key;
    int64_t expires_us;
    struct identity *older; /* sessions may still use it */
};

/* What tells that a file was replaced or written to. */
struct stamp {
    struct timespec changed;
    ino_t inode;
    off_t bytes;
};

struct http_tls {
    char *certificate_path, *key_path;
    struct stamp certificate_stamp, key_stamp;
    _Atomic(struct identity *) now;
};

/* --- reading ------------------------------------------------------------- */

static bool fail(struct err *err, const char *path, int code)
{
    err_set(err, ERR_FATAL, "%s: %s", path, gnutls_strerror(code));
    return false;
}

static void identity_free(struct identity *id)
{
    if (id == NULL)
        return;
    for (unsigned i = 0; i < id->count; i++)
        gnutls_pcert_deinit(&id->chain[i]);
    if (id->key != NULL)
        gnutls_privkey_deinit(id->key);
    free(id);
}
DEFINE_AUTO(identity)

static bool chain_read(struct identity *id, const char *path, struct err *err)
{
    gnutls_datum_t pem;
    unsigned count = CHAIN_MAX;
    int code = gnutls_load_file(path, &pem);
    if (code != 0)
        return fail(err, path, code);
    code = gnutls_pcert_list_import_x509_raw(id->chain, &count, &pem,
                                             GNUTLS_X509_FMT_PEM, 0);
    gnutls_free(pem.data);
    if (code != 0)
        return fail(err, path, code);
    id->count = count;
    return true;
}

static bool key_read(struct identity *id, const char *path, struct err *err)
{
    gnutls_datum_t pem;
    int code = gnutls_load_file(path, &pem);
    if (code != 0)
        return fail(err, path, code);
    code = gnutls_privkey_init(&id->key);
    if (code == 0)
        code = gnutls_privkey_import_x509_raw(id->key, &pem,
                                              GNUTLS_X509_FMT_PEM, NULL, 0);
    gnutls_memset(pem.data, 0, pem.size);
    gnutls_free(pem.data);
    return code == 0 || fail(err, path, code);
}

static bool key_id_of(gnutls_pubkey_t key, unsigned char *out)
{
    size_t bytes = KEY_ID_BYTES;
    return gnutls_pubkey_get_key_id(key, GNUTLS_KEYID_USE_SHA256, out,
                                    &bytes) == 0 &&
           bytes == KEY_ID_BYTES;
}

static bool belong_together(const struct identity *id)
{
    unsigned char of_chain[KEY_ID_BYTES], of_key[KEY_ID_BYTES];
    gnutls_pubkey_t key;
    if (gnutls_pubkey_init(&key) != 0)
        return false;
    bool same = gnutls_pubkey_import_privkey(key, id->key, 0, 0) == 0 &&
                key_id_of(key, of_key) &&
                key_id_of(id->chain[0].pubkey, of_chain) &&
                memcmp(of_chain, of_key, KEY_ID_BYTES) == 0;
    gnutls_pubkey_deinit(key);
    return same;
}

static bool expiry_read(struct identity *id, const char *path, struct err *err)
{
    gnutls_x509_crt_t certificate;
    int code = gnutls_x509_crt_init(&certificate);
    if (code != 0)
        return fail(err, path, code);
    code = gnutls_x509_crt_import(certificate, &id->chain[0].cert,
                                  GNUTLS_X509_FMT_DER);
    if (code == 0)
        id->expires_us =
            (int64_t)gnutls_x509_crt_get_expiration_time(certificate) * 1000000;
    gnutls_x509_crt_deinit(certificate);
    return code == 0 || fail(err, path, code);
}

static struct identity *identity_read(const struct http_tls *t, struct err *err)
{
    AUTO(identity) id = xcalloc(1, sizeof *id);
    if (!chain_read(id, t->certificate_path, err) ||
        !key_read(id, t->key_path, err) ||
        !expiry_read(id, t->certificate_path, err))
        return NULL;
    if (belong_together(id))
        return MOVE(id);
    err_set(err, ERR_FATAL, "%s is not the key of %s", t->key_path,
            t->certificate_path);
    return NULL;
}

/* --- when they change ---------------------------------------------------- */

/* A file that is away changes when it is back. */
static bool stamp_renew(struct stamp *stamp, const char *path)
{
    struct stat st;
    if (stat(path, &st) != 0)
        return false;
    bool same = stamp->inode == st.st_ino && stamp->bytes == st.st_size &&
                stamp->changed.tv_sec == st.st_mtim.tv_sec &&
                stamp->changed.tv_nsec == st.st_mtim.tv_nsec;
    *stamp = (struct stamp){st.st_mtim, st.st_ino, st.st_size};
    return !same;
}

static bool changed(struct http_tls *t)
{
    bool certificate = stamp_renew(&t->certificate_stamp, t->certificate_path);
    bool key = stamp_renew(&t->key_stamp, t->key_path);
    return certificate || key;
}

void http_tls_look(struct http_tls *t)
{
    struct err err = {0};
    if (!changed(t))
        return;
    struct identity *id = identity_read(t, &err);
    if (id == NULL) {
        log_warn("tls_certificate_kept", LOG_ERR(&err));
        return;
    }
    id->older = atomic_load(&t->now);
    atomic_store(&t->now, id);
    log_info("tls_certificate_read", LOG_S("file", t->certificate_path));
}

/* --- life ---------------------------------------------------------------- */

struct http_tls *http_tls_new(const char *certificate_path,
                              const char *key_path, struct err *err)
{
    AUTO(http_tls) t = xcalloc(1, sizeof *t);
    t->certificate_path = str_dup(str_of(certificate_path));
    t->key_path = str_dup(str_of(key_path));
    (void)changed(t); /* before they are read: a change meanwhile is seen */
    struct identity *id = identity_read(t, err);
    atomic_store(&t->now, id);
    return id != NULL ? MOVE(t) : NULL;
}

void http_tls_free(struct http_tls *t)
{
    if (t == NULL)
        return;
    struct identity *id = atomic_load(&t->now);
    while (id != NULL) {
        struct identity *older = id->older;
        identity_free(id);
        id = older;
    }
    free(t->certificate_path);
    free(t->key_path);
    free(t);
}

int64_t http_tls_expires_us(const struct http_tls *t)
{
    return atomic_load(&t->now)->expires_us;
}

int http_tls_give(struct http_tls *t, gnutls_pcert_st **certificates,
                  unsigned *count, gnutls_privkey_t *key)
{
    struct identity *id = atomic_load(&t->now);
    *certificates = id->chain;
    *count = id->count;
    *key = id->key;
    return 0;
}
