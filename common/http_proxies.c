/* SPDX-License-Identifier: Apache-2.0 */
#include "common/http_proxies.h"

#include <arpa/inet.h>
#include <stdlib.h>
#include <string.h>

enum { V4_OFFSET = 96, V6_BITS = 128, TEXT_MAX = 64 };

struct network {
    struct in6_addr address;
    int bits;
};

struct http_proxies {
    struct network *networks;
    size_t count;
};

/* --- addresses ----------------------------------------------------------- */

static bool text_read(struct str text, struct in6_addr *a, bool *v4)
{
    char zero[TEXT_MAX];
    struct in_addr four;
    if (text.n == 0 || text.n >= sizeof zero || str_has_nul(text))
        return false;
    memcpy(zero, text.p, text.n);
    zero[text.n] = '\0';
    *v4 = inet_pton(AF_INET, zero, &four) == 1;
    if (!*v4)
        return inet_pton(AF_INET6, zero, a) == 1;
    *a = (struct in6_addr){.s6_addr = {[10] = 0xff, [11] = 0xff}};
    memcpy(a->s6_addr + 12, &four, sizeof four);
    return true;
}

/* "192.0.2.7", "192.0.2.7:443", "2001:db8::7", "[2001:db8::7]:443" */
static bool hop_read(struct str text, struct in6_addr *a)
{
    struct str host = str_trim(text), port;
    bool v4;
    if (host.n > 0 && host.p[0] == '[') {
        host = (struct str){host.p + 1, host.n - 1};
        return str_cut(host, ']', &host, &port) && text_read(host, a, &v4);
    }
    if (text_read(host, a, &v4))
        return true;
    return str_cut(host, ':', &host, &port) && text_read(host, a, &v4) && v4;
}

static bool network_read(struct str text, struct network *n)
{
    struct str host = str_trim(text), length;
    int64_t bits = V6_BITS;
    bool v4, given = str_cut(host, '/', &host, &length);
    if (!text_read(host, &n->address, &v4))
        return false;
    if (given) {
        if (!str_to_i64(length, &bits) || bits < 0)
            return false;
        bits += v4 ? V4_OFFSET : 0;
    }
    n->bits = (int)bits;
    return bits <= V6_BITS;
}

static bool within(const struct network *n, const struct in6_addr *a)
{
    size_t whole = (size_t)n->bits / 8;
    unsigned rest = (unsigned)n->bits % 8;
    if (memcmp(n->address.s6_addr, a->s6_addr, whole) != 0)
        return false;
    return rest == 0 ||
           ((n->address.s6_addr[whole] ^ a->s6_addr[whole]) >> (8 - rest)) == 0;
}

/* --- life ---------------------------------------------------------------- */

struct http_proxies *http_proxies_new(struct str list, struct err *err)
{
    AUTO(http_proxies) p = xcalloc(1, sizeof *p);
    struct str rest = str_trim(list), one;
    p->networks = xcalloc(list.n / 2 + 1, sizeof *p->networks);
    while (rest.n > 0 && str_next(&rest, ',', &one)) {
        if (!network_read(one, &p->networks[p->count++])) {
            err_set(err, ERR_INPUT,
                    "\"%.*s\" is no address or network like 10.0.0.0/8",
                    STR_ARG(str_trim(one)));
            return NULL;
        }
    }
    return MOVE(p);
}

void http_proxies_free(struct http_proxies *p)
{
    if (p == NULL)
        return;
    free(p->networks);
    free(p);
}

bool http_proxies_trust(const struct http_proxies *p, const struct in6_addr *a)
{
    for (size_t i = 0; i < p->count; i++)
        if (within(&p->networks[i], a))
            return true;
    return false;
}

/* Takes the last element of a list; false: it is used up. */
static bool last_take(struct str *list, struct str *last)
{
    size_t at = list->n;
    if (list->n == 0)
        return false;
    while (at > 0 && list->p[at - 1] != ',')
        at--;
    *last = (struct str){list->p + at, list->n - at};
    list->n = at > 0 ? at - 1 : 0;
    return true;
}

struct in6_addr http_proxies_client(const struct http_proxies *p,
                                    const struct in6_addr *from,
                                    struct str forwarded)
{
    struct in6_addr client = *from, hop;
    struct str one;
    while (http_proxies_trust(p, &client) && last_take(&forwarded, &one) &&
           hop_read(one, &hop))
        client = hop;
    return client;
}
