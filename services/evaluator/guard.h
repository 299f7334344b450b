/* SPDX-License-Identifier: Apache-2.0 */
/* guard.h - which addresses a webhook may go to: never inside, unless the
 * operator lists the network. Judges addresses about to be connected, not
 * names or URLs. */
#ifndef EVALUATOR_GUARD_H
#define EVALUATOR_GUARD_H

#include <sys/socket.h>

#include "common/err.h"
#include "common/str.h"

/* IPv4 networks are held v4-mapped. */
struct network {
    unsigned char address[16];
    int bits;
};

enum { GUARD_NETWORKS_MAX = 32 };
struct guard {
    struct network allowed[GUARD_NETWORKS_MAX];
    size_t count;
};

/* "127.0.0.0/8,::1,10.1.2.3". False and *err (ERR_INPUT). */
bool guard_parse(struct guard *g, struct str list, struct err *err) MUST_USE;

/* Addresses of IPv4 inside IPv6 (mapped, NAT64, 6to4) are unwrapped first.
 * Plain http goes to listed networks only. */
bool guard_allows(const struct guard *g, const struct sockaddr *to, bool https);
/* For log lines: "127.0.0.1" */
enum { GUARD_TEXT_MAX = 64 };
const char *guard_text(const struct sockaddr *to, char out[GUARD_TEXT_MAX]);

#endif
