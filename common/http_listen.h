/* SPDX-License-Identifier: Apache-2.0 */
/* http_listen.h - "address:port" to a listening socket; used by http. */
#ifndef COMMON_HTTP_LISTEN_H
#define COMMON_HTTP_LISTEN_H

#include <stdint.h>

#include "common/err.h"

/* "127.0.0.1:8080", "[::1]:0", "localhost:80", ":80" (all addresses). The
 * socket does not block. -1 and *err (ERR_FATAL). */
int http_listen(const char *where, struct err *err) MUST_USE;
int http_port(int fd);
/* How many descriptors the process may have, after asking for all it can. */
int64_t http_descriptors(void);

#endif
