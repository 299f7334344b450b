/* SPDX-License-Identifier: Apache-2.0 */
#include "services/collector/scrape.h"

#include <stdio.h>
#include <stdlib.h>

#include "services/collector/promtext.h"

enum { BODY_BYTES_MAX = 1 << 20 };

struct scraper {
    const struct targets *targets;
    int64_t timeout_ms;
    size_t series_max;
    uint64_t dropped;
    struct fetch *fetches; /* two for each target: /metrics, /readyz */
};

struct scraper *scraper_new(const struct targets *targets, int64_t timeout_ms,
                            size_t series_max)
{
    struct scraper *s = xcalloc(1, sizeof *s);
    s->targets = targets;
    s->timeout_ms = timeout_ms;
    s->series_max = series_max;
    s->fetches = xcalloc(targets->count * 2 + 1, sizeof *s->fetches);
    for (size_t i = 0; i < targets->count; i++) {
        struct str address = targets->at[i].address;
        struct fetch *f = &s->fetches[i * 2];
        snprintf(f[0].url, sizeof f[0].url, "http://%.*s/metrics",
                 STR_ARG(address));
        snprintf(f[1].url, sizeof f[1].url, "http://%.*s/readyz",
                 STR_ARG(address));
    }
    return s;
}

void scraper_free(struct scraper *s)
{
    if (!s)
        return;
    for (size_t i = 0; i < s->targets->count * 2; i++)
        buf_release(&s->fetches[i].body);
    free(s->fetches);
    free(s);
}

uint64_t scraper_dropped(const struct scraper *s)
{
    return s->dropped;
}

static bool is_bucket(const struct promtext_sample *m)
{
    for (size_t i = 0; i < m->label_count; i++)
        if (str_is(m->labels[i].name, "le"))
            return str_ends(m->name, STR("_bucket"));
    return false;
}

/* The scraped labels, our host first: samples_add keeps the first of a name.
 * A scraped "service" would hide the target's: it is renamed, as Prometheus
 * does. */
static size_t labels_make(const struct promtext_sample *m, struct str address,
                          struct label out[PROMTEXT_LABELS_MAX + 1])
{
    size_t n = 0;
    out[n++] = (struct label){STR("host"), address};
    for (size_t i = 0; i < m->label_count; i++) {
        out[n] = m->labels[i];
        if (str_is(out[n].name, "service"))
            out[n].name = STR("exported_service");
        n++;
    }
    return n;
}

static void metrics_take(struct scraper *s, const struct target *t,
                         struct str body, struct samples *out)
{
    struct promtext text = {.rest = body, .arena = out->arena};
    struct promtext_sample m;
    for (size_t taken = 0; promtext_next(&text, &m);) {
        struct label labels[PROMTEXT_LABELS_MAX + 1];
        if (is_bucket(&m))
            continue;
        if (taken == s->series_max) {
            s->dropped++;
            continue;
        }
        size_t n = labels_make(&m, t->address, labels);
        samples_add(out, t->service, m.name, m.value, labels, n);
        taken++;
    }
    s->dropped += text.bad_lines;
}

void scraper_run(struct scraper *s, struct samples *out)
{
    size_t count = s->targets->count;
    fetch_all(s->fetches, count * 2, s->timeout_ms, BODY_BYTES_MAX);
    for (size_t i = 0; i < count; i++) {
        const struct target *t = &s->targets->at[i];
        const struct fetch *metrics = &s->fetches[i * 2];
        const struct fetch *ready = metrics + 1;
        const struct label host = {STR("host"), t->address};
        samples_add(out, t->service, STR("up"), metrics->status == 200, &host,
                    1);
        samples_add(out, t->service, STR("ready"), ready->status == 200, &host,
                    1);
        if (metrics->status == 200)
            metrics_take(s, t, buf_str(&metrics->body), out);
    }
}
