/* SPDX-License-Identifier: Apache-2.0 */
#include "services/writer/series.h"

#include <stdlib.h>

#include "common/clock.h"
#include "services/writer/numbers.h"

/* A key is as long as its sender likes, tens of kilobytes at most. */
enum { KEY_BYTES = 256 }; /* on average, of a full cache */
/* A refused series is asked for again after a while: the limit may rise. */
enum { REFUSED_MAX = 100000, REFUSED_US = 10 * 1000 * 1000 };

/*
 * Keys. A metric's is the bytes of tenant, name and labels as they stand in the
 * message (record.h, series). One put together here begins with an odd byte,
 * which as the length of a tenant's name would be negative: the two kinds
 * cannot meet. A series that comes spelled in two ways has two entries.
 */
enum { MADE_METRIC = 1, MADE_FIELD = 3 };

struct series {
    struct numbers *numbers;
    struct numbers *refused; /* key → 1 */
    int64_t refused_until_us;
    struct buf key;
    const struct telemetry_record *telemetry; /* of series_begin */
    size_t prefix;                            /* its part of key */
    uint64_t hits, misses;                    /* not yet in stats */
    struct stats *stats;
};

struct series *series_new(size_t max_entries, struct stats *stats)
{
    struct series *s = xcalloc(1, sizeof *s);
    s->numbers = numbers_new(max_entries, max_entries * KEY_BYTES);
    s->refused = numbers_new(REFUSED_MAX, (size_t)REFUSED_MAX * KEY_BYTES);
    s->stats = stats;
    return s;
}

void series_free(struct series *s)
{
    if (s == NULL)
        return;
    numbers_free(s->numbers);
    numbers_free(s->refused);
    buf_release(&s->key);
    free(s);
}

/* Forgets by itself: there may never be another new series to ask for. */
static bool is_refused(struct series *s, struct str key)
{
    if (numbers_count(s->refused) == 0)
        return false;
    if (clock_mono_us() >= s->refused_until_us)
        numbers_clear(s->refused);
    return numbers_get(s->refused, key) > 0;
}

/* 0: not known, or (*refused) known to be refused. */
static int64_t look_up(struct series *s, struct str key, bool *refused)
{
    int64_t number = numbers_get(s->numbers, key);
    s->hits += number > 0;
    *refused = number == 0 && is_refused(s, key);
    s->misses += number == 0 && !*refused;
    return number;
}

/* ---- metrics ---- */

static void key_part(struct buf *key, struct str s)
{
    uint32_t n = (uint32_t)s.n;
    buf_add(key, &n, sizeof n);
    buf_add_str(key, s);
}

static struct str key_of(struct series *s, const struct metric_record *m)
{
    buf_reset(&s->key);
    buf_add_char(&s->key, MADE_METRIC);
    key_part(&s->key, m->tenant_id);
    key_part(&s->key, m->name);
    for (size_t i = 0; i < m->label_count; i++) {
        key_part(&s->key, m->labels[i].name);
        key_part(&s->key, m->labels[i].value);
    }
    return buf_str(&s->key);
}

int64_t series_of_metric(struct series *s, struct tickets *t,
                         const struct metric_record *m)
{
    bool refused;
    struct str key = m->series.p != NULL ? m->series : key_of(s, m);
    int64_t number = look_up(s, key, &refused);
    if (number > 0 || refused)
        return number;
    return tickets_take(t, key, m->tenant_id, m->name, m->labels,
                        m->label_count);
}

/* ---- telemetry ---- */

void series_begin(struct series *s, const struct telemetry_record *t)
{
    s->telemetry = t;
    buf_reset(&s->key);
    buf_add_char(&s->key, MADE_FIELD);
    key_part(&s->key, t->tenant_id);
    key_part(&s->key, t->device_id);
    buf_add_char(&s->key, t->site_id.p != NULL);
    key_part(&s->key, t->site_id);
    s->prefix = s->key.n;
}

int64_t series_of_field(struct series *s, struct tickets *t, struct str name)
{
    const struct telemetry_record *r = s->telemetry;
    bool refused;
    s->key.n = s->prefix;
    buf_add_str(&s->key, name);
    int64_t number = look_up(s, buf_str(&s->key), &refused);
    if (number > 0 || refused)
        return number;
    const struct label labels[] = {{STR("device_id"), r->device_id},
                                   {STR("site_id"), r->site_id}};
    return tickets_take(t, buf_str(&s->key), r->tenant_id, name, labels,
                        r->site_id.p == NULL ? 1 : 2);
}

/* ---- what was asked for ---- */

void series_forget(struct series *s)
{
    numbers_clear(s->numbers);
    numbers_clear(s->refused);
}

static void forget_refused(struct series *s)
{
    int64_t now_us = clock_mono_us();
    if (now_us < s->refused_until_us)
        return;
    numbers_clear(s->refused);
    s->refused_until_us = now_us + REFUSED_US;
}

void series_learn(struct series *s, const struct tickets *t)
{
    counter_add(s->stats->series_hits, s->hits);
    counter_add(s->stats->series_misses, s->misses);
    s->hits = s->misses = 0;
    if (!t->resolved)
        return;
    forget_refused(s);
    for (size_t i = 0; i < t->count; i++) {
        if (t->all[i].number > 0)
            numbers_put(s->numbers, t->all[i].key, t->all[i].number);
        else if (t->all[i].wanted)
            numbers_put(s->refused, t->all[i].key, 1);
    }
    gauge_set(s->stats->series_cached, (double)numbers_count(s->numbers));
    gauge_set(s->stats->series_cached_bytes,
              (double)(numbers_bytes(s->numbers) + numbers_bytes(s->refused)));
}
