/* SPDX-License-Identifier: Apache-2.0 */
#include <stdlib.h>

#include "common/http_inside.h"
#include "common/map.h"

/*
 * An IPv6 host has a whole /64 to send from, so these count as one address.
 * The map's hash is seeded: nobody can choose addresses that collide.
 */
struct http_peers {
    struct map *counts; /* the number itself, as a pointer */
    uintptr_t each_max;
    const struct http_proxies *trusted; /* speak for many */
};

struct http_peers *http_peers_new(int each_max,
                                  const struct http_proxies *trusted)
{
    struct http_peers *p = xcalloc(1, sizeof *p);
    p->counts = map_new(0, NULL);
    p->each_max = (uintptr_t)each_max;
    p->trusted = trusted;
    return p;
}

void http_peers_free(struct http_peers *p)
{
    if (p == NULL)
        return;
    map_free(p->counts);
    free(p);
}

static struct str key_of(const struct in6_addr *a)
{
    return (struct str){(const char *)a->s6_addr,
                        IN6_IS_ADDR_V4MAPPED(a) ? 16 : 8};
}

static bool counts(const struct http_peers *p, const struct in6_addr *a)
{
    return p->each_max > 0 && !http_proxies_trust(p->trusted, a);
}

bool http_peers_add(struct http_peers *p, const struct in6_addr *a)
{
    if (!counts(p, a))
        return true;
    uintptr_t count = (uintptr_t)map_get(p->counts, key_of(a));
    if (count >= p->each_max)
        return false;
    map_put(p->counts, key_of(a), (void *)(count + 1));
    return true;
}

void http_peers_remove(struct http_peers *p, const struct in6_addr *a)
{
    if (!counts(p, a))
        return;
    uintptr_t count = (uintptr_t)map_get(p->counts, key_of(a));
    if (count > 1)
        map_put(p->counts, key_of(a), (void *)(count - 1));
    else
        map_remove(p->counts, key_of(a));
}
