/* SPDX-License-Identifier: Apache-2.0 */
/* http_tls.h - a server's certificate and key: read from PEM files, and again
 * when these change; used by http. */
#ifndef COMMON_HTTP_TLS_H
#define COMMON_HTTP_TLS_H

#include <gnutls/abstract.h>

#include "common/err.h"

/* What GnuTLS may agree on: TLS 1.2 and 1.3. */
#define HTTP_TLS_PRIORITIES "SECURE128:-VERS-ALL:+VERS-TLS1.3:+VERS-TLS1.2"

struct http_tls;

/* certificate: the server's own first, then those that signed it. NULL and
 * *err (ERR_FATAL) where they cannot be read or do not belong together. */
struct http_tls *http_tls_new(const char *certificate_path,
                              const char *key_path, struct err *err) MUST_USE;
void http_tls_free(struct http_tls *t); /* no session may be left */
DEFINE_AUTO(http_tls)
/* Reads the files again if they changed; what cannot be used is logged, and
 * the last good pair goes on serving. One thread. */
void http_tls_look(struct http_tls *t);
/* The first certificate's end, wall clock µs. Any thread. */
int64_t http_tls_expires_us(const struct http_tls *t);
/* As a gnutls_certificate_retrieve_function3 gives it. Any thread. */
int http_tls_give(struct http_tls *t, gnutls_pcert_st **certificates,
                  unsigned *count, gnutls_privkey_t *key);

#endif
