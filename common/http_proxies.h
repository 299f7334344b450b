/* SPDX-License-Identifier: Apache-2.0 */
/* http_proxies.h - which peers may say for whom they speak (X-Forwarded-For);
 * used by http. Addresses are IPv6; IPv4 is ::ffff:a.b.c.d. */
#ifndef COMMON_HTTP_PROXIES_H
#define COMMON_HTTP_PROXIES_H

#include <netinet/in.h>

#include "common/err.h"
#include "common/str.h"

struct http_proxies; /* immutable */

/* list: "10.0.0.0/8, 192.0.2.7, fd00::/8"; may be empty. NULL and *err
 * (ERR_INPUT) where one is no address or network. */
struct http_proxies *http_proxies_new(struct str list, struct err *err)
    MUST_USE;
void http_proxies_free(struct http_proxies *p);
DEFINE_AUTO(http_proxies)
bool http_proxies_trust(const struct http_proxies *p, const struct in6_addr *a);
/* The client behind from, which was told by it in forwarded (the header's
 * value; each proxy appends whom it heard): from the right, the first that is
 * not trusted. What is no address ends the search; the last one found counts.
 */
struct in6_addr http_proxies_client(const struct http_proxies *p,
                                    const struct in6_addr *from,
                                    struct str forwarded);

#endif
