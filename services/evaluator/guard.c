/* SPDX-License-Identifier: Apache-2.0 */
#include "services/evaluator/guard.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>

static const unsigned char mapped[12] = {0, 0, 0, 0, 0,    0,
                                         0, 0, 0, 0, 0xff, 0xff};

/* Networks nobody outside can mean (RFC 6890 and its successors), and NAT64 of
 * a local network (RFC 8215), which has the IPv4 address where it likes. */
static const char *const inside[] = {
    "0.0.0.0/8",      "10.0.0.0/8",    "100.64.0.0/10",   "127.0.0.0/8",
    "169.254.0.0/16", "172.16.0.0/12", "192.0.0.0/24",    "192.0.2.0/24",
    "192.168.0.0/16", "198.18.0.0/15", "198.51.100.0/24", "203.0.113.0/24",
    "224.0.0.0/3",    "::/128",        "::1/128",         "64:ff9b:1::/48",
    "100::/64",       "2001::/23",     "2001:db8::/32",   "fc00::/7",
    "fe80::/10",      "fec0::/10",     "ff00::/8",
};

/* IPv4 addresses in disguise: network, and the byte the address begins at. */
static const struct {
    const char *network;
    size_t at;
} disguises[] = {
    {"64:ff9b::/96", 12},    /* NAT64, RFC 6052 */
    {"::ffff:0:0:0/96", 12}, /* IPv4-translated, RFC 2765 */
    {"2002::/16", 2},        /* 6to4, RFC 3056 */
    {"::/96", 12},           /* IPv4-compatible, RFC 4291; deprecated */
};

static bool within(const struct network *n, const unsigned char address[16])
{
    int whole = n->bits / 8, rest = n->bits % 8;
    if (memcmp(n->address, address, (size_t)whole) != 0)
        return false;
    if (rest == 0)
        return true;
    unsigned char mask = (unsigned char)(0xff << (8 - rest));
    return ((n->address[whole] ^ address[whole]) & mask) == 0;
}

static bool network_parse(struct str s, struct network *out)
{
    struct str host = s, width = {NULL, 0};
    char text[INET6_ADDRSTRLEN];
    bool has_width = str_cut(s, '/', &host, &width);
    if (host.n == 0 || host.n >= sizeof text)
        return false;
    memcpy(text, host.p, host.n);
    text[host.n] = '\0';
    int least = 0;
    if (inet_pton(AF_INET, text, out->address + 12) == 1) {
        memcpy(out->address, mapped, sizeof mapped);
        least = 96;
    } else if (inet_pton(AF_INET6, text, out->address) != 1) {
        return false;
    }
    int64_t bits = 128 - least;
    if (has_width && !str_to_i64(width, &bits))
        return false;
    out->bits = (int)bits + least;
    return bits >= 0 && bits <= 128 - least;
}

bool guard_parse(struct guard *g, struct str list, struct err *err)
{
    *g = (struct guard){.count = 0};
    struct str item;
    while (str_next(&list, ',', &item)) {
        item = str_trim(item);
        if (item.n == 0)
            continue;
        if (g->count == GUARD_NETWORKS_MAX) {
            err_set(err, ERR_INPUT, "PULSE_WEBHOOK_ALLOW: more than %d",
                    GUARD_NETWORKS_MAX);
            return false;
        }
        if (!network_parse(item, &g->allowed[g->count++])) {
            err_set(err, ERR_INPUT,
                    "PULSE_WEBHOOK_ALLOW: \"%.*s\" is no address or network"
                    " (127.0.0.0/8, ::1)",
                    STR_ARG(item));
            return false;
        }
    }
    return true;
}

static bool in_text(const char *network, const unsigned char address[16])
{
    struct network n;
    return network_parse(str_of(network), &n) && within(&n, address);
}

static bool is_inside(const unsigned char address[16])
{
    for (size_t i = 0; i < ARRAY_LEN(inside); i++) {
        if (in_text(inside[i], address))
            return true;
    }
    return false;
}

/* The address as 16 bytes, IPv4 mapped, out of its disguise. */
static bool address_of(const struct sockaddr *to, unsigned char out[16])
{
    if (to->sa_family == AF_INET) {
        struct sockaddr_in v4;
        memcpy(&v4, to, sizeof v4);
        memcpy(out, mapped, sizeof mapped);
        memcpy(out + 12, &v4.sin_addr, 4);
        return true;
    }
    if (to->sa_family != AF_INET6)
        return false;
    struct sockaddr_in6 v6;
    memcpy(&v6, to, sizeof v6);
    memcpy(out, &v6.sin6_addr, 16);
    bool loopback = in_text("::1/128", out) || in_text("::/128", out);
    for (size_t i = 0; i < ARRAY_LEN(disguises) && !loopback; i++) {
        if (in_text(disguises[i].network, out)) {
            memmove(out + 12, out + disguises[i].at, 4);
            memcpy(out, mapped, sizeof mapped);
            break;
        }
    }
    return true;
}

bool guard_allows(const struct guard *g, const struct sockaddr *to, bool https)
{
    unsigned char address[16];
    if (!address_of(to, address))
        return false;
    for (size_t i = 0; i < g->count; i++) {
        if (within(&g->allowed[i], address))
            return true;
    }
    return https && !is_inside(address);
}

const char *guard_text(const struct sockaddr *to, char out[GUARD_TEXT_MAX])
{
    const void *from = NULL;
    struct sockaddr_in v4;
    struct sockaddr_in6 v6;
    if (to->sa_family == AF_INET) {
        memcpy(&v4, to, sizeof v4);
        from = &v4.sin_addr;
    } else if (to->sa_family == AF_INET6) {
        memcpy(&v6, to, sizeof v6);
        from = &v6.sin6_addr;
    }
    if (!from || !inet_ntop(to->sa_family, from, out, GUARD_TEXT_MAX))
        snprintf(out, GUARD_TEXT_MAX, "address family %d", to->sa_family);
    return out;
}
