/* SPDX-License-Identifier: Apache-2.0 */
/* http_listen.h - a listening socket from "address:port"; used by http.c. */
#ifndef COMMON_HTTP_LISTEN_H
#define COMMON_HTTP_LISTEN_H

#include "common/err.h"

/* "127.0.0.1:8080", "[::1]:0", ":8080" (every address). The socket does not
 * block. -1 and *err (ERR_FATAL) if it cannot be had. */
int http_listen(const char *listen_at, struct err *err) MUST_USE;
int http_port(int fd); /* that it listens on */

#endif
