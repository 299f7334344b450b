/* SPDX-License-Identifier: Apache-2.0 */
#include "services/ingest/failures.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "common/map.h"

enum { WINDOW_US = 60000000, NETWORK_BYTES = 8 };

struct failures {
    int64_t most;
    pthread_mutex_t lock;  /* guards addresses */
    struct map *addresses; /* -> struct misses */
    struct counter *told, *throttled;
};

struct misses {
    int64_t since_us, count;
};

struct failures *failures_new(const struct failures_options *options)
{
    struct failures *f = xcalloc(1, sizeof *f);
    const char *name = "pulse_ingest_wrong_keys_total";
    const char *help = "Requests with a wrong key, by the code they got.";

    f->most = options->most;
    pthread_mutex_init(&f->lock, NULL);
    f->addresses = map_new(options->addresses_max, free);
    f->told = metrics_counter(options->metrics, name, help, "code",
                              "unknown_key", NULL);
    f->throttled = metrics_counter(options->metrics, name, help, "code",
                                   "too_many_failures", NULL);
    return f;
}

void failures_free(struct failures *f)
{
    if (!f)
        return;
    map_free(f->addresses);
    pthread_mutex_destroy(&f->lock);
    free(f);
}

static struct str network(struct str address)
{
    static const char mapped[12] = "\0\0\0\0\0\0\0\0\0\0\xff\xff"; /* an IPv4 */

    if (address.n == 16 && memcmp(address.p, mapped, sizeof mapped) != 0)
        address.n = NETWORK_BYTES;
    return address;
}

static struct misses *misses_of(struct failures *f, struct str address,
                                int64_t now_us)
{
    struct misses *m = map_get(f->addresses, address);

    if (!m) {
        m = xcalloc(1, sizeof *m);
        m->since_us = now_us;
        map_put(f->addresses, address, m);
    }
    if (now_us - m->since_us >= WINDOW_US)
        *m = (struct misses){.since_us = now_us};
    return m;
}

bool failures_add(struct failures *f, struct str address, int64_t now_us,
                  int64_t *retry_s)
{
    bool many = false;

    if (f->most > 0) {
        pthread_mutex_lock(&f->lock);
        struct misses *m = misses_of(f, network(address), now_us);
        many = ++m->count > f->most;
        *retry_s = (m->since_us + WINDOW_US - now_us + 999999) / 1000000;
        pthread_mutex_unlock(&f->lock);
    }
    counter_add(many ? f->throttled : f->told, 1);
    return many;
}
